"""Run the handler for each lease: sync ones in threads, async ones as tasks of the event loop."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import suppress
from typing import Any

from spaces_agent import frames, outcome
from spaces_agent.errors import SetupFailed
from spaces_agent.files import Places
from spaces_agent.handler import Function, Handler
from spaces_agent.job import Job, Outcome
from spaces_agent.loading import load
from spaces_agent.pool import HandlerThreads
from spaces_agent.runner import Limits, Listener
from spaces_agent.tracing import Tracing

logger = logging.getLogger("spaces_agent")

_Call = Callable[[], Any]


class Jobs:
    """All runs of the handler in this process."""

    def __init__(self, handler: Handler, setup: Function | None, slots: int, places: Places, listener: Listener) -> None:
        self._handler = handler
        self._setup = setup
        self._places = places
        self._threads = HandlerThreads(slots)
        self._listener = listener
        self._tracing = Tracing()
        self._limits = Limits()
        self._running: dict[int, Job] = {}
        self._loop = asyncio.get_running_loop()
        self._idle = asyncio.Event()
        self._idle.set()

    async def load(self) -> bool:
        """Call the setup function; false when it failed."""
        if self._setup is not None:
            try:
                await load(self._setup)
            except SetupFailed as error:
                self._listener.failed(error)
                return False
        return True

    def in_flight(self) -> list[frames.InFlight]:
        """All runs that have not ended."""
        return [job.in_flight() for job in self._running.values()]

    def count(self) -> int:
        """How many runs have not ended; may be asked in any thread."""
        return len(self._running)

    async def idle(self) -> None:
        """Wait until nothing runs."""
        await self._idle.wait()

    def limit(self, limits: Limits) -> None:
        """A gateway has said what it allows."""
        self._limits = limits
        for job in self._running.values():
            job.limits = limits
            job.producer.set_window(limits.window)

    def start(self, assign: frames.Assign, received_at: float) -> None:
        """Run the handler for this assignment. The link gives out no more of them than there are slots."""
        job = Job(assign, received_at, self._limits, self._listener, self._places, self._tracing.run(assign))
        self._running[assign.lease] = job
        self._idle.clear()
        self._listener.started(assign.lease)
        # Not in this turn of the loop, which must still write what is queued for the link: from its first moment the
        # handler may hold the interpreter lock, and with it the loop.
        self._loop.call_soon(self._launch, job)

    def stop(self, lease: int, grace_s: float) -> None:
        """Ask a run to end: its context says so, an async one is cancelled, a generator is closed where it yields next.
        Here a handler cannot be ended against its will, whatever its grace."""
        job = self._running.get(lease)
        if job is None or job.context.cancelled:
            return  # a second cancellation would break into what the handler does to end
        job.stop()

    def stored(self, lease: int, index: int) -> None:
        """The output of this lease up to this index is stored."""
        if lease in self._running:
            self._running[lease].producer.acknowledged(index)

    async def close(self) -> None:
        """Ask every run to end, and wait for none."""
        for lease in list(self._running):
            self.stop(lease, 0.0)
        await self._tracing.close()

    def _launch(self, job: Job) -> None:
        async def call_async() -> Any:
            value = await asyncio.to_thread(job.input) if job.input_is_far else job.input()
            called = self._handler.call(value, job.context)
            return await called if inspect.isawaitable(called) else called

        if job.context.cancelled:
            self._end(job, None)
        elif self._handler.is_async:
            self._launch_async(job, call_async)
        else:
            self._launch_sync(job, lambda: self._handler.call(job.input(), job.context))

    def _launch_sync(self, job: Job, call: _Call) -> None:
        self._threads.submit(lambda: self._run_sync(job, call))

    def _launch_async(self, job: Job, call: _Call) -> None:
        job.task = self._loop.create_task(self._run_async(job, call))
        job.task.add_done_callback(lambda task: self._go_on(job, None if task.cancelled() else task.result()))

    def _run_sync(self, job: Job, call: _Call) -> None:
        value: Any
        try:
            with job.trace.current():
                value = call()
                if isinstance(value, Generator):
                    value = job.collect(value)
                elif not isinstance(value, AsyncGenerator):
                    value = job.keep(outcome.encode_output(value, job.max_output_bytes))
        except BaseException as error:  # also SystemExit: a handler does not end the agent
            value = self._failure(job, error)
        job.run_s = time.monotonic() - job.started_at
        # The loop is closed when the agent has ended without waiting for this handler.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._go_on, job, value)

    async def _run_async(self, job: Job, call: _Call) -> Any:
        try:
            with job.trace.current():
                value = call()
                if inspect.isawaitable(value):
                    value = await value
                if isinstance(value, Generator):
                    return value
                if isinstance(value, AsyncGenerator):
                    return await job.collect_async(value)
                return await job.keep_async(outcome.encode_output(value, job.max_output_bytes))
        except BaseException as error:  # also SystemExit: a handler does not end the agent
            if isinstance(error, asyncio.CancelledError) and job.context.cancelled:
                raise
            return self._failure(job, error)
        finally:
            job.run_s = time.monotonic() - job.started_at

    def _go_on(self, job: Job, value: Outcome | Generator[Any, None, Any] | AsyncGenerator[Any, None] | None) -> None:
        """A run has come to its end, or to a generator that is to run on the other side."""
        job.task = None
        match value:
            case Generator():
                self._launch_sync(job, lambda: value)
            case AsyncGenerator():
                self._launch_async(job, lambda: value)
            case _:
                self._end(job, value)

    def _failure(self, job: Job, error: BaseException) -> frames.HandlerError:
        logger.error("request %s: the handler failed", job.assign.request_id, exc_info=error)
        return outcome.raised(error)

    def _end(self, job: Job, ended: Outcome | None) -> None:
        del self._running[job.assign.lease]
        job.files.close()
        job.trace.end(ended.code if isinstance(ended, frames.HandlerError) else None, stopped=job.context.cancelled)
        if ended is None or job.context.cancelled:
            self._listener.ended(job.assign.lease, None)
        else:
            job.producer.finish()
            self._listener.ended(job.assign.lease, job.result(ended))
        if not self._running:
            self._idle.set()
