"""Uploads and downloads, from what a program has and to where it wants it."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from spaces_client import file_calls
from spaces_client.call import Yielded
from spaces_client.downloading import fetched
from spaces_client.errors import ProblemError
from spaces_client.files import File
from spaces_client.local_files import Source, Target, name_of, write_all
from spaces_client.steps import Work
from spaces_client.uploading import Progress, sent

AT_ONCE_BYTES = 1024 * 1024
"""Up to this size a file is sent in one piece; a larger one so that it can be gone on with after a cut."""


def upload(
    space: str,
    source: str | os.PathLike[str] | bytes | BinaryIO,
    *,
    name: str | None = None,
    media_type: str | None = None,
    progress: Progress | None = None,
) -> Generator[Yielded, Any, File]:
    """Upload a file for a space: the one at a path, bytes, or what a binary stream has from where it stands. It is read
    piece by piece, and gone on with after a cut; a stream that cannot be sought is first copied into a temporary file. The
    name is by default that of the path, the media type what its bytes say. `progress` is told how many bytes have passed,
    and how many there are. The file's `reference` stands for it in inputs. Raises ClientError, OSError, and ValueError for
    what is no media type."""
    if media_type and not (media_type.isascii() and media_type.isprintable()):
        raise ValueError(f"{media_type!r} is no media type")
    called = name_of(source) if name is None else name
    told = progress or _unheard
    with closing((yield Work(partial(Source, source)))) as opened:
        if opened.size <= AT_ONCE_BYTES:
            content = yield Work(lambda: b"".join(opened.pieces(0)))
            file = yield file_calls.posted(space, called, media_type or "", content)
            told(opened.size, opened.size)
        else:
            begun = yield file_calls.begun(space, called, media_type or "", opened.size)
            yield from sent(begun, opened.size, opened.pieces, told)
            file = yield from _complete(begun)
        if file.done:
            opened.check(file.sha256)
    whole: File = file
    return whole


def download(
    id_or_reference: str, target: str | os.PathLike[str] | BinaryIO, *, progress: Progress | None = None
) -> Generator[Yielded, Any, File]:
    """Download a file to a path, where it is only when it is whole, or into a binary stream. It is gone on with after a
    cut; `progress` is told how many bytes have come, and how many there are. Raises ClientError, OSError: DamagedFile when
    it is not what its size and SHA-256 say. Then nothing new is at the path, and what a stream was given is void."""
    file: File = yield file_calls.file(id_or_reference)
    told = progress or _unheard
    if not file.done:
        raise ProblemError(409, "not_done", "The file has not been uploaded to its end.")
    if not isinstance(target, str | os.PathLike):
        yield from fetched(file, partial(write_all, target), told)
        return file
    with closing((yield Work(partial(Target, Path(target))))) as written:
        yield from fetched(file, written.write, told)
        yield Work(written.complete)
    return file


def _complete(begun: File) -> Generator[Yielded, Any, File]:
    """A file whose last bytes are stored; as it was begun, for a key that may not read."""
    try:
        file: File = yield file_calls.file(begun.id)
    except ProblemError as error:
        if error.code != "forbidden":
            raise
        return begun
    return file


def _unheard(_passed: int, _size: int) -> None:
    """Nobody wants to know."""
