"""Retention: the data of requests that ended long enough ago are erased, as their users could have done.

What is due is read from the read table; what becomes of it is an event like any other, `erased`, appended after the outcome:
recording it removes the data, and two that append it make one."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection, Sequence

from nats.aio.client import Client

from services.contracts.requests import RequestState
from services.history.database import Connection, Pool
from services.history.metrics import EXPIRED
from services.history.requests import state_of
from services.history.retentions import cutoffs, expiry
from services.history.spaces import Spaces
from services.history.statements import sql
from services.runtime.append import ChainClosed, Superseded, append_late, request_record
from services.runtime.clock import ServerClock
from services.runtime.errors import Retryable

log = logging.getLogger("services.history.retention")

EVERY_S = 30.0
SOON_S = 1.0
"""The pause after a pass that found more than it could do: by then what it did is recorded."""
AT_ONCE = 500
CONCURRENCY = 16
APPEND_S = 10.0


class Retention:
    """Erases in passes while it runs; `halted` says that nothing may be decided."""

    def __init__(
        self, nc: Client, pool: Pool, clock: ServerClock, halted: Callable[[], bool], every_s: float = EVERY_S
    ) -> None:
        self._nc, self._pool, self._clock, self._halted, self._every_s = nc, pool, clock, halted, every_s
        self._spaces = Spaces(nc)

    async def run(self) -> None:
        """A pass every now and then for ever. Raises NatsUnavailable, ApiError, or what a lost database raises."""
        pause_s = self._every_s
        while True:
            await asyncio.sleep(pause_s)
            await self._clock.measure(self._nc)
            found = await self.erase_due(self._clock.now_ns())
            pause_s = min(SOON_S, self._every_s) if found >= AT_ONCE else self._every_s

    async def erase_due(self, now_ns: int) -> int:
        """One pass at the server's time `now_ns`; how many requests were found to be due, of each of two kinds at most
        AT_ONCE. To repeat it does no harm."""
        async with self._pool.acquire() as connection:
            if self._halted() or not await self._spaces.read(connection):
                return 0
            due = await self._due(connection, now_ns)
            if known := [state.rid for state in due if state.erased]:
                await connection.execute(sql("note_erased"), known)
        try:
            await self._erase([state for state in due if not state.erased])
        except Retryable as error:
            # The recorders run beside this, and would be begun anew with it: what is due is due in the next pass as well.
            log.warning("not all that is due is erased: %s", error)
            return 0
        return len(due)

    async def _due(self, connection: Connection, now_ns: int) -> Collection[RequestState]:
        kept = cutoffs(self._spaces.directory, now_ns)
        spaces, instants = [each.space for each in kept], [each.until for each in kept]
        rows = await connection.fetch(sql("due_in_spaces"), spaces, instants, AT_ONCE)
        rows += await connection.fetch(sql("due_by_themselves"), now_ns, AT_ONCE)
        return {row["rid"]: state_of(row["state"]) for row in rows}.values()

    async def _erase(self, due: Sequence[RequestState]) -> None:
        """Some at a time; the first failure ends it. Raises ApiError, Retryable."""
        for first in range(0, len(due), CONCURRENCY):
            some = due[first : first + CONCURRENCY]
            for outcome in await asyncio.gather(*map(self._append, some), return_exceptions=True):
                if outcome is not None:
                    raise outcome

    async def _append(self, state: RequestState) -> None:
        # Somebody may have been first; then the recorder is about to learn of it.
        with contextlib.suppress(Superseded, ChainClosed):
            await append_late(self._nc, request_record(expiry(state), state.traceparent), APPEND_S)
            EXPIRED.inc()
