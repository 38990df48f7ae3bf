"""PostgreSQL's part: one dump of one snapshot, and loading it into a fresh database."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import asyncpg

from services.backup.archive import Progress
from services.backup.manifest import Position
from services.history.database import Connection, connect
from services.history.statements import sql
from services.local.errors import LocalError, MissingProgram
from services.local.postgres_install import find_postgres

_POLL_S = 0.2
UNREACHABLE = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)
"""What PostgreSQL raises when it is away or refuses."""


class DumpFailed(LocalError):
    """A program of PostgreSQL did not do its work."""


class Content(NamedTuple):
    """What a snapshot of the database holds. `version`: PostgreSQL's own, `schema` the last migration."""

    version: str
    schema: int
    events: int
    requests: int
    open_requests: int
    positions: dict[str, Position]


async def content(connection: Connection) -> Content:
    """What the database holds. Raises asyncpg.PostgresError."""
    row = await connection.fetchrow(sql("content"))
    assert row is not None
    rows = await connection.fetch(sql("positions"))
    positions = {row["stream"]: Position(row["epoch"], row["seq"]) for row in rows}
    return Content(
        version=row["version"],
        schema=row["schema"],
        events=row["events"],
        requests=row["requests"],
        open_requests=row["open_requests"],
        positions=positions,
    )


async def dump(url: str, file: Path, progress: Progress) -> Content:
    """Write the database to a file as one snapshot shows it, beside whoever uses it; what that holds. Raises DumpFailed,
    MissingProgram, OSError, asyncpg.PostgresError."""
    connection = await connect(url, command_timeout_s=None)
    try:
        async with connection.transaction(isolation="repeatable_read"):
            snapshot = await connection.fetchval("SELECT pg_export_snapshot()")
            held = await content(connection)
            program = _program("pg_dump", held.version)
            options = ["--format=custom", "--compress=1", "--no-owner", "--no-privileges", "--no-password"]
            running = asyncio.ensure_future(_run([program, *options, f"--snapshot={snapshot}", f"--file={file}"], url))
            try:
                while not (await asyncio.wait({running}, timeout=_POLL_S))[0]:
                    progress(f"dumping PostgreSQL: {file.stat().st_size / 1e6 if file.exists() else 0:.0f} MB")
            finally:
                running.cancel()
            running.result()
    finally:
        await connection.close()
    return held


async def load(url: str, file: Path) -> Content:
    """Load a dump into an empty database, all or nothing; what it holds then. Raises DumpFailed, MissingProgram, OSError,
    asyncpg.PostgresError."""
    connection = await connect(url, command_timeout_s=None)
    try:
        program = _program("pg_restore", await connection.fetchval("SHOW server_version"))
        options = ["--no-owner", "--no-privileges", "--no-password", "--single-transaction", "--exit-on-error"]
        await _run([program, *options, f"--dbname={_parts(url)['PGDATABASE']}", str(file)], url)
        await connection.execute("ANALYZE")
        return await content(connection)
    finally:
        await connection.close()


def _program(name: str, version: str) -> str:
    """The program, of the PostgreSQL that the data was made with. Raises MissingProgram."""
    path = find_postgres(None, version.split(".")[0]).bin / name
    if not path.exists():
        raise MissingProgram(name, f"install PostgreSQL's client programs beside {path.parent / 'postgres'}")
    return str(path)


async def _run(command: Sequence[str], url: str) -> None:
    environment = {"PATH": os.defpath, "LC_ALL": "C", **_parts(url)}
    process = await asyncio.create_subprocess_exec(
        *command,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, said = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    if process.returncode != 0:
        lines = said.decode(errors="replace").strip().splitlines() or [f"exit status {process.returncode}"]
        raise DumpFailed(f"{Path(command[0]).name} failed: {lines[0]}")


def _parts(url: str) -> dict[str, str]:
    """The URL as the variables that PostgreSQL's programs read: a command line would show the password."""
    parts = urlsplit(url)
    return {
        "PGHOST": parts.hostname or "",
        "PGPORT": str(parts.port),
        "PGUSER": unquote(parts.username or ""),
        "PGPASSWORD": unquote(parts.password or ""),
        "PGDATABASE": parts.path.lstrip("/"),
    }
