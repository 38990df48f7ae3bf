"""Processes are paused, as an overloaded or suspended machine pauses them, and wake up in a world that has moved on."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.contracts.ids import part_of_space
from tests.support.partitions import dispatcher_pids, owner_of
from tests.support.stack import Stack, fresh_home, spaces
from tests.support.world import agent, client, marker, most_at_once, ready, recorded, types, until


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with fresh_home() as home, Stack(home, "--gateways", "2", "--dispatchers", "2", "--no-demo") as stack:
        yield stack


@pytest.fixture(autouse=True)
async def recovered(stack: Stack) -> None:
    await ready(stack)


async def owner(stack: Stack) -> str:
    """Which dispatcher has the lease of the stack's space; empty while none has."""
    return await owner_of(stack, part_of_space(stack.ready.space))


async def owning(stack: Stack) -> tuple[str, int]:
    """The dispatcher that has that lease, and its process."""

    async def found() -> tuple[str, int] | None:
        name = await owner(stack)
        pid = dispatcher_pids(stack).get(name)
        return None if pid is None else (name, pid)

    owning: tuple[str, int] = await until(found, "some dispatcher owns the partition")
    return owning


@contextlib.contextmanager
def paused(pid: int) -> Iterator[None]:
    """Stop the process within the block."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def clean(stack: Stack) -> None:
    verified = await asyncio.to_thread(spaces, "log", "verify", "--home", str(stack.home))
    assert verified.returncode == 0, verified.stdout + verified.stderr


async def test_an_owner_that_wakes_up_after_its_partition_was_taken_over_does_no_harm(stack: Stack) -> None:
    async with client(stack) as here:
        with agent(stack, "counted", slots=2, name="for-the-next-owner"):
            await here.submit({"n": 0, "hold_s": 0.01}, wait=30)
            before, pid = await owning(stack)
            with paused(pid):
                first = await asyncio.gather(*(here.submit({"n": n, "hold_s": 0.05}) for n in range(10)))

                async def taken_over() -> bool:
                    return await owner(stack) not in ("", before)

                await until(taken_over, "the other dispatcher has taken over")
                await asyncio.gather(*(here.finished(request["id"]) for request in first))
                then = await asyncio.gather(*(here.submit({"n": n, "hold_s": 0.05}) for n in range(20)))
            done = await asyncio.gather(*(here.finished(request["id"]) for request in then))
    chains = await recorded(stack, {request["id"] for request in first + done})
    assert all(types(chain) == ["accepted", "assigned", "succeeded"] for chain in chains.values())
    assert max(most_at_once(chains).values()) <= 2
    assert pid in stack.pids("dispatcher"), "it lives on"
    await ready(stack)
    await clean(stack)


@pytest.mark.parametrize("service", ["dispatcher", "gateway", "history", "registry"])
async def test_a_pause_of_five_seconds_costs_nobody_an_attempt(stack: Stack, service: str, tmp_path: Path) -> None:
    async with client(stack) as here:
        with agent(stack, "marked", gateways=[1], slots=1, name=f"patient-{service}"):
            running = await here.submit({"directory": str(tmp_path)})
            await marker(tmp_path / "started-1", "the handler has started")
            pid = (await owning(stack))[1] if service == "dispatcher" else stack.pids(service)[-1]
            with paused(pid):
                waiting = await here.submit({"directory": str(tmp_path)})
                (tmp_path / "go").touch()
                await asyncio.sleep(5.0)  # the fault itself, not a wait for its end
            done = [await here.finished(request["id"]) for request in (running, waiting)]
    assert [(request["status"], request["attempt"]) for request in done] == [("succeeded", 1)] * 2
    await clean(stack)
