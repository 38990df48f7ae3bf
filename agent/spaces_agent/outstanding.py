"""The results that no gateway has acknowledged yet, and the timer that writes the slow ones to disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from spaces_agent import frames
from spaces_agent.spool import WriteBehind
from spaces_agent.waiting import happens

_WRITE_AGAIN_S = 5.0


class Outstanding:
    """Keeps results until they are forgotten. `on_trouble` is told, in words, when the disk refuses one: the result
    then stays in memory, and writing is tried again."""

    def __init__(self, spool: WriteBehind, pending: list[frames.Result], on_trouble: Callable[[str], None]) -> None:
        self._spool = spool
        self._on_trouble = on_trouble
        self._leases = {result.lease for result in pending}
        self._empty = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        for result in pending:
            self.keep(result)

    def keep(self, result: frames.Result) -> None:
        """Keep this result until it is forgotten."""
        self._leases.add(result.lease)
        self._empty.clear()
        self._spool.add(result, self._loop.time())
        self._arm()

    def forget(self, lease: int) -> None:
        """This result is acknowledged, or void."""
        self._leases.discard(lease)
        if not self._leases:
            self._empty.set()
        try:
            self._spool.forget(lease)
        except OSError as error:
            self._on_trouble(f"a result cannot be removed from disk: {error}")

    async def settled(self, timeout_s: float) -> bool:
        """Wait until nothing is outstanding; false when that took too long."""
        return not self._leases or await happens(self._empty, timeout_s)

    def _arm(self) -> None:
        due_at = self._spool.due_at()
        if self._timer is None and due_at is not None:
            self._timer = self._loop.call_at(due_at, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        if self._write(self._loop.time()):
            self._arm()
        else:
            self._timer = self._loop.call_later(_WRITE_AGAIN_S, self._on_timer)

    def _write(self, until: float) -> bool:
        try:
            self._spool.write_due(until)
        except OSError as error:
            self._on_trouble(f"a result cannot be written to disk and is kept in memory: {error}")
            return False
        return True
