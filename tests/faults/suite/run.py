"""One run: a platform under load and faults, then time to recover, then what the checker says."""

import asyncio
import contextlib
import random
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from tests.faults.suite import journal
from tests.faults.suite.check import check
from tests.faults.suite.observed import Fault, History
from tests.faults.suite.observer import Observer, observing
from tests.faults.suite.platform import ROOT, Platform, running_platform
from tests.faults.suite.shape import Shape
from tests.faults.suite.violation import Violation
from tests.faults.suite.workload import Workload

SETTLE_S = 120.0
"""So long after the last fault every request must have its outcome, and the log every event: the grace, the longest back-off
of an agent, a takeover and a machine with other things to do."""


class World:
    """What a scenario has in its hands."""

    def __init__(self, platform: Platform, observer: Observer, workload: Workload, seed: int) -> None:
        self.platform, self.observer, self.workload, self.seed = platform, observer, workload, seed
        self.rng = random.Random(seed)

    @property
    def history(self) -> History:
        """What has been observed so far."""
        return self.observer.history

    @contextlib.asynccontextmanager
    async def fault(self, name: str) -> AsyncIterator[None]:
        """Note that something is done to the platform within the block."""
        began = journal.now_ns()
        try:
            yield
        finally:
            self.history.faults.append(Fault(name, began, journal.now_ns()))

    @contextlib.asynccontextmanager
    async def load(self, clients: int, pause_s: float = 0.1) -> AsyncIterator[None]:
        """Clients are busy while the block runs; it ends when their last stories have."""
        busy = asyncio.create_task(self.workload.run(clients, pause_s))
        try:
            yield
        except BaseException:
            busy.cancel()
            raise
        finally:
            self.workload.stopping.set()
            await asyncio.wait([busy])
        await busy

    async def settle(self, within_s: float = SETTLE_S) -> None:
        """Wait until nothing is open and the log is complete, as far as that comes about: the checker names what is not."""
        await self.platform.ready()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self.observer.open or not await self.observer.recorded() or await self._handlers_run():
                    await asyncio.sleep(0.2)

    async def _handlers_run(self) -> bool:
        lives = {process.pid for process in self.platform.processes if not process.ended}
        runs = await asyncio.to_thread(journal.read, self.platform.journal)
        return any(not run.ended and run.pid in lives for run in runs)


Scenario = Callable[[World], Awaitable[None]]


async def observe(
    scenario: Scenario,
    *,
    seed: int,
    shape: Shape | None = None,
    root: Path = ROOT,
    store: Path | None = None,
    settle_s: float = SETTLE_S,
    verify: bool = True,
) -> History:
    """The history of a scenario on a fresh platform that runs from the tree `root`, with NATS's data in `store`. `settle_s`:
    how long to wait at the end for what may never come. `verify`: let the log be verified and rebuilt, which takes some
    seconds."""
    async with running_platform(shape, root, store) as platform:
        async with observing(platform) as observer:
            workload = Workload(platform.urls, platform.api_key, platform.space, observer.history, seed)
            world = World(platform, observer, workload, seed)
            try:
                await scenario(world)
                await world.settle(settle_s)
            finally:
                await workload.close()
            history = await observer.collect()
        if verify:
            history.complaints += await verified(platform)
    return history


async def verified(platform: Platform) -> list[str]:
    """What `spaces log verify` complains about, before and after the read table is made anew."""
    complaints = []
    for command in (("verify",), ("rebuild",), ("verify",)):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.cli", "log", *command, "--database-url", platform.servers.database_url,
            cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await process.communicate()
        if process.returncode != 0:
            complaints.append(f"spaces log {command[0]}: {said.decode(errors='replace').strip()[-2000:]}")
    return complaints


async def violations(scenario: Scenario, *, seed: int, **how: Any) -> list[Violation]:
    """What is wrong with the history of a scenario that is observed so."""
    return check(await observe(scenario, seed=seed, **how))
