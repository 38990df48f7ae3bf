"""Files of this machine: what is uploaded, and where downloads go."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from spaces_client.errors import DamagedFile

PIECE_BYTES = 128 * 1024


class Source:
    """What is uploaded: bytes that can be read again from any place on, and how many there are. To be closed."""

    def __init__(self, given: str | os.PathLike[str] | bytes | BinaryIO) -> None:
        """A stream is taken from where it stands to its end; one that cannot be sought is first copied into a temporary
        file. Raises OSError."""
        self._opened = contextlib.ExitStack()
        if isinstance(given, str | os.PathLike):
            stream: BinaryIO = self._opened.enter_context(Path(given).open("rb"))  # noqa: SIM115 - closed in close
        elif isinstance(given, bytes | bytearray | memoryview):
            stream = io.BytesIO(given)
        else:
            stream = given if given.seekable() else self._spooled(given)
        self._stream, self._start = stream, stream.tell()
        self.size = stream.seek(0, os.SEEK_END) - self._start
        self._digest, self._digested = hashlib.sha256(), 0

    def close(self) -> None:
        """Close what was opened here."""
        self._opened.close()

    def pieces(self, offset: int) -> Iterator[bytes]:
        """The bytes from an offset on that is not beyond what was read. Raises OSError, DamagedFile."""
        while offset < self.size:
            self._stream.seek(self._start + offset)
            piece = self._stream.read(min(PIECE_BYTES, self.size - offset))
            if not piece:
                raise DamagedFile("the file has become shorter while it was uploaded")
            self._digest.update(piece[max(0, self._digested - offset) :])
            offset += len(piece)
            self._digested = max(self._digested, offset)
            yield piece

    def check(self, sha256: str | None) -> None:
        """Is this the SHA-256 of all that was read? Raises DamagedFile."""
        if sha256 != self._digest.hexdigest():
            raise DamagedFile("what the gateway has is not what was read: it was damaged on its way, or changed meanwhile")

    def _spooled(self, given: BinaryIO) -> BinaryIO:
        spool = self._opened.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - closed in close
        shutil.copyfileobj(given, spool, PIECE_BYTES)
        spool.seek(0)
        return spool


class Target:
    """A file at a path that is there only when it is whole. To be closed."""

    def __init__(self, path: Path) -> None:
        """Raises OSError when nothing can be written there."""
        if path.is_dir():
            raise IsADirectoryError(f"{path} is a directory")
        self._path, self._unfinished = path, path.with_name(f".download-{secrets.token_hex(8)}")
        self._stream = self._unfinished.open("xb")

    def write(self, piece: bytes) -> None:
        """The next bytes. Raises OSError."""
        self._stream.write(piece)

    def complete(self) -> None:
        """All has come. Raises OSError."""
        self._stream.close()
        self._unfinished.replace(self._path)

    def close(self) -> None:
        """Remove what is not complete."""
        self._stream.close()
        self._unfinished.unlink(missing_ok=True)


def name_of(given: object) -> str:
    """What a file is called that is uploaded without a name: as its path says, if there is one."""
    named = given if isinstance(given, str | os.PathLike) else getattr(given, "name", "")
    return Path(named).name.encode(errors="replace").decode() if isinstance(named, str | os.PathLike) else ""


def write_all(stream: BinaryIO, piece: bytes) -> None:
    """Write all of it, also to a stream without a buffer. Raises OSError."""
    left = memoryview(piece)
    while left:
        written = stream.write(left)
        left = left[written if isinstance(written, int) else len(left) :]
