"""One run of the handler: what it is given, and what is made of what it yields."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing, closing
from typing import Any

import msgspec

from spaces_agent import frames, outcome
from spaces_agent.files import Files, Places
from spaces_agent.handler import Context
from spaces_agent.producer import Producer
from spaces_agent.runner import Limits, Listener
from spaces_agent.tracing import Run

_FIRST_CHUNK_LEAVES_S = 0.0005
"""A thread that computes gives the interpreter lock away only every 5 ms, and the loop needs it several times to send
something: after its first chunk, for which somebody waits, the thread steps aside for a moment."""

Outcome = bytes | outcome.Stored | frames.HandlerError
"""An output as JSON or in a file, or why there is none."""


class Job:
    """One run of the handler."""

    def __init__(
        self,
        assign: frames.Assign,
        received_at: float,
        limits: Limits,
        listener: Listener,
        places: Places,
        trace: Run,
    ) -> None:
        self.assign = assign
        self.trace = trace
        self.limits = limits
        self.started_at = time.monotonic()
        self.files = Files.of(assign, places, limits.address, self.started_at)
        self.producer = Producer(assign, self.started_at, limits.window, listener.produced)
        self.context = Context.of(assign, self.producer, self.files, trace.context_of(assign))
        self.started_s = max(0.0, self.started_at - received_at)
        self.run_s = 0.0
        self.task: asyncio.Task[Any] | None = None

    def in_flight(self) -> frames.InFlight:
        """The job as `hello` names it."""
        assign = self.assign
        return frames.InFlight(
            request_id=assign.request_id,
            attempt=assign.attempt,
            lease=assign.lease,
            state="running",
            last_index=self.producer.last_index,
        )

    @property
    def max_output_bytes(self) -> int:
        """The largest output that can be taken, in the result or in a file."""
        return max(self.limits.max_output_bytes, self.files.max_value_bytes)

    @property
    def input_is_far(self) -> bool:
        """Whether the input has to be brought first."""
        return self.assign.input_file is not None

    def input(self) -> Any:
        """What the handler is given. Waits for the network when it is a file. Raises FileFailed."""
        file = self.assign.input_file
        return msgspec.json.decode(self.assign.input) if file is None else self.files.value(file)

    def fits(self, output: bytes) -> bool:
        """Whether this output has room in the result."""
        return len(output) <= self.limits.max_output_bytes

    def keep(self, output: bytes) -> bytes | outcome.Stored:
        """Put an output into a file when it has no room in the result. Waits for the network then. Raises FileFailed."""
        return output if self.fits(output) else self.files.save_value(output)

    async def keep_async(self, output: bytes) -> bytes | outcome.Stored:
        """The same in the event loop."""
        return output if self.fits(output) or self.context.cancelled else await asyncio.to_thread(self.keep, output)

    def stop(self) -> None:
        """The outcome is no longer wanted."""
        self.context.cancelled = True
        self.producer.close()
        self.files.stop()
        if self.task is not None:
            self.task.cancel()

    def collect(self, generator: Generator[Any, None, Any]) -> bytes | outcome.Stored:
        """Take what a generator yields until it ends, or is to stop: then it is closed. Its output. Raises as `keep`."""
        with closing(generator):
            while not self.context.cancelled:
                try:
                    chunk = next(generator)
                except StopIteration:
                    break
                first = not self.producer.first_output_s
                self.producer.chunk(chunk, self.max_output_bytes)
                if first:
                    time.sleep(_FIRST_CHUNK_LEAVES_S)
        output = self.producer.output()
        return output if self.context.cancelled else self.keep(output)

    async def collect_async(self, generator: AsyncGenerator[Any, None]) -> bytes | outcome.Stored:
        """The same of an async generator."""
        async with aclosing(generator):
            while not self.context.cancelled:
                try:
                    chunk = await anext(generator)
                except StopAsyncIteration:
                    break
                await self.producer.chunk_async(chunk, self.max_output_bytes)
                await asyncio.sleep(0)  # one that never waits must not keep the loop
        return await self.keep_async(self.producer.output())

    def result(self, ended: Outcome) -> frames.Result:
        """What to send at the end, when all output is sent."""
        run = outcome.Run(
            started_s=self.started_s,
            run_s=self.run_s,
            first_output_s=self.producer.first_output_s,
            last_index=self.producer.last_index,
            log_tail=self.producer.log_tail,
        )
        if isinstance(ended, frames.HandlerError):
            return outcome.failed(self.assign, ended, run)
        return outcome.succeeded(self.assign, ended, run)
