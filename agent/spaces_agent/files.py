"""The files of one attempt, as its handler sees them."""

from __future__ import annotations

import asyncio
import hashlib
import io
import math
import mimetypes
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO, cast

import msgspec

from spaces_agent import download, frames, outcome, scratch, upload
from spaces_agent.errors import FileFailed
from spaces_agent.stopping import Stop
from spaces_agent.wire import Wire

_BUFFER_BYTES = 128 * 1024
_UNKNOWN_TYPE = "application/octet-stream"

Source = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO


class Places(msgspec.Struct, frozen=True, kw_only=True):
    """Where files come from and go: the WebSocket addresses of gateways, and a directory for temporary files."""

    addresses: list[str]
    directory: str


class File(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a file of the input. Somebody has chosen its name and its type: make no path of the one, and do not
    trust the other."""

    ref: str
    name: str
    media_type: str
    size: int
    sha256: str


class Files:
    """The files of one attempt. A file is named by its reference, a string `/v1/files/<id>` in the input or the output.

    `path`, `open` and `save` wait for the network and may be called from any thread but that of an event loop: in an async
    handler `await asyncio.to_thread(context.files.path, ref)`. What is cut off is resumed, until the request's deadline or
    its cancellation. They raise FileFailed, and FileGone when the file is there no more; a handler need not catch these.
    When the attempt has ended all its temporary files are removed."""

    def __init__(
        self,
        assign: frames.Assign | None = None,
        *,
        addresses: Sequence[str] = (),
        directory: Path = Path(os.devnull),
        deadline_at: float = math.inf,
    ) -> None:
        self._known = {file.ref: file for file in assign.files} if assign is not None else {}
        self._upload_url = assign.upload_url if assign is not None else ""
        self._addresses = addresses
        self._deadline_at = deadline_at
        self._stop = Stop()
        self._scratch = scratch.Scratch(directory)
        self._locks = {ref: threading.Lock() for ref in self._known}
        self._paths: dict[str, Path] = {}
        self._numbers = count(1)

    @classmethod
    def of(cls, assign: frames.Assign, places: Places, address: str, started_at: float) -> Files:
        """The files of this assignment, whose handler began at this time of the monotonic clock. `address` is the gateway to
        try first: all are as good, but with this one the agent is connected."""
        others = [other for other in places.addresses if other != address]
        return cls(
            assign,
            addresses=[address, *others] if address else others,
            directory=scratch.directory_of(Path(places.directory), assign.lease),
            deadline_at=started_at + assign.deadline_s,
        )

    # For handlers

    def about(self, ref: str) -> File:
        """What is known of a file of the input. Raises FileFailed when there is none of this reference."""
        access = self._access(ref)
        return File(ref=access.ref, name=access.name, media_type=access.media_type, size=access.size, sha256=access.sha256)

    def path(self, ref: str) -> Path:
        """A temporary file with what this file of the input holds, whole and checked. Asked for again it is the same."""
        _not_in_an_event_loop()
        access = self._access(ref)
        with self._locks[access.ref], self._scratch.use() as directory:
            if access.ref not in self._paths:
                path = directory / f"input-{next(self._numbers)}"
                with self._wire() as wire:
                    download.to_path(wire, access, path)
                self._paths[access.ref] = path
            return self._paths[access.ref]

    def open(self, ref: str) -> BinaryIO:
        """A file of the input as a stream, which is read from the network as it is read from, without a copy on disk. Only
        the end of it tells whether it was right: the last read raises FileFailed if it was not. To be closed."""
        _not_in_an_event_loop()
        access = self._access(ref)
        return cast(BinaryIO, io.BufferedReader(download.Reader(self._new_wire(), access), _BUFFER_BYTES))

    def save(self, source: Source, name: str = "", media_type: str = "") -> str:
        """Upload a file for the output: from a path, from bytes, or what is left of a binary stream. Returns its reference,
        to be put into the output; what the output does not refer to is dropped. `name` is what whoever downloads it sees:
        that of the path unless given, and tells the `media_type` unless given."""
        name = name or (Path(source).name if isinstance(source, str | os.PathLike) else "")
        media_type = media_type or mimetypes.guess_type(name)[0] or _UNKNOWN_TYPE
        with self._opened(source) as opened:
            return self._upload(opened, name, media_type)

    @property
    def directory(self) -> Path:
        """A directory for what the handler writes, removed when the attempt has ended. Raises FileFailed then, OSError."""
        with self._scratch.use() as attempt:
            directory = attempt / "own"
            directory.mkdir(exist_ok=True)
            return directory

    # For the agent

    def value(self, access: frames.FileAccess) -> Any:
        """The JSON value that a file holds. Raises FileGone, FileFailed."""
        if access.size > frames.MAX_VALUE_BYTES:
            raise FileFailed(
                f"the input has {access.size} bytes; at most {frames.MAX_VALUE_BYTES} are allowed", retryable=False
            )
        with self._wire() as wire:
            return msgspec.json.decode(b"".join(download.pieces(wire, access)))

    @property
    def max_value_bytes(self) -> int:
        """The largest output that can be kept in a file; 0 when none can."""
        return frames.MAX_VALUE_BYTES if self._upload_url else 0

    def save_value(self, output: bytes) -> outcome.Stored:
        """Upload an output (JSON). Raises FileFailed."""
        ref = self._upload(io.BytesIO(output), "output.json", "application/json")
        return outcome.Stored(file=ref.rpartition("/")[2], sha256=hashlib.sha256(output).hexdigest())

    def stop(self) -> None:
        """End what is under way: nobody wants it."""
        self._stop.stop()

    def close(self) -> None:
        """The attempt has ended: remove its temporary files."""
        self._stop.stop()
        self._scratch.release()

    def _access(self, ref: str) -> frames.FileAccess:
        access = self._known.get(ref)
        if access is None:
            raise FileFailed(f"the input refers to no file {ref!r:.100}", retryable=False)
        return access

    def _upload(self, source: BinaryIO, name: str, media_type: str) -> str:
        if not self._upload_url:
            raise FileFailed("the gateway takes no files", retryable=False)
        with self._wire() as wire:
            return upload.upload(wire, self._upload_url, source, name, media_type)

    @contextmanager
    def _opened(self, source: Source) -> Iterator[BinaryIO]:
        """The source as a stream that can be sought, since what was cut off is sent again."""
        _not_in_an_event_loop()
        if isinstance(source, str | os.PathLike):
            with open(source, "rb") as opened:
                yield opened
        elif isinstance(source, bytes | bytearray | memoryview):
            yield io.BytesIO(source)
        elif source.seekable():
            yield source
        else:
            with self._scratch.use() as directory, tempfile.TemporaryFile(dir=directory) as copy:
                shutil.copyfileobj(source, copy, _BUFFER_BYTES)
                copy.seek(0)
                yield cast(BinaryIO, copy)

    @contextmanager
    def _wire(self) -> Iterator[Wire]:
        with closing(self._new_wire()) as wire:
            yield wire

    def _new_wire(self) -> Wire:
        return Wire(self._addresses, self._deadline_at, self._stop)


def _not_in_an_event_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError("this would stop the event loop: await it in a thread, as asyncio.to_thread(context.files.path, ref)")
