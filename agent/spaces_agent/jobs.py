"""Run the handler for each lease: sync ones in threads, async ones as tasks of the event loop."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress

import msgspec

from spaces_agent import frames, outcome
from spaces_agent.handler import Context, Handler
from spaces_agent.pool import HandlerThreads

logger = logging.getLogger("spaces_agent")


class Job:
    """One run of the handler."""

    def __init__(self, assign: frames.Assign, received_at: float) -> None:
        self.assign = assign
        self.context = Context.of(assign)
        self.started_at = time.monotonic()
        self.started_s = max(0.0, self.started_at - received_at)
        self.task: asyncio.Task[frames.Result] | None = None

    def in_flight(self) -> frames.InFlight:
        """The job as `hello` names it."""
        assign = self.assign
        return frames.InFlight(request_id=assign.request_id, attempt=assign.attempt, lease=assign.lease, state="running")


class Jobs:
    """All runs of the handler. `on_end(lease, result)` is called in the event loop when a run has ended; the result is
    None when nobody wants it any more, because the run was stopped."""

    def __init__(self, handler: Handler, slots: int, on_end: Callable[[int, frames.Result | None], None]) -> None:
        self.max_output_bytes = frames.MAX_INLINE_BYTES
        self._handler = handler
        self._threads = HandlerThreads(slots)
        self._on_end = on_end
        self._running: dict[int, Job] = {}
        self._loop = asyncio.get_running_loop()
        self._idle = asyncio.Event()
        self._idle.set()

    def in_flight(self) -> list[frames.InFlight]:
        """All runs that have not ended."""
        return [job.in_flight() for job in self._running.values()]

    async def idle(self) -> None:
        """Wait until nothing runs."""
        await self._idle.wait()

    def start(self, assign: frames.Assign, received_at: float) -> None:
        """Run the handler for this assignment. The link gives out no more of them than there are slots."""
        job = Job(assign, received_at)
        self._running[assign.lease] = job
        self._idle.clear()
        # Not in this turn of the loop, which must still write what is queued for the link: from its first moment the
        # handler may hold the interpreter lock, and with it the loop.
        self._loop.call_soon(self._launch, job)

    def _launch(self, job: Job) -> None:
        if job.context.cancelled:
            self._end(job, None)
        elif self._handler.is_async:
            job.task = self._loop.create_task(self._run_async(job))
            job.task.add_done_callback(lambda task: self._end(job, None if task.cancelled() else task.result()))
        else:
            self._threads.submit(lambda: self._run_sync(job))

    def stop(self, lease: int) -> None:
        """Ask a run to end: its context says so, and an async one is cancelled."""
        job = self._running.get(lease)
        if job is not None:
            job.context.cancelled = True
            if job.task is not None:
                job.task.cancel()

    def stop_all(self) -> None:
        """Ask every run to end."""
        for lease in list(self._running):
            self.stop(lease)

    def _run_sync(self, job: Job) -> None:
        try:
            value = self._handler.call(msgspec.json.decode(job.assign.input), job.context)
            result = self._succeeded(job, value)
        except BaseException as error:  # also SystemExit: a handler does not end the agent
            result = self._failed(job, error)
        # The loop is closed when the agent has ended without waiting for this handler.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._end, job, result)

    async def _run_async(self, job: Job) -> frames.Result:
        try:
            value = await self._handler.call(msgspec.json.decode(job.assign.input), job.context)
            return self._succeeded(job, value)
        except BaseException as error:  # also SystemExit: a handler does not end the agent
            if isinstance(error, asyncio.CancelledError) and job.context.cancelled:
                raise
            return self._failed(job, error)

    def _succeeded(self, job: Job, value: object) -> frames.Result:
        run_s = time.monotonic() - job.started_at
        output = outcome.encode_output(value, self.max_output_bytes)
        return outcome.succeeded(job.assign, output, started_s=job.started_s, run_s=run_s)

    def _failed(self, job: Job, error: BaseException) -> frames.Result:
        run_s = time.monotonic() - job.started_at
        logger.error("request %s: the handler failed", job.assign.request_id, exc_info=error)
        return outcome.failed(job.assign, outcome.raised(error), started_s=job.started_s, run_s=run_s)

    def _end(self, job: Job, result: frames.Result | None) -> None:
        del self._running[job.assign.lease]
        self._on_end(job.assign.lease, None if job.context.cancelled else result)
        if not self._running:
            self._idle.set()
