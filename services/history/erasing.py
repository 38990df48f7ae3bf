"""Erasing: what a request was given and came to leaves PostgreSQL in the transaction that records `erased`, and the streams
a little later.

The streams keep it for a while, because whoever follows them is promised to see everything: a dispatcher or gateway that was
paused has to find how the request has ended."""

import asyncio
from collections.abc import Callable, Collection

from nats.aio.client import Client

from services.contracts import subjects
from services.history.database import Connection, Pool
from services.history.entries import Entry, scrubbed
from services.history.metrics import TRIMMED
from services.history.statements import sql
from services.runtime.clock import ServerClock
from services.runtime.jetstream import purge

EVERY_S = 5.0
DELAY_S = 30.0
"""How long after `erased` the streams are purged. Who is behind by more finds `erased` itself, and reads again."""
AT_ONCE = 500
_NS = 1_000_000_000


async def erase(connection: Connection, erased: Collection[Entry]) -> None:
    """Remove from PostgreSQL what these events say is erased, and take note that the streams are to follow. Events stay, as
    skeletons with the hashes of what they held. Inside the transaction that records them."""
    if not erased:
        return
    rids = [entry.rid for entry in erased]
    rows = await connection.fetch(sql("whole_skeletons"), rids)
    left = [(row["epoch"], row["seq"], data) for row in rows if (data := scrubbed(row["data"])) != row["data"]]
    if left:
        await connection.execute(sql("scrub_events"), *map(list, zip(*left, strict=True)))
    for statement in ("delete_payloads", "scrub_conflicts", "scrub_leftovers"):
        await connection.execute(sql(statement), rids)
    seqs, instants = [entry.seq for entry in erased], [entry.at for entry in erased]
    await connection.execute(sql("begin_erasures"), rids, seqs, instants)


class Eraser:
    """Purges the streams of what was erased; `halted` says that nothing may be purged."""

    def __init__(self, nc: Client, pool: Pool, clock: ServerClock, halted: Callable[[], bool]) -> None:
        self._nc, self._pool, self._clock, self._halted = nc, pool, clock, halted

    async def run(self) -> None:
        """Purge every few seconds for ever. Raises NatsUnavailable, ApiError, or what a lost database raises."""
        while True:
            await asyncio.sleep(EVERY_S)
            await self._clock.measure(self._nc)
            await self.purge(self._clock.now_ns())

    async def purge(self, now_ns: int) -> int:
        """One round at the server's time `now_ns`; how many requests left the streams. To repeat it does no harm."""
        if self._halted():
            return 0
        async with self._pool.acquire() as connection:
            due = await connection.fetch(sql("due_erasures"), now_ns - int(DELAY_S * _NS), AT_ONCE)
            for row in due:
                TRIMMED.inc(await purge(self._nc, subjects.REQUESTS, subjects.chain(row["rid"]), row["seq"]))
                await purge(self._nc, subjects.OUTPUT, subjects.output(row["rid"]))
                await connection.execute(sql("end_erasure"), row["rid"])
        return len(due)
