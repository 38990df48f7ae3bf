"""The server's clock: deadlines are instants of JetStream, so each process measures how far its own clock is off."""

import asyncio
import time

from nats.aio.client import Client

from services.contracts import subjects
from services.runtime.errors import NatsUnavailable
from services.runtime.jetstream import nanoseconds, stream_info

MEASURE_S = 20.0


class ServerClock:
    """Estimates JetStream's time from this process's monotonic clock. A wall clock that jumps changes nothing."""

    def __init__(self) -> None:
        self._offset_ns = time.time_ns() - time.monotonic_ns()

    def now_ns(self) -> int:
        """JetStream's time now, in nanoseconds since 1970."""
        return time.monotonic_ns() + self._offset_ns

    async def measure(self, nc: Client) -> None:
        """One measurement, good to half a round trip. Raises NatsUnavailable."""
        before = time.monotonic_ns()
        info = await stream_info(nc, subjects.REQUESTS)
        middle = (before + time.monotonic_ns()) // 2
        if info.ts:
            self._offset_ns = nanoseconds(info.ts) - middle

    async def keep_measuring(self, nc: Client) -> None:
        """Measure again and again; a missed measurement leaves the last one."""
        while True:
            await asyncio.sleep(MEASURE_S)
            try:
                await self.measure(nc)
            except NatsUnavailable:
                continue
