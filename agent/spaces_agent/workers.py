"""Run the handler in processes of its own, so that one that does not end can be killed, and one that crashes takes
nothing with it but its own request."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import sys
import time
from pathlib import Path
from typing import assert_never

from spaces_agent import frames, messages, outcome, scratch
from spaces_agent.backoff import Backoff
from spaces_agent.errors import SetupFailed
from spaces_agent.files import Places
from spaces_agent.runner import Limits, Listener
from spaces_agent.waiting import happens
from spaces_agent.worker_messages import Broken, FromWorker, Limit, Prepare
from spaces_agent.workerprocess import WorkerProcess

logger = logging.getLogger("spaces_agent")

_WORKERS_END_S = 5.0


class Run:
    """One run of the handler, which waits for a worker or is in one."""

    def __init__(self, assign: frames.Assign, received_at: float) -> None:
        self.assign = assign
        self.received_at = received_at
        self.began_at = received_at
        self.worker: WorkerProcess | None = None
        self.started = False
        self.stopped = False
        self.killing: asyncio.TimerHandle | None = None
        self._last_index = 0
        self._first_output_s = 0.0

    def in_flight(self) -> frames.InFlight:
        """The run as `hello` names it."""
        assign = self.assign
        return frames.InFlight(
            request_id=assign.request_id,
            attempt=assign.attempt,
            lease=assign.lease,
            state="running",
            last_index=self._last_index,
        )

    def saw(self, output: frames.Output) -> None:
        """The handler has said something."""
        self._last_index = output.index
        if output.kind == "chunk" and not self._first_output_s:
            self._first_output_s = time.monotonic() - self.began_at

    def crashed(self, how: str) -> frames.Result:
        """The result of a handler whose process has ended."""
        message = f"the process of the handler ended while it ran: {how}"
        run = outcome.Run(
            started_s=max(0.0, self.began_at - self.received_at),
            run_s=max(0.0, time.monotonic() - self.began_at),
            first_output_s=self._first_output_s,
            last_index=self._last_index,
        )
        return outcome.failed(self.assign, frames.HandlerError(code="handler_error", message=message), run)


class Workers:
    """One process for each slot. With a setup function all are started at once, since none may take work before it is
    done; without, the others when they are needed. One that has ended is started again: at once where a handler ran, since
    that has ended it; else later and later, as it may never live long.

    `handler` and `setup` are names, `module:function`: it is the workers that import them."""

    def __init__(self, handler: str, setup: str | None, slots: int, places: Places, listener: Listener) -> None:
        self._handler = handler
        self._setup = setup
        self._places = places
        self._slots = slots
        self._listener = listener
        self._limits = Limits()
        self._runs: dict[int, Run] = {}
        self._lives: set[asyncio.Task[None]] = set()
        self._workers: set[WorkerProcess] = set()
        self._loaded: list[WorkerProcess] = []
        self._ready = asyncio.Event()
        self._closing = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def _at_first(self) -> int:
        return 1 if self._setup is None else self._slots

    async def load(self) -> bool:
        """Start the first workers. Waits until all can take work; the listener is told when one cannot."""
        for _ in range(self._at_first - len(self._lives)):
            self._start_worker()
        await self._ready.wait()
        return True

    def in_flight(self) -> list[frames.InFlight]:
        """All runs that have not ended."""
        return [run.in_flight() for run in self._runs.values()]

    def count(self) -> int:
        """How many runs have not ended; may be asked in any thread."""
        return len(self._runs)

    async def idle(self) -> None:
        """Wait until nothing runs."""
        await self._idle.wait()

    def limit(self, limits: Limits) -> None:
        """A gateway has said what it allows."""
        self._limits = limits
        for worker in self._workers:
            worker.send(Limit(limits=limits))

    def start(self, assign: frames.Assign, received_at: float) -> None:
        """Run the handler for this assignment, as soon as there is a worker. The link gives out no more of them than
        there are slots."""
        self._runs[assign.lease] = Run(assign, received_at)
        self._idle.clear()
        self._place()

    def stop(self, lease: int, grace_s: float) -> None:
        """Ask a run to end, and kill its worker after `grace_s` seconds."""
        run = self._runs.get(lease)
        if run is None or run.stopped:
            return
        run.stopped = True
        if run.worker is None:
            self._end(run, None)
        else:
            run.worker.send(messages.Stop(lease=lease, grace_s=grace_s))
            run.killing = self._loop.call_later(grace_s, run.worker.kill)

    def stored(self, lease: int, index: int) -> None:
        """The output of this lease up to this index is stored."""
        run = self._runs.get(lease)
        if run is not None and run.worker is not None:
            run.worker.send(messages.Stored(lease=lease, index=index))

    async def close(self) -> None:
        """End all workers: at once where a handler still runs."""
        self._closing.set()
        for run in list(self._runs.values()):
            run.stopped = True
            if run.worker is None:
                self._end(run, None)
            else:
                run.worker.kill()
        for worker in self._workers:
            worker.close()
        if self._lives:
            await asyncio.wait(self._lives, timeout=_WORKERS_END_S)
        for worker in self._workers:
            worker.kill()
        await asyncio.gather(*self._lives)

    def _start_worker(self) -> None:
        self._lives.add(self._loop.create_task(self._keep_one()))

    async def _keep_one(self) -> None:
        """One worker after the other, until none is of use."""
        restarts = Backoff()
        while not self._closing.is_set():
            began = time.monotonic()
            try:
                worker = await WorkerProcess.start(self._receive)
            except OSError as error:  # no memory, processes or files left for the moment: other runs may go on meanwhile
                await self._pause(restarts, 0.0, f"no process can be started for the handler ({error})")
                continue
            self._workers.add(worker)
            if self._closing.is_set():
                worker.kill()
            worker.send(self._prepare())
            worker.send(Limit(limits=self._limits))
            how = await worker.ended()
            self._workers.discard(worker)
            if worker not in self._loaded:
                self._fail(f"setup failed: its process ended: {how}")
                return
            self._loaded.remove(worker)
            if not self._lost(worker, how) and not self._closing.is_set():
                await self._pause(restarts, time.monotonic() - began, f"an idle process for the handler ended ({how})")

    async def _pause(self, restarts: Backoff, lived_s: float, why: str) -> None:
        delay = restarts.after(ready_s=lived_s, in_flight=True, slowly=False, entropy=random.random())
        logger.warning("%s; starting another in %.1f s", why, delay)
        await happens(self._closing, delay)

    def _prepare(self) -> Prepare:
        return Prepare(
            handler=self._handler,
            setup=self._setup,
            path=list(sys.path),
            parent_pid=os.getpid(),
            places=self._places,
        )

    def _place(self) -> None:
        """Give what waits to workers, and start those that are missing."""
        if self._closing.is_set():
            return
        busy = {run.worker for run in self._runs.values()}
        free = [worker for worker in self._loaded if worker not in busy]
        waiting = [run for run in self._runs.values() if run.worker is None]
        for run, worker in zip(waiting, free, strict=False):
            run.worker = worker
            worker.send(messages.Start(frame=frames.encode(run.assign), received_at=run.received_at))
        starting = len(self._lives) - len(self._loaded)
        missing = len(waiting) - len(free) - starting
        for _ in range(min(missing, self._slots - len(self._lives))):
            self._start_worker()

    def _receive(self, worker: WorkerProcess, message: FromWorker) -> None:
        match message:
            case messages.Loaded():
                self._loaded.append(worker)
                if len(self._loaded) >= self._at_first:
                    self._ready.set()
                self._place()
            case Broken():
                self._fail(message.reason)
            case messages.Started():
                run = self._runs[message.lease]
                run.started, run.began_at = True, time.monotonic()
                self._listener.started(message.lease)
            case messages.Produced():
                self._produced(message.frame)
            case messages.Finished():
                result = frames.decode_agent_frame(message.frame)
                assert isinstance(result, frames.Result)
                self._end(self._runs[result.lease], result)
            case messages.Stopped():
                self._end(self._runs[message.lease], None)
            case _:
                assert_never(message)

    def _produced(self, frame: bytes) -> None:
        output = frames.decode_agent_frame(frame)
        assert isinstance(output, frames.Output)
        run = self._runs[output.lease]
        if not run.stopped:
            run.saw(output)
            self._listener.produced(output)

    def _fail(self, reason: str) -> None:
        if not self._closing.is_set():
            self._closing.set()
            self._listener.failed(SetupFailed(reason))

    def _lost(self, worker: WorkerProcess, how: str) -> bool:
        """A worker has ended; whether a handler ran in it. What it was given too late waits for another one."""
        ran = False
        for run in [run for run in self._runs.values() if run.worker is worker]:
            ran |= run.started
            scratch.remove_later(scratch.directory_of(Path(self._places.directory), run.assign.lease))
            if run.stopped:
                self._end(run, None)
            elif run.started:
                logger.error("request %s: the process of the handler ended: %s", run.assign.request_id, how)
                self._end(run, run.crashed(how))
            else:
                run.worker = None
                self._place()
        return ran

    def _end(self, run: Run, result: frames.Result | None) -> None:
        del self._runs[run.assign.lease]
        if run.killing is not None:
            run.killing.cancel()
        self._listener.ended(run.assign.lease, result)
        if not self._runs:
            self._idle.set()
        self._place()
