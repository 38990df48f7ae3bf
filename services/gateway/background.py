"""Tasks that end by themselves, and are expected to end well."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

log = logging.getLogger("services.gateway.background")

Fail = Callable[[str], None]


class Background:
    """A set of tasks. One that raises an error stops the process: what it was to do would else be silently undone."""

    def __init__(self, fail: Fail) -> None:
        self._fail = fail
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run it."""
        task = asyncio.create_task(work, name=getattr(work, "__qualname__", "a task"))
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def settle(self, timeout_s: float) -> None:
        """Wait until all have ended, or the time is over."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout_s)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s failed", task.get_name(), exc_info=error)
            self._fail(f"{task.get_name()} failed: {error!r}")
