"""Trim: what is recorded, closed and old leaves the stream, since the server keeps every subject in memory."""

import asyncio
import logging
from collections.abc import Callable

import asyncpg
from nats.aio.client import Client

from services.contracts import subjects
from services.contracts.ids import PARTS
from services.history.comparing import contradicted
from services.history.database import Connection, Pool
from services.history.metrics import TRIMMED
from services.history.positions import Position
from services.history.statements import sql
from services.history.store import read_position
from services.history.trim_plan import Trimmed, purge_below, sweep, swept
from services.runtime.clock import ServerClock
from services.runtime.jetstream import purge, stream_info

log = logging.getLogger("services.history.trim")

EVERY_S = 5.0
SWEEP_LIMIT = 200
"""Chains of one partition purged one by one in a round: each costs the server about a millisecond."""


class Trimmer:
    """Trims the stream REQUESTS while it runs; `halted` says that nothing may be purged. `keep_s`: how long closed
    requests stay in the stream, in seconds."""

    def __init__(self, nc: Client, pool: Pool, clock: ServerClock, keep_s: float, halted: Callable[[], bool]) -> None:
        self._nc, self._pool, self._clock, self._keep_ns = nc, pool, clock, int(keep_s * 1e9)
        self._halted = halted
        self._whole = True

    async def run(self) -> None:
        """Trim every few seconds for ever. Raises NatsUnavailable, ApiError, or what a lost database raises."""
        while True:
            await asyncio.sleep(EVERY_S)
            await self._clock.measure(self._nc)
            await self.trim(self._clock.now_ns())

    async def trim(self, now_ns: int) -> int:
        """One round at the server's time `now_ns`; how many messages were purged."""
        if self._halted():
            return 0
        async with self._pool.acquire() as connection:
            # Before the requests: what is recorded meanwhile stays.
            position = await read_position(connection, subjects.REQUESTS)
            if position is None or not await self._may_purge(connection, position):
                return 0
            rows = await connection.fetch(sql("trim_positions"))
            trimmed = {row["part"]: Trimmed(row["below_seq"], row["swept_at"]) for row in rows}
            purged = 0
            for part in range(PARTS):
                before = trimmed.get(part, Trimmed(0, 0))
                purged += await self._trim_part(connection, part, before, position, now_ns - self._keep_ns)
        TRIMMED.inc(purged)
        return purged

    async def _may_purge(self, connection: Connection, position: Position) -> bool:
        # The recorder bears for a while with a stream that seems to have lost its end, before it halts everybody. What such
        # a stream has taken since stands at sequences at which the log has something else.
        info = await stream_info(self._nc, subjects.REQUESTS)
        reason, _ = await contradicted(self._nc, connection, subjects.REQUESTS, position, info)
        return reason is None and await self._read_table_is_whole(connection)

    async def _read_table_is_whole(self, connection: Connection) -> bool:
        """An open request that is missing there must not be purged as one that has ended."""
        whole = bool(await connection.fetchval(sql("is_whole")))
        if self._whole and not whole:
            log.error("rows were taken from the read table: nothing is trimmed until `spaces log rebuild` has been run")
        self._whole = whole
        return whole

    async def _trim_part(
        self, connection: Connection, part: int, before: Trimmed, position: Position, closed_until: int
    ) -> int:
        purged, now, epoch = 0, before, position.epoch
        stuck: list[asyncpg.Record] = []
        oldest = await connection.fetchval(sql("oldest_kept"), part, before.below_seq, closed_until, epoch)
        below = purge_below(before, position.seq, oldest)
        if below is not None:
            purged += await self._purge(subjects.partition(part), below)
            now = now._replace(below_seq=below)
        if (look := sweep(now, closed_until)) is not None:
            stuck = await connection.fetch(sql("stuck"), part, *look, SWEEP_LIMIT, epoch)
            for row in stuck:
                purged += await self._purge(subjects.chain(row["rid"]))
            now = swept(now, look, [row["completed_at"] for row in stuck], SWEEP_LIMIT)
        # Whoever was killed before noting it has purged those that are stuck: they must not come up for ever.
        if purged or stuck:
            await connection.execute(sql("trimmed"), part, *now)
        return purged

    async def _purge(self, chain: str, below_seq: int = 0) -> int:
        return await purge(self._nc, subjects.REQUESTS, chain, below_seq)
