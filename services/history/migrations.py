"""Migrations: SQL files applied once each, in the order of their numbers, by whoever comes first.

They never break the running version: add, do not rename or drop what it uses.
"""

import re
from pathlib import Path

import asyncpg

from services.history.database import Connection, connect
from services.history.statements import MIGRATIONS
from services.runtime.errors import Final

_LOCK = 0x5350_4143_0001
_FILE = re.compile(r"(\d{4})_\w+\.sql")


class DatabaseTooNew(Final):
    """The database was migrated by a newer version than this one."""


async def migrate(database_url: str) -> list[str]:
    """Bring the database up to this version; the names of the migrations applied. Raises DatabaseTooNew, OSError,
    asyncpg.PostgresError."""
    connection = await connect(database_url, command_timeout_s=None)
    try:
        return await apply_migrations(connection)
    finally:
        await connection.close()


async def apply_migrations(connection: Connection) -> list[str]:
    """`migrate` on a connection that exists."""
    await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
    try:
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_migrations"
            " (version integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        return await _apply_missing(connection)
    finally:
        if not connection.is_closed():
            await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK)


def _files() -> dict[int, Path]:
    return {int(found[1]): path for path in MIGRATIONS.iterdir() if (found := _FILE.fullmatch(path.name))}


async def _apply_missing(connection: Connection) -> list[str]:
    applied = {row["version"] for row in await connection.fetch("SELECT version FROM schema_migrations")}
    files = _files()
    if unknown := applied - set(files):
        raise DatabaseTooNew(f"the database is at version {max(unknown)}, this program knows {max(files)}")
    names = []
    for version in sorted(set(files) - applied):
        async with connection.transaction():
            await connection.execute(files[version].read_text())
            await connection.execute(
                "INSERT INTO schema_migrations (version, name) VALUES ($1, $2)", version, files[version].stem
            )
        names.append(files[version].stem)
    return names


def newest() -> int:
    """The number of the last migration that there is."""
    return max(_files())


async def is_recorded(database_url: str) -> bool:
    """Whether PostgreSQL has recorded anything: then new, empty streams would forget requests, users and keys. False also
    for a database that was never migrated. Raises OSError, asyncpg.PostgresError."""
    connection = await connect(database_url)
    try:
        return bool(await connection.fetchval("SELECT EXISTS (SELECT FROM log_position WHERE seq > 0)"))
    except asyncpg.UndefinedTableError:
        return False
    finally:
        await connection.close()
