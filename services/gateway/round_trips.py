"""How long agents take to answer a ping. It is only measured when somebody wants to know: pinging all of them all the time
would cost as much as their heartbeats do."""

import asyncio
from collections.abc import Callable, Iterable

FRESH_S = 10.0
"""A round trip that was measured within this time is told again."""
WAIT_S = 0.5
"""So long an answer waits for pongs. Those that come later are told the next time."""

Ping = Callable[[], "asyncio.Future[float]"]


class RoundTrip:
    """The round trip to one peer; `ping` sends one, and its future has the seconds until the pong."""

    def __init__(self, ping: Ping | None) -> None:
        self._ping = ping
        self._pong: asyncio.Future[float] | None = None
        self._asked_at = float("-inf")
        self.last_s: float | None = None

    def look(self, now: float) -> "asyncio.Future[float] | None":
        """The pong to wait for, if there is one; a ping is sent when the last one was long ago (monotonic seconds)."""
        if self._ping is not None and now - self._asked_at >= FRESH_S:
            self._asked_at = now
            pong = self._ping()
            if pong is not self._pong:
                self._pong = pong
                pong.add_done_callback(self._answered)
        return self._pong

    def _answered(self, pong: "asyncio.Future[float]") -> None:
        self._pong = None
        self.last_s = pong.result()


async def measure(round_trips: Iterable[RoundTrip], now: float) -> None:
    """Measure those that are not known, or not any more; all at once, and not for long."""
    pongs = [pong for each in round_trips if (pong := each.look(now)) is not None]
    if pongs:
        await asyncio.wait(pongs, timeout=WAIT_S)
