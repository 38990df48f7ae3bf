"""Keeping one child process alive: started, awaited until ready, started again when it dies."""

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from typing import Literal, Protocol, TypeVar

from services.local.errors import LocalError, ServerFailed

T = TypeVar("T")
State = Literal["starting", "ready", "waiting", "died", "stopped"]
"""`waiting`: it was ready and says that it is not so now."""

STABLE_S = 10.0
"""A child that lived this long has not failed to start."""
START_TRIES = 3
_BACK_OFF_S = (0.0, 0.25, 0.5, 1.0, 2.0, 5.0)
_UNREADY_POLL_S, _READY_POLL_S = 0.05, 2.0


class Server(Protocol):
    """A child process. All but `pid` and `poll` block."""

    @property
    def pid(self) -> int:
        """Its process id. Raises ServerFailed when it was never started."""

    def poll(self) -> int | None:
        """None while it runs, else its exit status."""

    def start(self) -> None:
        """Start it, also again after it ended. Raises LocalError."""

    def stop(self) -> None:
        """Stop it in order, within a bound; harmless when it does not run."""

    def last_words(self) -> str:
        """What it said last, for people."""


class Exits:
    """Wakes the supervisors whenever a child process has ended. One per process, made on the main thread's loop."""

    def __init__(self) -> None:
        self._wakes: set[asyncio.Event] = set()

    @contextlib.contextmanager
    def watched(self) -> Iterator["Exits"]:
        """Listen to SIGCHLD within the block."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGCHLD, self._wake)
        try:
            yield self
        finally:
            loop.remove_signal_handler(signal.SIGCHLD)

    def subscribe(self) -> asyncio.Event:
        """An event that is set on every end of a child, and cleared by the subscriber."""
        event = asyncio.Event()
        self._wakes.add(event)
        return event

    def _wake(self) -> None:
        for event in self._wakes:
            event.set()


class Supervisor:
    """Keeps one server alive from `start` to `stop`. `on_change` is told every change of `state`, with a detail for
    people; `answers_ready` asks the server itself (None: it is ready once it has started)."""

    def __init__(
        self,
        name: str,
        server: Server,
        exits: Exits,
        threads: Executor,
        on_change: Callable[["Supervisor", str], None],
        answers_ready: Callable[[], bool] | None = None,
    ) -> None:
        self.name, self.server = name, server
        self.state: State = "stopped"
        self.restarts = 0
        self._threads, self._on_change, self._answers_ready = threads, on_change, answers_ready
        self._wake = exits.subscribe()
        self._stopping = False
        self._failures = 0
        self._task: asyncio.Task[None] | None = None
        self._first_ready: asyncio.Future[None] | None = None

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self.server.pid if self.state in ("starting", "ready", "waiting") else None

    async def start(self) -> None:
        """Start it and wait until it is ready; from then on it is kept alive. Raises LocalError when it cannot start."""
        self._first_ready = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._keep_alive(), name=self.name)
        await asyncio.wait({self._first_ready, self._task}, return_when=asyncio.FIRST_COMPLETED)
        self.check()
        await self._first_ready

    def check(self) -> None:
        """Raises what has ended the supervision itself, which must not happen."""
        if self._task is not None and self._task.done():
            self._task.result()

    def let_go(self) -> None:
        """From now on do not start it again."""
        self._stopping = True

    async def stop(self) -> None:
        """Stop it for good, also while it is starting."""
        self.let_go()
        if self._task is None or self._first_ready is None:
            return
        if not self._first_ready.done():
            self._first_ready.cancel()
        elif not self._first_ready.cancelled():
            self._first_ready.exception()  # whoever started it may not have waited for the answer
        await self._blocking(self.server.stop)
        self._wake.set()
        await self._task
        await self._blocking(self.server.stop)  # in case it was started meanwhile
        self._change("stopped", "")

    async def _keep_alive(self) -> None:
        while not self._stopping:
            started = time.monotonic()
            try:
                await self._blocking(self.server.start)
                if self._stopping:
                    return
                self._change("starting", "")
                await self._until_exit()
                problem = ServerFailed(self.name, _how(self.server))
            except (LocalError, OSError) as error:
                problem = error if isinstance(error, ServerFailed) else ServerFailed(self.name, str(error))
                if self._starting_up():
                    self._give_up(error if isinstance(error, LocalError) else problem)
                    return
            if self._stopping:
                return
            await self._after_failure(problem, time.monotonic() - started)

    async def _after_failure(self, problem: ServerFailed, lived_s: float) -> None:
        self._failures = 1 if lived_s > STABLE_S else self._failures + 1
        self.restarts += 1
        self._change("died", problem.reason)
        if self._starting_up() and self._failures >= START_TRIES:
            self._give_up(problem)
            self._stopping = True
            return
        await self._pause(restart_delay_s(self._failures))

    async def _until_exit(self) -> None:
        """Follow a started server until it ends."""
        while self.server.poll() is None:
            self._wake.clear()
            if self.server.poll() is not None:
                return
            ready = self._answers_ready is None or await self._blocking(self._answers_ready)
            if ready and self.state != "ready":
                self._change("ready", "")
                if self._first_ready is not None and not self._first_ready.done():
                    self._first_ready.set_result(None)
            elif not ready and self.state == "ready":
                self._change("waiting", "")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), _READY_POLL_S if ready else _UNREADY_POLL_S)

    async def _pause(self, delay_s: float) -> None:
        end = time.monotonic() + delay_s
        while not self._stopping and (left := end - time.monotonic()) > 0:
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), left)

    def _starting_up(self) -> bool:
        return self._first_ready is not None and not self._first_ready.done()

    def _give_up(self, error: LocalError) -> None:
        if self._first_ready is not None:
            self._first_ready.set_exception(error)

    def _change(self, state: State, detail: str) -> None:
        self.state = state
        self._on_change(self, detail)

    async def _blocking(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)


def restart_delay_s(failures: int) -> float:
    """How long to wait after that many failures in a row; after the first one not at all."""
    return _BACK_OFF_S[min(failures - 1, len(_BACK_OFF_S) - 1)]


def _how(server: Server) -> str:
    """How it has ended, for people. One that a signal ended had no say: the last line of its log would mislead."""
    status = server.poll()
    if status is not None and status < 0:
        return f"ended by signal {-status} ({signal.strsignal(-status)})"
    return f"{'ended' if status is None else f'ended with status {status}'}: {server.last_words()}"
