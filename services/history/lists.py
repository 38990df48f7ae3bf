"""Lists of the micro service `history`, from the read tables, page by page."""

import asyncio

from services.contracts.lifecycle import OPEN
from services.contracts.lists import MAX_LIMIT, ListRequests, Place, RequestsPage
from services.contracts.requests import RequestState
from services.contracts.rpc import Position
from services.history.database import Pool
from services.history.requests import skeleton_of
from services.history.statements import sql
from services.history.store import read_position
from services.runtime.rpc import Refused

PAGE_BYTES = 1024 * 1024
"""A page ends with the request that reaches this size."""
RECORDED_S, LOOK_S = 2.0, 0.02
"""How long an answer waits until what its asker knows is recorded, and how often it looks."""
MAX_WAITING = 16
"""So many answers may wait at a time: while the recorder is behind, other questions must still find room."""
_EVER = 2**63 - 1


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
        beside = query.beside or Place(_EVER if older else -1, "")
        async with self._pool.acquire() as connection, connection.transaction(readonly=True):
            if not await connection.fetchval(sql("is_whole")):
                raise Refused("unavailable", "the read table has to be rebuilt: spaces log rebuild")
            await connection.execute(sql("custom_plans"))
            rows = await connection.fetch(
                sql("requests_older" if older else "requests_newer"),
                query.user or None,
                *_spaces(query.spaces),
                query.statuses or None,
                bool(query.statuses) and OPEN.issuperset(query.statuses),
                query.since,
                query.until or _EVER,
                beside.at,
                beside.key,
                query.limit + 1,
            )
        page = _fitting([row["state"] for row in rows[: query.limit]])
        return RequestsPage(requests=page if older else page[::-1], more=len(page) < len(rows))

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


def _spaces(spaces: list[str] | None) -> tuple[str | None, list[str] | None]:
    """One space has an index of its own."""
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
