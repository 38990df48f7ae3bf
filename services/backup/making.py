"""Making a backup, of a stack that is up or down.

First the log, then the files. A file is complete before an event refers to it, so whatever the log of the backup refers to
is in the store when the log has been taken; the other way round a request that came in between would lack its files. What
is deleted between the two is what the stack itself no longer keeps.

The log is taken when PostgreSQL has recorded what the streams held when the backup began: what somebody was told was
accepted, or done, before that is in it.
"""

import asyncio
import contextlib
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

import msgspec
from nats.aio.client import Client

from services.backup import database, files, manifest
from services.backup.archive import Progress, Writer, writing
from services.backup.database import UNREACHABLE, Content
from services.backup.errors import CannotBackUp
from services.backup.manifest import CREDENTIALS, DUMP, STATE, Manifest
from services.backup.nats import connected
from services.history.database import DatabaseUnavailable, connect
from services.history.migrations import newest
from services.history.recorder import FILTERS, record_rest
from services.history.store import read_position
from services.local.errors import HomeDamaged
from services.local.home import LAST_BACKUP, Home, read_json, write_json
from services.local.servers import Servers, servers_of, url_at
from services.local.up import PASSED_ON
from services.recover_command import look
from services.runtime.jetstream import stream_info
from services.runtime.settings import Settings, read

_USER = "operator"
_STUCK_S = 60.0
"""A recorder that records nothing for so long does not."""
_AGAIN_S = 0.1


class Made(NamedTuple):
    """A backup that is complete. `gone`: so many files were deleted while it was made; `seconds` it took."""

    manifest: Manifest
    path: Path
    size: int
    gone: int
    seconds: float


def make(home: Home, target: Path, environment: Mapping[str, str], progress: Progress, *, force: bool) -> Made:
    """Back the home up into one file. Raises LocalError, SpacesError: then nothing is left of it."""
    home.require_whole()
    began, made_at = time.monotonic(), datetime.now(UTC)
    with writing(target, force=force) as writer, servers_of(home) as servers:
        settings = settings_of(environment, servers)
        if not servers.alone:
            asyncio.run(_require_own_release(settings.database_url))
        outlook = look(settings)
        if outlook.anew is not None or outlook.halted:
            raise CannotBackUp("NATS has lost data, or a recovery is under way: run `spaces recover` first")
        state, credentials = _of_home(home)
        writer.add_bytes(STATE, msgspec.json.encode(state))
        writer.add_bytes(CREDENTIALS, msgspec.json.encode(credentials))
        held, copied = asyncio.run(_taken(servers, settings.database_url, writer, progress))
        made = _manifest(home, writer, held, copied, made_at)
        size = writer.finish(made, target)
    with contextlib.suppress(OSError):  # the backup is complete all the same
        write_json(home.path / LAST_BACKUP, {"made_at": made.made_at, "file": str(target), "size": size})
    return Made(made, target, size, copied.gone, time.monotonic() - began)


def settings_of(environment: Mapping[str, str], servers: Servers) -> Settings:
    """The settings with which the stack's services run, as the NATS user `recovery`."""
    settings = read({name: environment[name] for name in PASSED_ON if name in environment})
    return msgspec.structs.replace(
        settings,
        nats_url=url_at(servers.nats, "recovery"),
        database_url=servers.database_url,
        replicas=len(servers.nats),
    )


async def _require_own_release(database_url: str) -> None:
    """To look would migrate the database under services of an earlier release. Raises CannotBackUp, DatabaseUnavailable."""
    try:
        connection = await connect(database_url)
        try:
            schema = await connection.fetchval("SELECT max(version) FROM schema_migrations")
        finally:
            await connection.close()
    except UNREACHABLE as error:
        raise DatabaseUnavailable(f"PostgreSQL: {str(error) or type(error).__name__}") from error
    if schema < newest():
        raise CannotBackUp("the stack that runs is of an earlier release: back it up with that one")


def _of_home(home: Home) -> tuple[dict[str, object], dict[str, object]]:
    """What the home has to come back with: passwords and keys, not the ports of this machine."""
    state, credentials = read_json(home.path / "state.json"), home.credentials()
    if state is None or credentials is None:
        raise HomeDamaged(home.credentials_file, "is not there")
    kept = {name: value for name, value in state.items() if name != "ports"}
    return kept | {"nats_servers": home.nats_servers()}, credentials


async def _taken(servers: Servers, database_url: str, writer: Writer, progress: Progress) -> tuple[Content, files.Copied]:
    async with connected(url_at(servers.nats, _USER), _USER) as nc:
        try:
            await _record(nc, database_url, servers.alone, progress)
            dumped = writer.directory / "database"
            held = await database.dump(database_url, dumped, progress)
        except UNREACHABLE as error:
            raise DatabaseUnavailable(f"PostgreSQL: {str(error) or type(error).__name__}") from error
        with dumped.open("rb") as source:
            writer.add(DUMP, source, dumped.stat().st_size)
        dumped.unlink()
        return held, await files.copy_all(nc, writer, progress)


async def _record(nc: Client, database_url: str, alone: bool, progress: Progress) -> None:
    """Return when the log has what the streams hold now."""
    connection = await connect(database_url)
    try:
        for stream in FILTERS:
            if alone:
                await record_rest(nc, connection, stream)
                continue
            end = (await stream_info(nc, stream)).state.last_seq
            before, since = -1, time.monotonic()
            while (position := await read_position(connection, stream)) is None or position.seq < end:
                seq = 0 if position is None else position.seq
                if seq > before:
                    before, since = seq, time.monotonic()
                elif time.monotonic() > since + _STUCK_S:
                    raise CannotBackUp(f"nothing of {stream} is recorded, at {seq} of {end}: see the logs of history")
                progress(f"waiting until {stream} is recorded: {seq} of {end}")
                await asyncio.sleep(_AGAIN_S)
    finally:
        await connection.close()


def _manifest(home: Home, writer: Writer, held: Content, copied: files.Copied, made_at: datetime) -> Manifest:
    return Manifest(
        format=manifest.FORMAT,
        made_at=made_at.isoformat(timespec="seconds"),
        release=release(),
        schema=held.schema,
        postgresql=held.version,
        bootstrapped=(home.path / "bootstrapped").exists(),
        positions=held.positions,
        events=held.events,
        requests=held.requests,
        open_requests=held.open_requests,
        files=copied.files,
        file_bytes=copied.bytes,
        members=dict(writer.members),
    )


def release() -> str:
    """The version of this package."""
    try:
        return version("websocket-spaces")
    except PackageNotFoundError:  # a source tree that was not installed
        return "0"
