"""Writing and reading the archive, in one pass from its beginning to its end. Everything here blocks."""

import contextlib
import hashlib
import io
import os
import tarfile
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import IO, NamedTuple

from services.backup import manifest
from services.backup.errors import CannotWrite, FileThere, NoBackup
from services.backup.manifest import MANIFEST, SEAL, Broken, Manifest, Member

PIECE = 1 << 20
_MOST_SMALL = 1 << 30
"""A manifest is read into memory; it takes some 350 bytes for each file."""

Progress = Callable[[str], None]
"""Told what is being done, and how far it is."""


class Writer:
    """An archive on its way, in a directory of its own beside `target`, which is not there before `finish`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.members: dict[str, Member] = {}
        self._path = directory / "archive"
        # mkdtemp made the directory for us alone; the archive keeps that when it leaves it.
        fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._file = os.fdopen(fd, "wb")
        self._tar = tarfile.open(fileobj=self._file, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115

    def add_bytes(self, name: str, data: bytes) -> None:
        """Add a small part. Raises OSError."""
        self.add(name, io.BytesIO(data), len(data))

    def add(self, name: str, source: IO[bytes], size: int) -> None:
        """Add `size` bytes of a source. Raises OSError."""
        hashed = _Hashed(source)
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = size, 0o600
        self._tar.addfile(entry, hashed)
        self.members[name] = Member(size, hashed.hexdigest())

    def finish(self, made: Manifest, target: Path) -> int:
        """Complete it, put it in its place and return its size. Raises OSError."""
        encoded = manifest.encode(made)
        if len(encoded) > _MOST_SMALL:
            raise OSError("there are too many files for one backup")
        for name, data in ((MANIFEST, encoded), (SEAL, manifest.seal(encoded))):
            self.add_bytes(name, data)
        self._tar.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        size = os.fstat(self._file.fileno()).st_size
        os.replace(self._path, target)
        _sync_directory(target.parent)
        return size

    def close(self) -> None:
        """Let go of it."""
        self._file.close()


class _Hashed(io.RawIOBase):
    """A source whose digest is known when it has been read."""

    def __init__(self, source: IO[bytes]) -> None:
        super().__init__()
        self._source, self._digest = source, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._source.read(size)
        self._digest.update(data)
        return data

    def hexdigest(self) -> str:
        """The digest of what was read."""
        return self._digest.hexdigest()


@contextlib.contextmanager
def writing(target: Path, *, force: bool) -> Iterator[Writer]:
    """An archive that is put at `target` by its `finish`, or of which nothing is left. Raises FileThere, CannotWrite."""
    try:
        if target.is_dir() or (target.exists() and not force):
            raise FileThere(target)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as directory:
            writer = Writer(Path(directory))
            try:
                yield writer
            finally:
                writer.close()
    except OSError as error:
        raise CannotWrite(target, error.strerror or str(error)) from error


class Part(NamedTuple):
    """One part of an archive; `source` is read before the next one is asked for."""

    name: str
    size: int
    source: IO[bytes]


def parts(path: Path) -> Generator[Part, None, None]:
    """All parts in their order. Raises NoBackup: it is no archive, ends early, or holds what no backup does."""
    try:
        with path.open("rb") as file, tarfile.open(fileobj=file, mode="r|") as tar:
            for entry in tar:
                if entry.type != tarfile.REGTYPE or entry.issparse():
                    raise Broken(f"it holds {entry.name[:60]!r}, which is no regular file")
                manifest.check_name(entry.name)
                source = tar.extractfile(entry)
                assert source is not None
                yield Part(entry.name, entry.size, source)
    except (tarfile.TarError, EOFError) as error:
        raise NoBackup(path, f"it is no whole tar archive ({error})") from error
    except Broken as error:
        raise NoBackup(path, str(error)) from error
    except OSError as error:
        raise NoBackup(path, error.strerror or str(error)) from error


def verified(path: Path, newest_schema: int, progress: Progress) -> Manifest:
    """The manifest of an archive of which every byte is as it was written. Raises NoBackup."""
    found: dict[str, Member] = {}
    last: dict[str, bytes] = {}
    done = 0
    for part in parts(path):
        if part.name in found or part.name in last or SEAL in last:
            raise NoBackup(path, f"it holds {part.name} twice, or behind its end")
        if part.name in (MANIFEST, SEAL):
            if part.size > _MOST_SMALL:
                raise NoBackup(path, f"its {part.name} is too large")
            last[part.name] = read(part, path)
            continue
        digest = hashlib.sha256()
        for piece in pieces(part, path):
            digest.update(piece)
            done += len(piece)
            progress(f"checking the backup: {done / 1e6:.0f} MB")
        found[part.name] = Member(part.size, digest.hexdigest())
    if set(last) != {MANIFEST, SEAL}:
        raise NoBackup(path, "it ends before its manifest: it was cut off, or is no backup")
    try:
        return manifest.checked(last[MANIFEST], last[SEAL], found, newest_schema)
    except Broken as error:
        raise NoBackup(path, str(error)) from error


def pieces(part: Part, path: Path) -> Iterator[bytes]:
    """The bytes of a part. Raises NoBackup when the archive ends before it does."""
    left = part.size
    while left > 0:
        try:
            piece = part.source.read(min(left, PIECE))
        except tarfile.TarError as error:
            raise NoBackup(path, f"it ends within {part.name}") from error
        if not piece:
            raise NoBackup(path, f"it ends within {part.name}")
        left -= len(piece)
        yield piece


def read(part: Part, path: Path) -> bytes:
    """All bytes of a small part. Raises NoBackup."""
    return b"".join(pieces(part, path))


def _sync_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
