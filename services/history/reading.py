"""Reading the whole log, chain by chain, without having it in memory."""

from collections.abc import AsyncIterator, Callable

from services.history.chains import Logged
from services.history.database import Connection
from services.history.statements import sql
from services.runtime.errors import Final

Progress = Callable[[int, int], None]
"""Told now and then how many events of how many are done; the last call has them equal."""

_FETCH = 1000
_EVERY = 5000


class NotMigrated(Final):
    """The database has no event log, or one of an older version: it is not history's, or the service never ran on it."""


async def check_migrated(connection: Connection) -> None:
    """Raises NotMigrated."""
    if await connection.fetchval("SELECT to_regclass('event_log') IS NULL OR to_regclass('requests') IS NULL"):
        raise NotMigrated("this database holds no event log")
    if await connection.fetchval("SELECT to_regclass('request_files') IS NULL"):
        raise NotMigrated("this database is of an older version: start the stack, or run `spaces provision`")


async def chains(connection: Connection, progress: Progress) -> AsyncIterator[list[Logged]]:
    """The events of each request, by request id; inside a transaction."""
    total, done = await connection.fetchval(sql("log_size")), 0
    chain: list[Logged] = []
    async for record in connection.cursor(sql("all_skeletons"), prefetch=_FETCH):
        logged = Logged(*record)
        if chain and chain[0].rid != logged.rid:
            yield chain
            chain = []
        chain.append(logged)
        done += 1
        if done % _EVERY == 0:
            progress(done, total)
    if chain:
        yield chain
    progress(done, total)


def silent(done: int, total: int) -> None:
    """No progress is wanted."""
