"""A service's process: named loops that must not end, signals, drain, health.

A loop that ends or fails stops the process with exit code 1: a process that lives must be a process that works. A process
waits for the provisioner before it starts. SIGTERM and SIGINT end readiness, at once; after `WS_DRAIN_DELAY`, in which work
goes on, they run the drain steps in reverse order of their registration, and exit 0; a second signal exits at once.
"""

import asyncio
import logging
import os
import secrets
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import uvloop
from nats.aio.client import Client
from prometheus_client import disable_created_metrics

from services.runtime import spans
from services.runtime.bus import connect
from services.runtime.errors import SpacesError
from services.runtime.health import serve_health
from services.runtime.live import own_version
from services.runtime.loops import cancel
from services.runtime.metrics import BUILD, READY, watch_loop
from services.runtime.settings import Settings, SettingsError, read
from services.runtime.telemetry import set_up_logging
from services.runtime.topology import wait_until_provisioned

log = logging.getLogger("services.process")

Step = Callable[[], Awaitable[None]]
Start = Callable[["Process"], Awaitable[None]]
DRAIN_S = 30.0


class Process:
    """One running process of a service. `id` is random per start and never used again."""

    def __init__(self, service: str, settings: Settings, nc: Client, id: str) -> None:
        self.service, self.settings, self.nc, self.id = service, settings, nc, id
        self.stopping = asyncio.Event()
        self.failure: str | None = None
        self.started = False
        self._ready: dict[str, Callable[[], bool]] = {}
        self.ready_when("nats", lambda: nc.is_connected)
        self._drain_steps: list[Step] = []
        self._on_reconnect: list[Callable[[], None]] = []
        self._loops: set[asyncio.Task[None]] = set()

    def spawn(self, name: str, loop: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a loop that must not end by itself before the process stops."""
        task = asyncio.create_task(loop, name=name)
        self._loops.add(task)
        task.add_done_callback(self._loop_ended)
        return task

    def ready_when(self, name: str, condition: Callable[[], bool]) -> None:
        """The process is ready when all such conditions hold."""
        self._ready[name] = condition
        READY.labels(name).set_function(lambda: float(condition()))

    def on_drain(self, step: Step) -> None:
        """Do this when the process is asked to stop; the last registered comes first."""
        self._drain_steps.append(step)

    def on_reconnect(self, callback: Callable[[], None]) -> None:
        """Call this whenever the connection to NATS is back."""
        self._on_reconnect.append(callback)

    async def reconnected(self) -> None:
        """The connection to NATS is back."""
        for callback in self._on_reconnect:
            callback()

    def not_ready(self) -> list[str]:
        """Names of the conditions that do not hold."""
        waiting = [name for name, condition in self._ready.items() if not condition()]
        return [*waiting, "stopping"] if self.stopping.is_set() else waiting

    def fail(self, reason: str) -> None:
        """Stop the process with exit code 1."""
        self.failure = self.failure or reason
        self.stopping.set()

    def _loop_ended(self, task: asyncio.Task[None]) -> None:
        self._loops.discard(task)
        if self.stopping.is_set() or task.cancelled():
            return
        error = task.exception()
        log.error("loop %s ended: %s", task.get_name(), error or "without an error", exc_info=error)
        self.fail(f"loop {task.get_name()} ended")

    async def start(self, start: Start) -> None:
        """Start once everything is provisioned; give up when told to stop before that. Raises what `start` raises."""

        async def starting() -> None:
            await wait_until_provisioned(self.nc)
            await start(self)
            self.started = True

        begun, stopping = asyncio.create_task(starting()), asyncio.create_task(self.stopping.wait())
        await asyncio.wait((begun, stopping), return_when=asyncio.FIRST_COMPLETED)
        if begun.done():
            await cancel([stopping])
            await begun
        else:
            await cancel([begun])

    async def linger(self) -> None:
        """Go on, no longer ready, until those who send us work have had time to notice."""
        if self.started and self.failure is None and self.settings.drain_delay:
            log.info("no longer ready: draining in %g s", self.settings.drain_delay)
            await asyncio.sleep(self.settings.drain_delay)

    async def close(self) -> None:
        """Drain, whatever fails of it, then end all loops and the connection."""
        try:
            async with asyncio.timeout(DRAIN_S):
                for step in reversed(self._drain_steps):
                    await self._drained(step)
        except TimeoutError:
            log.error("drain took longer than %g s", DRAIN_S)
        await cancel(self._loops)
        await self.nc.close()

    async def _drained(self, step: Step) -> None:
        try:
            await step()
        except Exception:  # without NATS some cannot be done: the others have to be
            log.exception("a step of the drain failed")


def new_process_id(service: str) -> str:
    """A random id such as `gateway-9f3c21ab`."""
    return f"{service}-{secrets.token_hex(4)}"


def run(service: str, start: Start) -> None:
    """The main function of a service: read the settings, connect, `start`, and stay until told to stop."""
    try:
        settings = read(os.environ)
    except SettingsError as error:
        sys.exit(f"{service}: {error}")
    set_up_logging(service, settings.log_level)
    disable_created_metrics()  # type: ignore[no-untyped-call]  # a series more for each, which nobody asks for
    sys.exit(uvloop.run(_main(service, settings, start)))


async def _main(service: str, settings: Settings, start: Start) -> int:
    process_id = new_process_id(service)
    process: Process | None = None
    try:
        spans.set_up(service, process_id, os.environ)
    except SettingsError as error:
        log.error("%s", error)
        return 1

    async def back() -> None:
        if process is not None:
            await process.reconnected()

    try:
        async with asyncio.timeout(30):
            nc = await connect(settings.nats_url, service, process_id, on_back=back)
    except Exception as error:
        log.error("cannot connect to NATS: %s", str(error) or type(error).__name__)
        return 1
    process = Process(service, settings, nc, process_id)
    _handle_signals(process)
    process.ready_when("start", lambda: process.started)
    BUILD.labels(service, own_version()).set(1)
    process.spawn("event loop", watch_loop())
    try:
        if settings.health_port:
            await serve_health(process.spawn, settings.host, settings.health_port, process.not_ready)
        await process.start(start)
        if process.started:
            log.info("%s started", process_id)
        await process.stopping.wait()
        await process.linger()
    except SpacesError as error:
        process.fail(str(error))
    except Exception as error:
        log.exception("could not start")
        process.fail(str(error))
    process.stopping.set()
    await process.close()
    await spans.close()
    if process.failure:
        log.error("stopped: %s", process.failure)
    return 1 if process.failure else 0


def _handle_signals(process: Process) -> None:
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        if process.stopping.is_set():
            os._exit(1)
        process.stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
