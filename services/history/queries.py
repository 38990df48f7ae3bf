"""The answers of the micro service `history`. Every replica gives them."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncpg
import msgspec

from services.contracts import subjects
from services.contracts.audit import ListAudit
from services.contracts.file_use import GetFileUse
from services.contracts.lists import GetStats, ListConnections, ListRequests
from services.contracts.platform import GetAttention
from services.contracts.rpc import (
    Chain,
    GetChain,
    GetOpen,
    GetPositions,
    LoggedEvent,
    OpenPage,
    Position,
    Positions,
)
from services.contracts.series import GetSeries
from services.history.activity import Activity
from services.history.auditing import Audit
from services.history.database import TRANSIENT, DatabaseUnavailable, Pool
from services.history.entries import whole
from services.history.file_use import FileUses
from services.history.lists import Lists, check_whole
from services.history.statements import sql
from services.runtime.rpc import Operation, Refused

_Q = TypeVar("_Q")
_A = TypeVar("_A")

PAGE_REQUESTS = 1000
PREFETCH = 200
PAGE_BYTES = 2 * 1024 * 1024
"""A page ends with the chain that reaches this size."""


class Queries:
    """Answers from the log and the read table."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._lists = Lists(pool)
        self._files = FileUses(pool, self._lists)
        self._audit = Audit(pool, self._lists)
        self._activity = Activity(pool, self._lists)

    def operations(self) -> dict[str, Operation]:
        """The endpoints."""
        return {
            "chain": Operation(subjects.history_rpc("chain"), GetChain, _available(self.chain)),
            "open": Operation(subjects.history_rpc("open"), GetOpen, _available(self.open)),
            "requests": Operation(subjects.history_rpc("requests"), ListRequests, _available(self._lists.requests)),
            "connections": Operation(
                subjects.history_rpc("connections"), ListConnections, _available(self._lists.connections)
            ),
            "stats": Operation(subjects.history_rpc("stats"), GetStats, _available(self._lists.stats)),
            "series": Operation(subjects.history_rpc("series"), GetSeries, _available(self._activity.series)),
            "attention": Operation(subjects.history_rpc("attention"), GetAttention, _available(self._activity.attention)),
            "file_use": Operation(subjects.history_rpc("file_use"), GetFileUse, _available(self._files.use)),
            "audit": Operation(subjects.history_rpc("audit"), ListAudit, _available(self._audit.page)),
            "positions": Operation(subjects.history_rpc("positions"), GetPositions, _available(self.positions)),
        }

    async def chain(self, query: GetChain) -> Chain:
        """A request's events, with the refused frames that concern it."""
        async with self._pool.acquire() as connection:
            events = await connection.fetch(sql("chain"), query.rid)
            refused = await connection.fetch(sql("refused"), query.rid)
        return Chain(
            events=[_logged(row) for row in events],
            refused=[
                LoggedEvent(seq=r["seq"], at=r["at"], subject=r["subject"], data=msgspec.Raw(r["data"])) for r in refused
            ],
        )

    async def open(self, query: GetOpen) -> OpenPage:
        """One page of open requests and the position that it reflects, from one snapshot. Raises Refused while nothing was
        ever recorded, or requests may be missing from the read table."""
        async with (
            self._pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            position = await connection.fetchrow(sql("position"), subjects.REQUESTS)
            if position is None:
                raise Refused("unavailable", "nothing is recorded yet")
            await check_whole(connection)
            page = _Page()
            cursor = connection.cursor(
                sql("open_chains"), query.part, query.after, position["epoch"], PAGE_REQUESTS, prefetch=PREFETCH
            )
            async for row in cursor:
                if not page.add(row):
                    break
        return OpenPage(epoch=position["epoch"], seq=position["seq"], chains=page.chains(), next=page.next)

    async def positions(self, query: GetPositions) -> Positions:
        """How far each stream is recorded."""
        if query.wanted is not None:
            await self._lists.recorded(query.wanted)
        async with self._pool.acquire() as connection:
            rows = await connection.fetch(sql("positions"))
        return Positions(positions=[Position(stream=row["stream"], epoch=row["epoch"], seq=row["seq"]) for row in rows])


class _Page:
    """Chains as their rows come, until the page is full."""

    def __init__(self) -> None:
        self._events: dict[str, list[LoggedEvent]] = {}
        self._bytes = 0
        self._cut = False

    def add(self, row: asyncpg.Record) -> bool:
        """Take the row, unless it begins a chain for which there is no room."""
        rid = row["rid"]
        if rid not in self._events and self._bytes >= PAGE_BYTES:
            self._cut = True
            return False
        event = _logged(row)
        self._bytes += len(bytes(event.data)) + len(event.subject)
        self._events.setdefault(rid, []).append(event)
        return True

    def chains(self) -> list[Chain]:
        return [Chain(events=events) for events in self._events.values()]

    @property
    def next(self) -> str:
        """The cursor of the next page, empty when this is the last."""
        full = self._cut or len(self._events) >= PAGE_REQUESTS
        return max(self._events) if full else ""


def _logged(row: asyncpg.Record) -> LoggedEvent:
    data = whole(row["data"], row["payload_sha"], row["payload"])
    return LoggedEvent(seq=row["seq"], at=row["at"], subject=row["subject"], data=msgspec.Raw(data))


def _available(handler: Callable[[_Q], Awaitable[_A]]) -> Callable[[_Q], Awaitable[_A]]:
    """The handler; a PostgreSQL that is away becomes an answer that says so."""

    async def answer(query: _Q) -> _A:
        try:
            return await handler(query)
        except TRANSIENT as error:
            raise DatabaseUnavailable("PostgreSQL does not answer") from error

    return answer
