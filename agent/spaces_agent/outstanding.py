"""The frames that no gateway has acknowledged yet, and the timer that writes the slow ones to disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from spaces_agent import frames
from spaces_agent.spool import Kept, WriteBehind
from spaces_agent.waiting import happens

_WRITE_AGAIN_S = 5.0


class Outstanding:
    """Keeps results and output until they are acknowledged. `on_trouble` is told, in words, when the disk refuses one: the
    frame then stays in memory, and writing is tried again."""

    def __init__(self, spool: WriteBehind, on_trouble: Callable[[str], None]) -> None:
        self._spool = spool
        self._on_trouble = on_trouble
        self._results: set[int] = set()
        self._settled = asyncio.Event()
        self._settled.set()
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    def keep(self, frame: Kept) -> None:
        """Keep this frame until it is stored, or its lease forgotten."""
        if isinstance(frame, frames.Result):
            self._results.add(frame.lease)
            self._settled.clear()
        self._spool.add(frame, self._loop.time())
        self._arm()

    def stored(self, lease: int, index: int) -> None:
        """The output of this lease is acknowledged up to this index."""
        try:
            self._spool.stored(lease, index)
        except OSError as error:
            self._on_trouble(f"output cannot be removed from disk: {error}")

    def forget(self, lease: int) -> None:
        """This lease has ended: its result is acknowledged, or void."""
        self._results.discard(lease)
        if not self._results:
            self._settled.set()
        try:
            self._spool.forget(lease)
        except OSError as error:
            self._on_trouble(f"a result cannot be removed from disk: {error}")

    async def settled(self, timeout_s: float) -> bool:
        """Wait until no result is outstanding; false when that took too long."""
        return await happens(self._settled, timeout_s)

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
