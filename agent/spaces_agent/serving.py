"""One agent at work: the handler's runs on this side, the link on the other, and results kept until acknowledged."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import assert_never

from spaces_agent import frames, messages
from spaces_agent.backoff import Backoff
from spaces_agent.errors import AgentError, ClosedForGood, ConfigError, SetupFailed
from spaces_agent.linkprocess import LinkProcess
from spaces_agent.measures import Family, Measures, gauge
from spaces_agent.metrics import of_spool
from spaces_agent.profile import Profile
from spaces_agent.runner import Limits, Listener, Runner
from spaces_agent.unacknowledged import Unacknowledged
from spaces_agent.waiting import happens

logger = logging.getLogger("spaces_agent")

_ACKS_S = 5.0
"""How long a draining agent waits for the acknowledgement of its last results; they are on disk by then."""
_LINK_ENDS_S = 5.0
THREADS_END_S = 1.0
"""How long threads may go on in which handlers that were stopped have left something."""
AFTER_DRAIN_S = _ACKS_S + 2 * _LINK_ENDS_S + THREADS_END_S
"""How long it may take to end, once what runs has had its time to finish."""


class Serving:
    """Serves until drained or closed for good. Its link is started again whenever it dies: what runs is known here,
    and so is everything that is not acknowledged."""

    def __init__(
        self,
        profile: Profile,
        urls: list[str],
        key: str,
        spool_directory: Path,
        runner: Callable[[Listener], Runner],
        loading: bool,
        drain_s: float,
    ) -> None:
        self._profile = profile
        self._urls = urls
        self._key = key
        self._spool_directory = spool_directory
        self._drain_s = drain_s
        self._loading = loading
        self._left = False
        self._runner = runner(self)
        self._unacknowledged = Unacknowledged()
        self._measures = Measures(profile.slots)
        self._all_acknowledged = asyncio.Event()
        self._all_acknowledged.set()
        self._link: LinkProcess | None = None
        self._failure: AgentError | None = None
        self._draining = asyncio.Event()
        self._drained = asyncio.Event()

    @property
    def draining(self) -> bool:
        """Whether the agent has been told to end."""
        return self._draining.is_set()

    @property
    def unfinished(self) -> bool:
        """Whether a handler still runs, or what is to be done before; or did so when this ended."""
        return self._left or self._loading or bool(self._runner.in_flight())

    def metrics(self) -> list[Family]:
        """How it is, for Prometheus. May be called in any thread."""
        return [
            *self._measures.families(),
            gauge("spaces_agent_ready", "1 while it takes work", not self._loading and not self.draining),
            gauge("spaces_agent_running", "Requests that run", self._runner.count()),
            gauge(
                "spaces_agent_unacknowledged_results",
                "Results that no gateway has acknowledged",
                len(self._unacknowledged.results),
            ),
            *of_spool(self._spool_directory),
        ]

    def drain(self) -> None:
        """Take no more work, finish what runs (for a bounded time), then return from `run`."""
        if not self._draining.is_set():
            self._draining.set()
            self._send(messages.Drain())

    async def run(self) -> None:
        """Serve. Raises ClosedForGood or ConfigError when the gateway, or the link, says that it is no use, and
        SetupFailed."""
        draining = asyncio.create_task(self._drain())
        loading = asyncio.create_task(self._load())
        restarts = Backoff()
        try:
            while True:
                began = time.monotonic()
                how = await self._one_link()
                if self._drained.is_set() or self._failure is not None:
                    break
                lived = time.monotonic() - began
                self._measures.link_restarts += 1
                delay = restarts.after(ready_s=lived, in_flight=True, slowly=False, entropy=random.random())
                logger.warning("the connection process ended (%s); starting it again in %.1f s", how, delay)
                if await happens(self._drained, delay):
                    break
            if self._failure is not None:
                raise self._failure
        finally:
            draining.cancel()
            loading.cancel()
            self._left = self.unfinished  # what is told to stop now may leave threads that go on
            await self._runner.close()

    async def _one_link(self) -> str:
        """Start a link and serve with it until it or the agent ends; how it has ended."""
        try:
            link = self._link = await LinkProcess.start(self._receive)
        except OSError as error:  # no memory, processes or files left for the moment: handlers may go on meanwhile
            return f"it cannot be started: {error}"
        try:
            link.send(self._setup())
            if self._draining.is_set():
                link.send(messages.Drain())
            waits = [asyncio.create_task(event.wait()) for event in (link.ended, self._drained)]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
            if self._drained.is_set():
                link.send(messages.Leave(reason="the agent was told to end"))
                await happens(link.ended, _LINK_ENDS_S)
        finally:
            self._link = None
            self._measures.cut_off()
            how = await link.close(_LINK_ENDS_S)
        return how

    async def _drain(self) -> None:
        await self._draining.wait()
        logger.info("ending: no more work is taken; what runs has %g s to finish", self._drain_s)
        try:
            async with asyncio.timeout(self._drain_s):
                await self._runner.idle()
            async with asyncio.timeout(_ACKS_S):
                await self._all_acknowledged.wait()
        except TimeoutError:
            logger.warning("ending although not everything is finished")
        self._drained.set()

    async def _load(self) -> None:
        if await self._runner.load() and self._loading:
            self._loading = False
            self._send(messages.Loaded())

    def _setup(self) -> messages.Setup:
        return messages.Setup(
            urls=self._urls,
            key=self._key,
            profile=self._profile,
            spool_directory=str(self._spool_directory),
            parent_pid=os.getpid(),
            running=self._runner.in_flight(),
            pending=self._unacknowledged.results,
            outputs=self._unacknowledged.outputs,
            loading=self._loading,
        )

    def _receive(self, message: messages.FromLink) -> None:
        match message:
            case messages.Start():
                self._start(message)
            case messages.Stop():
                self._runner.stop(message.lease, message.grace_s)
            case messages.Stored():
                self._unacknowledged.stored(message.lease, message.index)
                self._runner.stored(message.lease, message.index)
            case messages.Forget():
                self._forget(message.lease)
            case messages.Connected():
                self._connected(message)
            case messages.Disconnected():
                self._measures.cut_off()
                logger.warning("%s: %s; connecting again in %.1f s", message.url, message.reason, message.retry_in_s)
            case messages.EndAgent():
                logger.warning("an operator ends this agent: %s", message.reason)
                self.drain()
            case messages.Notice():
                logger.warning("%s", message.text)
            case messages.Ended():
                error = ClosedForGood(message.code, message.reason) if message.code else ConfigError(message.reason)
                self._failure = error
            case _:
                assert_never(message)

    def _start(self, message: messages.Start) -> None:
        assign = frames.decode_gateway_frame(message.frame)
        if not isinstance(assign, frames.Assign):
            raise ValueError(f"the link sent {type(assign).__name__}, not an assignment")
        self._runner.start(assign, message.received_at)

    def _connected(self, message: messages.Connected) -> None:
        self._measures.welcomed()
        limits = Limits(max_output_bytes=message.max_inline_bytes, window=message.window, address=message.url)
        self._runner.limit(limits)
        served = [verdict.space for verdict in message.spaces if verdict.accepted]
        logger.info(
            "connected to %s as %s (%d slots), serving %s",
            message.url,
            self._profile.agent_id,
            self._profile.slots,
            ", ".join(served) or "nothing",
        )
        for verdict in message.spaces:
            if not verdict.accepted:
                logger.warning("the space %s was refused: %s", verdict.space, verdict.reason)

    def started(self, lease: int) -> None:
        """The handler of this lease begins."""
        self._measures.started += 1
        self._send(messages.Started(lease=lease))

    def produced(self, output: frames.Output) -> None:
        """A handler has something to say."""
        self._send(messages.Produced(frame=self._unacknowledged.output(output)))

    def ended(self, lease: int, result: frames.Result | None) -> None:
        """The handler of this lease has ended: with this result, or because it was told to stop."""
        if result is None:
            self._measures.has_ended("stopped")
            self._unacknowledged.forget(lease)
            self._send(messages.Stopped(lease=lease))
        else:
            self._measures.has_ended(result.status, result.run_s)
            self._all_acknowledged.clear()
            self._send(messages.Finished(frame=self._unacknowledged.result(result)))

    def failed(self, error: SetupFailed) -> None:
        """There is nothing to serve with."""
        self._failure = error
        self._loading = False
        self._drained.set()

    def _forget(self, lease: int) -> None:
        self._unacknowledged.forget(lease)
        if not self._unacknowledged.results:
            self._all_acknowledged.set()

    def _send(self, message: messages.ToLink) -> None:
        # While the link is being started again nothing is lost: its setup carries all that is known then.
        if self._link is not None:
            self._link.send(message)
