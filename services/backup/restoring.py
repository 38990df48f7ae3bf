"""Restoring a backup into an empty home: all of it, or nothing.

NATS begins anew from the log, as after the loss of its data (`spaces recover`), and then gets its files back. Until all is
done a mark in the home says that it is not; a home with that mark is not started, and a restore may be run again in it.
"""

import asyncio
import contextlib
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from services.backup import archive, database
from services.backup.archive import Part, Progress
from services.backup.database import UNREACHABLE
from services.backup.errors import CannotRestore, HomeNotEmpty, NoBackup
from services.backup.files import put_back
from services.backup.making import settings_of
from services.backup.manifest import CREDENTIALS, DUMP, STATE, Manifest, file_of
from services.backup.nats import connected
from services.contracts import files
from services.contracts.files import File, UnknownRecord
from services.history.database import DatabaseUnavailable
from services.history.migrations import newest
from services.history.recover import Recovered
from services.history.verify import Report, verify
from services.local.database import database_server
from services.local.guard import guarded
from services.local.home import RESTORING, Home, write_json
from services.local.servers import Servers, started, url_at
from services.recover_command import recover_alone
from services.runtime.append import StreamFull
from services.runtime.file_store import JetStreamFiles
from services.runtime.settings import Settings

_OF_LOCKS = frozenset({"lock", "guard.lock"})


class RestoredHome(NamedTuple):
    """What was restored. `recovered`: what NATS begins with; None in a backup of a stack in which nothing ever happened."""

    manifest: Manifest
    recovered: Recovered | None
    report: Report
    seconds: float

    @property
    def clean(self) -> bool:
        """Whether all open requests could be restored, and the log is whole."""
        return self.report.clean and not (self.recovered and self.recovered.lost)


def check(path: Path, progress: Progress) -> Manifest:
    """Read a backup to its end and see whether it is whole. Raises NoBackup."""
    return archive.verified(path, newest(), progress)


def restore(path: Path, home: Home, environment: Mapping[str, str], progress: Progress) -> RestoredHome:
    """Make a home of a backup. Raises LocalError, SpacesError: then the home is as empty as it was."""
    began = time.monotonic()
    _require_empty(home)
    manifest = check(path, progress)
    with _made_home(home), guarded(home), contextlib.ExitStack() as block:
        parts = _Parts(path)
        parts.to_home(home, manifest)
        servers = started(home, block)
        settings = settings_of(environment, servers)
        _load(parts, home, settings, manifest, progress)
        recovered = recover_alone(settings, lambda what, done, total: progress(f"{what}: {done} of {total}"))
        asyncio.run(_files_back(parts, servers, manifest, progress))
        progress("checking the log")
        report = asyncio.run(_verified(settings))
    return RestoredHome(manifest, recovered, report, time.monotonic() - began)


def _require_empty(home: Home) -> None:
    found = sorted(os.listdir(home.path)) if home.path.is_dir() else []
    if RESTORING in found:
        return  # of a restore that was killed
    if others := [name for name in found if name not in _OF_LOCKS]:
        raise HomeNotEmpty(home.path, others[0])


@contextlib.contextmanager
def _made_home(home: Home) -> Iterator[None]:
    """The home while it is being made; when the block fails it is empty again, or gone if it was not there."""
    was_there = home.path.exists()
    with home.lock():
        _require_empty(home)  # once more: from now on nobody else can begin here
        with guarded(home):
            pass  # what a restore that was killed has left running ends first
        _empty(home)
        (home.path / RESTORING).touch(mode=0o600)
        try:
            yield
        except BaseException:
            _empty(home)
            if not was_there:
                shutil.rmtree(home.path)
            raise
        (home.path / RESTORING).unlink()


def _empty(home: Home) -> None:
    """Delete what a restore has made, but the lock that is held."""
    if (home.path / "postgres").exists():
        database_server(home, 0).destroy()  # it may have its data elsewhere
    # The mark goes last: while anything of a restore is left, nobody may take it for a whole home.
    for entry in sorted(home.path.iterdir(), key=lambda entry: entry.name == RESTORING):
        if entry.name != "lock":
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()


class _Parts:
    """The parts of a backup that was verified, each read as late as possible."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextlib.contextmanager
    def named(self, name: str) -> Iterator[Part]:
        """The part of this name."""
        with contextlib.closing(archive.parts(self.path)) as parts:
            yield next(part for part in parts if part.name == name)

    def json(self, name: str) -> dict[str, object]:
        """A part of the home. Raises NoBackup."""
        with self.named(name) as part:
            read = archive.read(part, self.path)
        try:
            return msgspec.json.decode(read, type=dict[str, object])
        except msgspec.MsgspecError as error:
            raise NoBackup(self.path, f"{name} cannot be read") from error

    def to_home(self, home: Home, manifest: Manifest) -> None:
        """Write what the home is to have."""
        write_json(home.path / "state.json", self.json(STATE))
        home.write_credentials(self.json(CREDENTIALS))
        if manifest.bootstrapped:
            (home.path / "bootstrapped").touch(mode=0o600)

    def extract(self, name: str, target: Path) -> None:
        """Write a part to a file for us alone. Raises OSError."""
        fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(fd, "wb") as file, self.named(name) as part:
            for piece in archive.pieces(part, self.path):
                file.write(piece)

    def files(self) -> Iterator[tuple[File, Part]]:
        """Every file with its record. Raises NoBackup."""
        record: File | None = None
        for part in archive.parts(self.path):
            id = file_of(part.name)
            if id is None:
                continue
            if record is None:
                record = self._record(part, id)
            elif record.id != id or part.size != record.size:
                raise NoBackup(self.path, f"{part.name} is not what its record says")
            else:
                yield record, part
                record = None

    def _record(self, part: Part, id: str) -> File:
        try:
            record = files.decode(archive.read(part, self.path), 0)
        except UnknownRecord as error:
            raise NoBackup(self.path, f"{part.name} cannot be read") from error
        if record.id != id or record.state != "complete":
            raise NoBackup(self.path, f"{part.name} is of another file")
        return record


def _load(parts: _Parts, home: Home, settings: Settings, manifest: Manifest, progress: Progress) -> None:
    progress("loading PostgreSQL")
    dumped = home.path / "database.dump"
    try:
        parts.extract(DUMP, dumped)
        held = asyncio.run(database.load(settings.database_url, dumped))
    except UNREACHABLE as error:
        raise DatabaseUnavailable(f"PostgreSQL: {str(error) or type(error).__name__}") from error
    finally:
        dumped.unlink(missing_ok=True)
    if (held.schema, held.events, held.requests) != (manifest.schema, manifest.events, manifest.requests):
        raise CannotRestore(f"the database holds {held.events} events after loading, and {manifest.events} were dumped")


async def _files_back(parts: _Parts, servers: Servers, manifest: Manifest, progress: Progress) -> None:
    done = 0
    async with connected(url_at(servers.nats, "history"), "history") as nc:
        store = JetStreamFiles(nc)
        try:
            for file, part in parts.files():
                await put_back(store, file, archive.pieces(part, parts.path))
                done += 1
                progress(f"putting files back: {done} of {manifest.files}")
        except StreamFull as error:
            raise CannotRestore(
                f"{error}, with {manifest.file_bytes} bytes to put back: raise WS_FILES_MAX_BYTES"
            ) from error
    if done != manifest.files:
        raise CannotRestore(f"{done} of {manifest.files} files could be put back")


async def _verified(settings: Settings) -> Report:
    try:
        return await verify(settings.database_url)
    except UNREACHABLE as error:
        raise DatabaseUnavailable(f"PostgreSQL: {str(error) or type(error).__name__}") from error
