"""From a handler, in whichever thread it runs, to the event loop: what it says before its result."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from spaces_agent import frames, outcome
from spaces_agent.output import Joined, OutputBuffer

_UNHEARD_CHARACTERS = 64 * 1024
"""After so much log or progress the loop looks at once: most of it is to be left out, and not to be kept until then."""


class Producer:
    """Takes what one run says and gives `send` its frames, in the event loop that made it.

    A handler may say thousands of things a second. They are put into a queue, and the loop is woken for the first only:
    from then on it looks by itself, until nothing has come for a while. One that yields waits while too much of that is not
    stored, for as long as that takes, unless nobody wants to hear more."""

    def __init__(
        self, work: frames.RequestFrame, started_at: float, window: int, send: Callable[[frames.Output], None]
    ) -> None:
        self._started_at = started_at
        self._buffer = OutputBuffer(work, window)
        self._send = send
        self._joined = Joined()
        self._queue: deque[Callable[[], None]] = deque()
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._awake = False
        self._closed = False
        self._yielded = self._taken = 0
        """Bytes; each of the two is written by one side only, so that neither needs a lock."""
        self._unheard = 0
        self._changed = threading.Event()
        self._changed_here = asyncio.Event()
        self.first_output_s = 0.0
        """The time from the start to the first chunk; 0 while there is none."""

    # From the handler's thread

    def chunk(self, value: Any, max_bytes: int) -> None:
        """Something that the handler has yielded, in a thread of its own. Waits for room. Raises outcome.BadOutput."""
        for chunk in self._joins(value, max_bytes):
            while self._is_full(chunk):
                self._changed.clear()
                if self._is_full(chunk):
                    self._changed.wait()
            self._yield(chunk)

    async def chunk_async(self, value: Any, max_bytes: int) -> None:
        """The same in the event loop."""
        for chunk in self._joins(value, max_bytes):
            while self._is_full(chunk):
                self._changed_here.clear()
                await self._changed_here.wait()
            self._yield(chunk)

    def output(self) -> bytes:
        """All chunks, joined, as JSON. To be asked for once: they are not kept twice."""
        joined, self._joined = self._joined, Joined()
        return joined.output()

    def progress(self, progress: bytes) -> None:
        """How far the handler is."""
        self._say(lambda: self._buffer.set_progress(progress), at_once=self._is_much(len(progress)))

    def log(self, lines: list[str]) -> None:
        """Lines of log."""
        self._say(lambda: self._buffer.log(lines), at_once=self._is_much(sum(map(len, lines))))

    def _is_much(self, size: int) -> bool:
        self._unheard += size  # of several threads at once some may not be counted
        if self._unheard < _UNHEARD_CHARACTERS:
            return False
        self._unheard = 0
        return True

    def _joins(self, value: Any, max_bytes: int) -> Iterator[bytes]:
        for chunk in outcome.encode_chunks(value):
            self._joined.add(chunk, max_bytes)
            yield chunk

    def _is_full(self, chunk: bytes) -> bool:
        return not self._closed and not self._buffer.has_room(len(chunk), self._yielded - self._taken)

    def _yield(self, chunk: bytes) -> None:
        first = not self.first_output_s
        if first:
            self.first_output_s = time.monotonic() - self._started_at
        self._yielded += len(chunk)
        self._say(lambda: self._add(chunk), at_once=first)

    def _say(self, what: Callable[[], None], at_once: bool = False) -> None:
        # No lock: what a handler logs may come from a destructor, in the middle of anything.
        if self._closed:
            return
        self._queue.append(what)
        if at_once or not self._awake:
            self._awake = True
            self._loop.call_soon_threadsafe(self._look)

    # In the event loop

    @property
    def last_index(self) -> int:
        """The number of the last frame."""
        return self._buffer.last_index

    @property
    def log_tail(self) -> str:
        """The end of the log."""
        return self._buffer.log_tail()

    def set_window(self, window: int) -> None:
        """So many frames may wait for their acknowledgement."""
        self._buffer.window = window

    def acknowledged(self, index: int) -> None:
        """All frames up to this index are stored."""
        self._buffer.acknowledged(index)
        self._look()

    def finish(self) -> None:
        """The run has ended: send all that is left, and take no more."""
        self._take()
        self.close()
        self._cut(everything=True)

    def close(self) -> None:
        """Nobody wants to hear more."""
        self._closed = True
        self._sleep()
        self._wake_handler()

    def _look(self) -> None:
        if self._closed:
            return
        took = self._take()
        self._cut()
        self._sleep()
        self._wake_handler()
        due_at = self._buffer.due_at()
        if took or due_at is not None:
            next_at = self._loop.time() + frames.OUTPUT_INTERVAL_S if due_at is None else due_at
            self._timer = self._loop.call_at(next_at, self._look)
            return
        self._awake = False
        if self._queue:  # it was said just before
            self._awake = True
            self._loop.call_soon(self._look)

    def _wake_handler(self) -> None:
        """There may be room for what it yields."""
        self._changed.set()
        self._changed_here.set()

    def _add(self, chunk: bytes) -> None:
        self._buffer.add_chunk(chunk)
        self._taken += len(chunk)

    def _take(self) -> bool:
        waiting = len(self._queue)
        for _ in range(waiting):
            self._queue.popleft()()
        return waiting > 0

    def _cut(self, everything: bool = False) -> None:
        for frame in self._buffer.cut(self._loop.time(), everything):
            self._send(frame)

    def _sleep(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
