"""Processes are killed in the middle of work; nothing that was accepted is lost, and each request has one outcome."""

import asyncio
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.stack import Stack, spaces
from tests.support.world import agent, client, kill_group, marker, ready, recorded, types, until


@pytest.fixture(autouse=True)
async def recovered(stack: Stack) -> None:
    """Each test begins when what the one before it has killed is back, or known to be gone."""
    await ready(stack)
    async with client(stack) as here:
        await here.unserved()


@pytest.fixture
def directory(stack: Stack, request: pytest.FixtureRequest) -> Path:
    """Where the handlers of this test leave their markers."""
    path = stack.home / str(request.node.name)
    path.mkdir()
    return path


def kill(stack: Stack, kind: str, index: int = 0) -> int:
    pid = stack.pids(kind)[index]
    os.kill(pid, signal.SIGKILL)
    return pid


async def replaced(stack: Stack, kind: str, pid: int, count: int = 1) -> None:
    async def another() -> bool:
        pids = stack.pids(kind)
        return pid not in pids and len(pids) == count

    await until(another, f"{kind} runs again")


async def test_an_agent_killed_in_the_middle_is_replaced_by_another(stack: Stack, directory: Path) -> None:
    async with client(stack) as here:
        with agent(stack, "marked", name="first") as first:
            request = await here.submit({"directory": str(directory)})
            await marker(directory / "started-1", "the handler has started")
            kill_group(first)
        with agent(stack, "marked", name="second"):
            await marker(directory / "started-2", "another agent has started it")
            (directory / "go").touch()
            done = await here.finished(request["id"])
    assert (done["status"], done["attempt"], done["output"]["attempt"]) == ("succeeded", 2, 2)
    chain = (await recorded(stack, {request["id"]}))[request["id"]]
    assert types(chain) == ["accepted", "assigned", "requeued", "assigned", "succeeded"]
    assert chain[2].data["reason"] == "agent_lost"


async def test_an_agent_killed_and_started_again_runs_it_anew_at_once(stack: Stack, directory: Path) -> None:
    async with client(stack) as here:
        with agent(stack, "marked", name="phoenix") as first:
            request = await here.submit({"directory": str(directory)})
            await marker(directory / "started-1", "the handler has started")
            kill_group(first)
        with agent(stack, "marked", name="phoenix"):
            await marker(directory / "started-2", "the new process has started it")
            (directory / "go").touch()
            assert (await here.finished(request["id"]))["attempt"] == 2


async def test_a_request_that_kills_its_agents_ends_and_is_not_tried_for_ever(stack: Stack) -> None:
    async with client(stack) as here:
        request = await here.submit({})
        killed = 0
        while not (await here.get(request["id"]))["done"] and killed < 10:
            with agent(stack, "fatal", name="victim") as process:

                async def dead_or_done(process: subprocess.Popen[bytes] = process) -> bool:
                    return process.poll() is not None or (await here.get(request["id"]))["done"]

                await until(dead_or_done, "the handler has killed its agent")
                killed += process.poll() is not None
        done = await here.finished(request["id"])
    assert (done["status"], done["error"]["code"]) == ("failed", "agent_lost")
    assert killed == 5
    chain = (await recorded(stack, {request["id"]}))[request["id"]]
    assert types(chain).count("assigned") == 5


async def test_a_killed_dispatcher_is_replaced_and_the_request_finishes(stack: Stack, directory: Path) -> None:
    async with client(stack) as here:
        with agent(stack, "marked", slots=1):
            running = await here.submit({"directory": str(directory)})
            await marker(directory / "started-1", "the handler has started")
            waiting = await here.submit({"directory": str(directory)})
            pid = kill(stack, "dispatcher")
            (directory / "go").touch()
            await replaced(stack, "dispatcher", pid)
            done = [await here.finished(request["id"]) for request in (running, waiting)]
    assert [(request["status"], request["attempt"]) for request in done] == [("succeeded", 1), ("succeeded", 1)]


async def test_work_survives_the_death_of_its_agents_gateway(stack: Stack, directory: Path) -> None:
    async with client(stack, 0) as here:
        with agent(stack, "marked", gateways=[1]):
            request = await here.submit({"directory": str(directory)})
            await marker(directory / "started-1", "the handler has started")
            pid = kill(stack, "gateway", 1)
            await replaced(stack, "gateway", pid, 2)
            (directory / "go").touch()
            done = await here.finished(request["id"])
    assert (done["status"], done["attempt"]) == ("succeeded", 1), "the same attempt went on"
    assert not (directory / "started-2").exists()


async def test_a_request_survives_the_death_of_the_gateway_that_accepted_it(stack: Stack, directory: Path) -> None:
    async with client(stack, 0) as here, client(stack, 1) as there:
        with agent(stack, "marked", gateways=[1]):
            headers = {"Idempotency-Key": "survives"}
            request = await here.submit({"directory": str(directory)}, headers=headers)
            await marker(directory / "started-1", "the handler has started")
            pid = kill(stack, "gateway", 0)
            again = await there.submit({"directory": str(directory)}, headers=headers)
            assert again["id"] == request["id"], "the same key at another gateway is the same request"
            (directory / "go").touch()
            assert (await there.finished(request["id"]))["status"] == "succeeded"
            await replaced(stack, "gateway", pid, 2)


@pytest.mark.parametrize("kind", ["nats", "postgres", "history", "registry"])
async def test_nothing_accepted_is_lost_when_a_server_is_killed_under_load(stack: Stack, kind: str) -> None:
    async with client(stack, 0) as here:
        with agent(stack, "counted", slots=4, name=f"worker-{kind}"):
            first = await asyncio.gather(*(here.submit({"n": n, "hold_s": 0.05}) for n in range(40)))
            pid = kill(stack, kind)
            # Submissions of the time without the server may be refused, but never accepted and lost.
            tries = (here.submit({"n": n, "hold_s": 0.05}, wait=1) for n in range(20))
            later = await asyncio.gather(*tries, return_exceptions=True)
            await replaced(stack, kind, pid)
            accepted = first + [request for request in later if isinstance(request, dict)]
            done = await asyncio.gather(*(here.finished(request["id"], 60) for request in accepted))
    assert [request["output"]["n"] for request in done[:40]] == list(range(40))
    assert {request["status"] for request in done} == {"succeeded"}
    chains = await recorded(stack, {request["id"] for request in done})
    assert all(types(chain).count("succeeded") == 1 for chain in chains.values())
    verified = spaces("log", "verify", "--home", str(stack.home))
    assert verified.returncode == 0, verified.stdout + verified.stderr
