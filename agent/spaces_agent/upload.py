"""Take a file to a gateway: resumed after a cut where the gateway says (tus 1.0.0)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from spaces_agent import transfer_steps
from spaces_agent.errors import FileFailed
from spaces_agent.transfer_steps import Again, Interrupted
from spaces_agent.wire import Wire

_PIECE_BYTES = 128 * 1024
_PART_BYTES = 4 * 1024 * 1024
"""So much is sent in one go: the answer is read after it, so this is what a refusal costs at most."""
_TUS = {"Tus-Resumable": "1.0.0"}


def upload(wire: Wire, upload_url: str, source: BinaryIO, name: str, media_type: str) -> str:
    """Upload what `source` has from where it stands; it can be sought. Returns the reference of the file. Raises FileFailed,
    and what the source raises."""
    start = source.tell()
    size = source.seek(0, 2) - start
    headers = {**_TUS, "Upload-Length": str(size), "Upload-Metadata": transfer_steps.metadata(name, media_type)}
    url = wire.until_done(lambda: _created(wire, upload_url, headers))
    offset = 0
    while offset < size:
        source.seek(start + offset)
        stored = _stored(wire, url, source, offset, size)
        if stored > offset:
            wire.progressed()
        offset = stored
    return transfer_steps.reference(url)


def _created(wire: Wire, upload_url: str, headers: dict[str, str]) -> str:
    url = transfer_steps.created(wire.ask("POST", upload_url, {**headers, "Content-Length": "0"}), upload_url)
    if isinstance(url, Again):
        raise Interrupted(url)
    return url


def _stored(wire: Wire, url: str, source: BinaryIO, offset: int, size: int) -> int:
    """Send what follows the offset, as far as it gets; how much of the file the gateway has then."""
    try:
        stored = _send(wire, url, source, offset, size)
        if stored <= offset:
            raise Interrupted(Again("the gateway took nothing"))
        return stored
    except Interrupted as interrupted:
        wire.wait(interrupted.again)
        return wire.until_done(lambda: _answered(wire.ask("HEAD", url, _TUS), size))


def _send(wire: Wire, url: str, source: BinaryIO, offset: int, size: int) -> int:
    part = min(size - offset, _PART_BYTES)
    headers = {
        **_TUS,
        "Upload-Offset": str(offset),
        "Content-Type": "application/offset+octet-stream",
        "Content-Length": str(part),
    }
    return _answered(wire.ask("PATCH", url, headers, _read(wire, source, part)), size)


def _answered(answer: transfer_steps.Answer, size: int) -> int:
    offset = transfer_steps.appended(answer, size)
    if isinstance(offset, Again):
        raise Interrupted(offset)
    return offset


def _read(wire: Wire, source: BinaryIO, left: int) -> Iterator[bytes]:
    while left:
        piece = source.read(min(_PIECE_BYTES, left))
        if not piece:
            raise FileFailed("the file has become shorter while it was uploaded", retryable=False)
        left -= len(piece)
        yield piece
        wire.check()
