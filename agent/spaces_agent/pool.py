"""Threads that keep no process alive, unlike those of `asyncio.to_thread`: for handlers, and for what is beside them."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any


class HandlerThreads:
    """At most `size` threads, started when they are needed. They are daemons, unlike those of concurrent.futures: a
    handler that never returns must not keep a process alive that was told to end."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._work: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._busy = 0

    def submit(self, call: Callable[[], None]) -> None:
        """Run `call`, which must not raise, in one of the threads."""
        with self._lock:
            self._busy += 1
            grow = self._busy > self._threads and self._threads < self._size
            self._threads += grow
            number = self._threads
        self._work.put(call)
        if grow:
            threading.Thread(target=self._serve, name=f"handler-{number}", daemon=True).start()

    def _serve(self) -> None:
        while True:
            call = self._work.get()
            call()
            with self._lock:
                self._busy -= 1


async def in_thread(function: Callable[[], Any], name: str) -> Any:
    """What `function` returns, called in a daemon thread of its own. Raises what it raises."""
    outcome: Future[tuple[Any, BaseException | None]] = Future()
    outcome.set_running_or_notify_cancel()

    def call() -> None:
        try:
            outcome.set_result((function(), None))
        except BaseException as error:  # as a value: no future takes a StopIteration
            outcome.set_result((None, error))

    threading.Thread(target=call, name=name, daemon=True).start()
    returned, error = await asyncio.wrap_future(outcome)
    if error is not None:
        raise error
    return returned
