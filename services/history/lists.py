"""Lists of the micro service `history`, from the read tables, page by page."""

import asyncio

from services.contracts.ids import PARTS, part_of_space
from services.contracts.lifecycle import OPEN
from services.contracts.lists import (
    MAX_LIMIT,
    ConnectionsPage,
    GetStats,
    ListConnections,
    ListRequests,
    Place,
    RequestsPage,
    Stats,
)
from services.contracts.requests import RequestState
from services.contracts.rpc import Position
from services.history.connections import Begun, begun_connection, fits, with_ends
from services.history.database import Connection, Pool
from services.history.requests import skeleton_of, state_of
from services.history.statements import sql
from services.history.stats import summary
from services.history.store import read_position
from services.runtime.rpc import Refused

PAGE_BYTES = 1024 * 1024
"""A page ends with the request that reaches this size."""
RECORDED_S, LOOK_S = 2.0, 0.02
"""How long an answer waits until what its asker knows is recorded, and how often it looks."""
PREFETCH = 200
SAMPLE = 5000
"""Of so many requests, the latest, durations are looked at."""
MAX_WAITING = 16
"""So many answers may wait at a time: while the recorder is behind, other questions must still find room."""
EVER = 2**63 - 1


class Lists:
    """Answers lists."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._waiting = 0

    async def requests(self, query: ListRequests) -> RequestsPage:
        """A page of requests. Raises Refused, also when some may be missing from the read table."""
        if not 1 <= query.limit <= MAX_LIMIT:
            raise Refused("invalid", f"a page has 1 to {MAX_LIMIT} requests")
        if query.recorded is not None:
            await self.recorded(query.recorded)
        older = query.direction == "older"
        beside = query.beside or Place(EVER if older else -1, "")
        async with self._pool.acquire() as connection, connection.transaction(readonly=True):
            await check_whole(connection)
            await connection.execute(sql("custom_plans"))
            rows = await connection.fetch(
                sql("requests_older" if older else "requests_newer"),
                query.user or None,
                *one_or_several(query.spaces),
                query.statuses or None,
                bool(query.statuses) and OPEN.issuperset(query.statuses),
                query.since,
                query.until or EVER,
                beside.at,
                beside.key,
                query.limit + 1,
            )
        page = _fitting([row["state"] for row in rows[: query.limit]])
        return RequestsPage(requests=page if older else page[::-1], more=len(page) < len(rows))

    async def connections(self, query: ListConnections) -> ConnectionsPage:
        """A page of connections. Raises Refused."""
        if not 1 <= query.limit <= MAX_LIMIT:
            raise Refused("invalid", f"a page has 1 to {MAX_LIMIT} connections")
        older = query.direction == "older"
        beside = query.beside or Place(EVER if older else -1, "")
        begun: list[Begun] = []
        async with self._pool.acquire() as connection, connection.transaction(readonly=True):
            statement = sql("connections_older" if older else "connections_newer")
            async for row in connection.cursor(statement, beside.at, beside.key, prefetch=PREFETCH):
                found = begun_connection(row["at"], row["subject"], row["data"])
                if fits(query, found.event):
                    begun.append(found)
                if len(begun) > query.limit:
                    break
            page = begun[: query.limit]
            ends = await connection.fetch(sql("disconnected"), [found.end for found in page])
        listed = with_ends(page, [(row["at"], row["data"]) for row in ends])
        return ConnectionsPage(connections=listed if older else listed[::-1], more=len(begun) > len(page))

    async def stats(self, query: GetStats) -> Stats:
        """What became of requests in a span of time. Raises Refused."""
        if query.recorded is not None:
            await self.recorded(query.recorded)
        one, several = one_or_several(query.spaces)
        parts = list(range(PARTS)) if query.spaces is None else sorted({part_of_space(space) for space in query.spaces})
        values = (query.since, query.until, parts, query.user or None, one, several)
        async with self._pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            await check_whole(connection)
            await connection.execute(sql("custom_plans"))
            accepted = await connection.fetchval(sql("count_accepted"), *values)
            ended = await connection.fetch(sql("count_outcomes"), *values)
            states = [state_of(row["state"]) for row in await connection.fetch(sql("latest_outcomes"), *values, SAMPLE)]
        return summary(accepted, {row["status"]: row["requests"] for row in ended}, states)

    async def recorded(self, position: Position) -> bool:
        """Whether the log has come to this position, at the latest after RECORDED_S."""
        clock = asyncio.get_running_loop()
        end = clock.time() + (RECORDED_S if self._waiting < MAX_WAITING else 0)
        self._waiting += 1
        try:
            while True:
                if await self._knows(position):
                    return True
                if clock.time() >= end:
                    return False
                await asyncio.sleep(LOOK_S)
        finally:
            self._waiting -= 1

    async def _knows(self, wanted: Position) -> bool:
        async with self._pool.acquire() as connection:
            position = await read_position(connection, wanted.stream)
        return position is not None and (position.epoch, position.seq) >= (wanted.epoch, wanted.seq)


async def check_whole(connection: Connection) -> None:
    """Raises Refused when requests may be missing from the read table."""
    if not await connection.fetchval(sql("is_whole")):
        raise Refused("unavailable", "the read table has to be rebuilt: spaces log rebuild")


def one_or_several(spaces: list[str] | None) -> tuple[str | None, list[str] | None]:
    """Spaces as statements take them: one has an index of its own. None: all."""
    return (spaces[0], None) if spaces is not None and len(spaces) == 1 else (None, spaces)


def _fitting(columns: list[bytes]) -> list[RequestState]:
    page: list[RequestState] = []
    size = 0
    for column in columns:
        if size >= PAGE_BYTES:
            break
        size += len(column)
        page.append(skeleton_of(column))
    return page
