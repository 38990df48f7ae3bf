"""Bring a file from a gateway: resumed after a cut, size and digest compared at the end."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path

from spaces_agent import transfer_steps
from spaces_agent.errors import FileFailed
from spaces_agent.frames import FileAccess
from spaces_agent.transfer_steps import Again, Interrupted
from spaces_agent.wire import Wire


def pieces(wire: Wire, file: FileAccess) -> Generator[bytes, None, None]:
    """The bytes of a file, in order and each once. Raises FileGone, FileFailed: also at the end, when they are not those
    that the file's size and digest tell of."""
    digest, offset, etag = hashlib.sha256(), 0, _Tag()
    while offset < file.size:
        try:
            for piece in _body(wire, file, offset, etag):
                offset += len(piece)
                if offset > file.size:
                    raise FileFailed(f"the file has more than its {file.size} bytes", retryable=True)
                digest.update(piece)
                yield piece
                wire.progressed()
            if offset < file.size:
                raise Interrupted(Again("the connection ended early"))
        except Interrupted as interrupted:
            wire.wait(interrupted.again)
    if digest.hexdigest() != file.sha256:
        raise FileFailed("the file's SHA-256 is not what it should be: it was damaged on its way", retryable=True)


class _Tag:
    """The ETag of the first answer."""

    value = ""


def _body(wire: Wire, file: FileAccess, offset: int, etag: _Tag) -> Iterator[bytes]:
    """What follows the first `offset` bytes, as far as one connection brings it. Raises Interrupted, FileFailed."""
    with wire.exchange("GET", file.url, transfer_steps.range_headers(offset, etag.value)) as (answer, body):
        step = transfer_steps.received(answer, offset)
        if isinstance(step, Again):
            raise Interrupted(step)
        etag.value = etag.value or answer.headers.get("etag", "")
        skip = step.skip
        for piece in body:
            if skip < len(piece):
                yield piece[skip:] if skip else piece
            skip = max(0, skip - len(piece))


def to_path(wire: Wire, file: FileAccess, path: Path) -> None:
    """Write a file to `path`, which is there only when it is whole. Raises FileGone, FileFailed, OSError."""
    unfinished = path.with_name(path.name + ".part")
    with unfinished.open("wb") as target, closing(pieces(wire, file)) as source:
        for piece in source:
            target.write(piece)
    unfinished.replace(path)


class Reader(io.RawIOBase):
    """A file as a stream, which is read from the gateway as it is read from. What cannot be read raises FileFailed, also at
    the end: only whoever has read that knows that the bytes were right."""

    def __init__(self, wire: Wire, file: FileAccess) -> None:
        self._wire = wire
        self._pieces = pieces(wire, file)
        self._piece = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if not self._piece:
            self._piece = memoryview(next(self._pieces, b""))
        count = min(len(buffer), len(self._piece))
        buffer[:count] = self._piece[:count]
        self._piece = self._piece[count:]
        return count

    def close(self) -> None:
        if not self.closed:
            self._pieces.close()
            self._wire.close()
        super().close()
