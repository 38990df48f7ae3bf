"""The agent as its owner sees it: an address, a key, spaces, and a handler."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from spaces_agent import engines, identity, scratch
from spaces_agent.address import connect_url
from spaces_agent.errors import AgentError, ConfigError
from spaces_agent.files import Places
from spaces_agent.handler import Function, Handler
from spaces_agent.jobs import Jobs
from spaces_agent.logs import log_to_stderr
from spaces_agent.metrics import serving_metrics
from spaces_agent.profile import Profile
from spaces_agent.runner import Listener, Runner
from spaces_agent.serving import THREADS_END_S, Serving
from spaces_agent.version import __version__
from spaces_agent.workers import Workers

logger = logging.getLogger("spaces_agent")

_F = TypeVar("_F", bound=Function | str)

_EXIT_CONFIG = 2


class Agent:
    """Serves requests of `spaces` with a handler:

        agent = Agent("https://spaces.example.com", "wsa_…", ["demo"])

        @agent.handler
        def handle(input):
            return {"answer": input["question"].upper()}

        agent.run()

    `url` is a gateway, or several of which any will do. `slots` is the number of requests that it runs at a time. A
    handler that is an `async def` is awaited, any other runs in a thread; one with a second parameter is given a
    Context; one that yields streams. `name` fixes the identity, which is random and kept in `state_dir` otherwise;
    `drain_s` is how long what runs may take to finish when the agent is told to end. `isolate` runs the handler in
    processes of its own, one for each slot, so that one that crashes or does not end takes nothing with it: then it
    must be a function of a module that they can import. `metrics_port`: where Prometheus reads `/metrics`, at `metrics_host`
    (0: nowhere). Raises ConfigError."""

    def __init__(
        self,
        url: str | Sequence[str],
        key: str,
        spaces: str | Sequence[str],
        slots: int = 1,
        name: str | None = None,
        state_dir: str | os.PathLike[str] | None = None,
        drain_s: float = 30.0,
        isolate: bool = False,
        metrics_port: int = 0,
        metrics_host: str = "127.0.0.1",
    ) -> None:
        self._urls = [connect_url(address) for address in _several(url, "an address of a gateway")]
        self._key = _checked_key(key)
        self._spaces = _several(spaces, "a space")
        if not 1 <= slots <= 1024:
            raise ConfigError(f"an agent has 1 to 1024 slots, not {slots}")
        if not drain_s >= 0:  # nor is it NaN
            raise ConfigError(f"drain_s is a number of seconds from 0 up, not {drain_s}")
        self._slots = slots
        self._name = name
        self._state_dir = Path(state_dir) if state_dir is not None else identity.default_state_dir(os.environ)
        self._drain_s = drain_s
        self._isolate = isolate
        self._metrics = (metrics_host, metrics_port)
        self._handler: Function | str | None = None
        self._setup: Function | str | None = None
        self._serving: Serving | None = None
        self._unfinished = False

    def handler(self, function: _F) -> _F:
        """Make `function` the handler, and return it unchanged. It may be named by `module:function`: with `isolate` it
        is then imported only where it runs. Raises ConfigError, BadHandler when it cannot be a handler."""
        _ = engines.target(function) if self._isolate else Handler(engines.function(function))
        self._handler = function
        return function

    def setup(self, function: _F) -> _F:
        """Call `function` once before any work is taken, to load what the handler needs; return it unchanged. The agent
        is connected meanwhile, and whoever waits is told that it is loading. It takes no arguments; one that is not an
        `async def` runs in a thread. It may be named like a handler, and with `isolate` is called in each process. When
        it raises, the agent ends. Raises ConfigError."""
        _ = engines.target(function) if self._isolate else engines.function(function)
        self._setup = function
        return function

    async def serve(self) -> None:
        """Serve until `drain` is called. Raises ConfigError, and ClosedForGood when the gateway says that this agent
        need not come back, SetupFailed; network errors are never raised."""
        runner = self._runner()
        with identity.acquire(self._state_dir, self._name) as held:
            scratch.remove(held.files_directory)
            places = Places(addresses=self._urls, directory=str(held.files_directory))
            profile = Profile(
                agent_id=held.agent_id,
                boot_id=identity.new_boot_id(),
                spaces=self._spaces,
                slots=self._slots,
                version=__version__,
            )
            spool = held.spool_directory
            loading = self._isolate or self._setup is not None
            self._serving = Serving(profile, self._urls, self._key, spool, partial(runner, places), loading, self._drain_s)
            try:
                with self._showing_metrics(self._serving):
                    await self._serving.run()
            finally:
                self._unfinished = self._serving.unfinished
                self._serving = None
                scratch.remove(held.files_directory)

    @contextmanager
    def _showing_metrics(self, serving: Serving) -> Iterator[None]:
        """Serve metrics, if they are wanted. Raises ConfigError."""
        host, port = self._metrics
        if not port:
            yield
            return
        with serving_metrics(host, port, serving.metrics):
            logger.info("metrics on %s port %d", host, port)
            yield

    def drain(self) -> None:
        """Take no more work, finish what runs, then let `serve` return. Call it in the event loop of `serve`."""
        if self._serving is not None:
            self._serving.drain()

    def run(self) -> None:
        """Serve until SIGTERM or Ctrl-C, and block meanwhile. What cannot be helped by trying again is printed as one
        line and ends the program with status 2."""
        log_to_stderr()
        status = asyncio.run(self._serve_until_signal())
        if status:
            raise SystemExit(status)

    def _runner(self) -> Callable[[Places, Listener], Runner]:
        """What runs the handler, with these places for files, for whoever is told of it. Raises ConfigError."""
        if self._handler is None:
            raise ConfigError("the agent has no handler: decorate one with @agent.handler")
        if self._isolate:
            setup_name = None if self._setup is None else engines.target(self._setup)
            return partial(Workers, engines.target(self._handler), setup_name, self._slots)
        setup = None if self._setup is None else engines.function(self._setup)
        return partial(Jobs, Handler(engines.function(self._handler)), setup, self._slots)

    async def _serve_until_signal(self) -> int:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, self._on_signal)
        status = 0
        try:
            await self.serve()
        except AgentError as error:
            print(f"spaces-agent: {error}", file=sys.stderr)
            status = _EXIT_CONFIG
        if self._unfinished or not await _threads_ended():
            # A handler had its time, and setup is of no use; threads that they wait for must not keep the process.
            sys.stdout.flush()
            os._exit(status)
        return status

    def _on_signal(self) -> None:
        if self._serving is None or self._serving.draining:
            # The second signal: end at once. The link sees its pair close and says goodbye.
            logger.warning("ending at once")
            os._exit(1)
        self.drain()


async def _threads_ended() -> bool:
    """Whether nothing is left in the threads of `asyncio.to_thread`, or ends soon: Python would wait for it for ever."""
    ending = asyncio.create_task(asyncio.get_running_loop().shutdown_default_executor())
    ended, _ = await asyncio.wait({ending}, timeout=THREADS_END_S)
    return bool(ended)


def _several(given: str | Sequence[str], what: str) -> list[str]:
    several = list(dict.fromkeys([given] if isinstance(given, str) else given))
    if not several or not all(several) or len(several) > 64:
        raise ConfigError(f"give {what}, or up to 64 of them")
    return several


def _checked_key(key: str) -> str:
    key = key.strip()
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigError("the agent's key is missing or not a key: it looks like wsa_…")
    return key
