"""Keeping a child alive, with servers that only pretend to run."""

import asyncio
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from services.local.errors import PortInUse, ServerFailed
from services.local.supervise import START_TRIES, Exits, Supervisor, restart_delay_s


class PretendedServer:
    """`failures` are raised by the next starts; `dies` makes it end as soon as it has started."""

    def __init__(self, *failures: Exception, dies: bool = False) -> None:
        self.failures, self.dies = list(failures), dies
        self.starts = 0
        self.status: int | None = 0
        self.ready = True
        self.begun, self.may_start, self.asked_to_stop = threading.Event(), threading.Event(), threading.Event()
        self.may_start.set()

    @property
    def pid(self) -> int:
        return 1000 + self.starts

    def poll(self) -> int | None:
        return self.status

    def start(self) -> None:
        self.starts += 1
        self.begun.set()
        self.may_start.wait(60)
        if self.failures:
            raise self.failures.pop(0)
        self.status = 7 if self.dies else None

    def stop(self) -> None:
        self.asked_to_stop.set()
        if self.status is None:
            self.status = 0

    def last_words(self) -> str:
        return "farewell"


class Watched:
    """A supervisor whose changes are kept."""

    def __init__(self, server: PretendedServer, threads: ThreadPoolExecutor) -> None:
        self.server, self.exits = server, Exits()
        self.changes: list[tuple[str, str]] = []
        self.changed = asyncio.Event()
        self.supervisor = Supervisor("it", server, self.exits, threads, self.keep, lambda: self.server.ready)

    def keep(self, supervisor: Supervisor, detail: str) -> None:
        self.changes.append((supervisor.state, detail))
        self.changed.set()

    async def until(self, state: str) -> None:
        async with asyncio.timeout(60):
            while self.supervisor.state != state:
                self.changed.clear()
                await self.changed.wait()

    async def dies(self, status: int) -> None:
        self.server.status = status
        self.exits._wake()
        await self.until("died")


@pytest.fixture
async def threads() -> AsyncIterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


async def test_started_ready_died_started_again_stopped(threads: ThreadPoolExecutor) -> None:
    it = Watched(PretendedServer(), threads)
    await it.supervisor.start()
    assert it.supervisor.pid == 1001
    await it.dies(1)
    assert it.supervisor.pid is None
    await it.until("ready")
    assert it.supervisor.pid == 1002
    await it.supervisor.stop()
    states = [state for state, _ in it.changes]
    assert states == ["starting", "ready", "died", "starting", "ready", "stopped"]
    assert it.changes[2] == ("died", "ended with status 1: farewell")
    assert it.supervisor.restarts == 1
    assert it.server.poll() == 0


async def test_what_a_killed_one_said_before_is_not_taken_for_the_reason(threads: ThreadPoolExecutor) -> None:
    it = Watched(PretendedServer(), threads)
    await it.supervisor.start()
    await it.dies(-9)
    await it.supervisor.stop()
    assert it.changes[2] == ("died", "ended by signal 9 (Killed)")


async def test_it_is_not_ready_before_it_says_so(threads: ThreadPoolExecutor) -> None:
    it = Watched(PretendedServer(), threads)
    it.server.ready = False
    starting = asyncio.create_task(it.supervisor.start())
    await it.until("starting")
    assert not starting.done()
    it.server.ready = True
    await starting
    assert it.supervisor.state == "ready"
    await it.supervisor.stop()


async def test_one_that_cannot_start_at_first_is_an_error_not_a_loop(threads: ThreadPoolExecutor) -> None:
    it = Watched(PretendedServer(PortInUse("127.0.0.1", 1)), threads)
    with pytest.raises(PortInUse):
        await it.supervisor.start()
    await it.supervisor.stop()
    assert it.server.starts == 1


async def test_one_that_dies_again_and_again_at_first_is_given_up(threads: ThreadPoolExecutor) -> None:
    it = Watched(PretendedServer(dies=True), threads)
    with pytest.raises(ServerFailed, match="it failed: ended with status 7: farewell"):
        await it.supervisor.start()
    await it.supervisor.stop()
    assert it.server.starts == START_TRIES


async def test_one_that_cannot_be_started_again_later_is_tried_for_ever(threads: ThreadPoolExecutor) -> None:
    it = Watched(PretendedServer(), threads)
    await it.supervisor.start()
    it.server.failures = [PortInUse("127.0.0.1", 1), ServerFailed("it", "no")]
    await it.dies(1)
    await it.until("ready")
    assert it.server.starts == 4
    await it.supervisor.stop()


async def test_one_that_is_let_go_is_not_started_again(threads: ThreadPoolExecutor) -> None:
    it = Watched(PretendedServer(), threads)
    await it.supervisor.start()
    it.supervisor.let_go()
    it.server.status = 0
    it.exits._wake()
    await it.supervisor.stop()
    assert it.server.starts == 1


async def test_stopping_one_that_is_still_starting_ends_the_start(threads: ThreadPoolExecutor) -> None:
    it = Watched(PretendedServer(), threads)
    it.server.ready = False
    starting = asyncio.create_task(it.supervisor.start())
    await it.until("starting")
    await it.supervisor.stop()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert it.supervisor.state == "stopped"


async def test_stopping_one_whose_start_takes_its_time_stops_what_comes_of_it(threads: ThreadPoolExecutor) -> None:
    it = Watched(PretendedServer(), threads)
    it.server.may_start.clear()
    starting = asyncio.create_task(it.supervisor.start())
    await asyncio.to_thread(it.server.begun.wait, 60)
    stopping = asyncio.create_task(it.supervisor.stop())
    async with asyncio.timeout(60):
        await asyncio.to_thread(it.server.asked_to_stop.wait, 60)
        it.server.may_start.set()
        await stopping
    assert it.server.poll() == 0
    with pytest.raises(asyncio.CancelledError):
        await starting


def test_the_first_restart_is_at_once_and_later_ones_wait_longer_up_to_a_bound() -> None:
    delays = [restart_delay_s(failures) for failures in range(1, 20)]
    assert delays[0] == 0
    assert delays == sorted(delays)
    assert delays[-1] == delays[-2] <= 10
