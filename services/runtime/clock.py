"""The server's clock: deadlines are instants of JetStream, so each process measures how far its own clock is off."""

import asyncio
import time

from nats.aio.client import Client

from services.contracts import subjects
from services.contracts.instants import nanoseconds
from services.runtime.errors import NatsUnavailable
from services.runtime.jetstream import stream_info

MEASURE_S = 20.0
ROUND_TRIP_S = 1.0
"""An answer that took longer says too little: we may have been paused between question and answer."""


class ServerClock:
    """Estimates JetStream's time from this process's monotonic clock. A wall clock that jumps changes nothing. `stream` is
    one that this process may ask about."""

    def __init__(self, stream: str = subjects.REQUESTS) -> None:
        self._stream = stream
        self._offset_ns = time.time_ns() - time.monotonic_ns()
        self._measured = False

    def now_ns(self) -> int:
        """JetStream's time now, in nanoseconds since 1970."""
        return time.monotonic_ns() + self._offset_ns

    async def measure(self, nc: Client) -> None:
        """One measurement, good to half a round trip; a slow one counts only while there is no other. Raises
        NatsUnavailable."""
        before = time.monotonic_ns()
        info = await stream_info(nc, self._stream)
        after = time.monotonic_ns()
        if info.ts and (not self._measured or after - before < ROUND_TRIP_S * 1e9):
            self._offset_ns = nanoseconds(info.ts) - (before + after) // 2
            self._measured = True

    async def keep_measuring(self, nc: Client) -> None:
        """Measure again and again; a missed measurement leaves the last one."""
        while True:
            await asyncio.sleep(MEASURE_S)
            try:
                await self.measure(nc)
            except NatsUnavailable:
                continue
