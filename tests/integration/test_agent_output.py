"""Output of a running handler, through all that may happen to its sockets and processes."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from spaces_agent import frames
from tests.support.agents import AgentCommand, agent_command, serving, until
from tests.support.scripted_gateway import ScriptedGateway, Session, resend_from, scripted_gateway

YIELDS = """
import pathlib, time
def steps(directory):
    for number in range(1, 100):
        while not (pathlib.Path(directory) / f"go-{number}").exists():
            if (pathlib.Path(directory) / "end").exists():
                return
            time.sleep(0.005)
        yield {"step": number}
"""


@pytest.fixture
async def gateway() -> AsyncIterator[ScriptedGateway]:
    async with scripted_gateway() as running:
        yield running


def go(directory: Path, *numbers: int) -> None:
    """Let the handler yield these steps."""
    for number in numbers:
        (directory / f"go-{number}").touch()


def spooled(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.glob("state/*/*/spool/*"))


@pytest.fixture
async def yielding(gateway: ScriptedGateway, tmp_path: Path) -> AsyncIterator[tuple[AgentCommand, Session]]:
    """A command whose handler yields a step whenever it is let go."""
    (tmp_path / "yields.py").write_text(YIELDS)
    async with agent_command(
        gateway.url, state_dir=tmp_path / "state", directory=tmp_path, engine="python:yields:steps"
    ) as agent:
        yield agent, await gateway.session()


async def frames_of(session: Session, directory: Path, *steps: int) -> list[frames.Output]:
    """Let each step go when the one before has come: one frame each."""
    seen = []
    for step in steps:
        go(directory, step)
        seen.append(await session.expect(frames.Output, 1))
    return seen


async def test_a_cut_socket_costs_no_output_and_repeats_none(
    yielding: tuple[AgentCommand, Session], gateway: ScriptedGateway, tmp_path: Path
) -> None:
    _, first = yielding
    await first.assign(1, str(tmp_path))
    said = await frames_of(first, tmp_path, 1, 2, 3)
    assert [(frame.index, bytes(frame.data)) for frame in said] == [
        (1, b'[{"step":1}]'),
        (2, b'[{"step":2}]'),
        (3, b'[{"step":3}]'),
    ]
    await first.store(1, 1)
    gateway.welcome = resend_from(3)
    first.cut()
    go(tmp_path, 4)
    second = await gateway.session()
    [named] = second.hello.in_flight
    assert named.state == "running"
    assert named.last_index >= 3
    assert await second.expect(frames.Output) == said[2]
    fourth = await second.expect(frames.Output)
    assert (fourth.index, bytes(fourth.data)) == (4, b'[{"step":4}]')
    (tmp_path / "end").touch()
    result = await second.expect(frames.Result, 1)
    assert result.last_index == 4
    assert msgspec.json.decode(result.output) == [{"step": step} for step in (1, 2, 3, 4)]
    await second.store(1, 4)
    await second.acknowledge(result)
    await until(lambda: not spooled(tmp_path), "nothing is left on disk")


async def test_a_link_that_is_killed_mid_stream_offers_again_what_is_not_stored(
    yielding: tuple[AgentCommand, Session], gateway: ScriptedGateway, tmp_path: Path
) -> None:
    agent, first = yielding
    await first.assign(1, str(tmp_path))
    said = await frames_of(first, tmp_path, 1, 2)
    await first.store(1, 1)
    said += await frames_of(first, tmp_path, 3)
    await until(lambda: spooled(tmp_path) == ["1-2.json", "1-3.json"], "it is on disk, and what is stored is not")
    os.kill(await agent.link_pid(), signal.SIGKILL)
    go(tmp_path, 4)
    second = await gateway.session()
    assert await second.expect(frames.Output) == said[1]
    assert await second.expect(frames.Output) == said[2]
    assert (await second.expect(frames.Output)).index == 4
    (tmp_path / "end").touch()
    assert (await second.expect(frames.Result)).last_index == 4


async def test_a_result_and_its_output_survive_the_death_of_the_agent(
    yielding: tuple[AgentCommand, Session], gateway: ScriptedGateway, tmp_path: Path
) -> None:
    agent, first = yielding
    await first.assign(1, str(tmp_path))
    said = await frames_of(first, tmp_path, 1, 2, 3)
    await first.store(1, 1)
    (tmp_path / "end").touch()
    result = await first.expect(frames.Result, 1)
    await until(lambda: spooled(tmp_path) == ["1-2.json", "1-3.json", "1.json"], "all that is not stored is on disk")
    agent.signal(signal.SIGKILL)
    await asyncio.wait_for(first.closed.wait(), 10)
    async with agent_command(gateway.url, state_dir=tmp_path / "state"):
        second = await gateway.session()
        [named] = second.hello.in_flight
        assert (named.state, named.last_index) == ("result_pending", 3)
        await second.expect(frames.Result, 1)
        assert second.received(frames.Output) == said[1:]
        await second.store(1, 3)
        await second.acknowledge(result)
        await until(lambda: not spooled(tmp_path), "nothing is left on disk")


async def test_the_output_of_a_handler_that_died_with_its_agent_is_not_offered(
    yielding: tuple[AgentCommand, Session], gateway: ScriptedGateway, tmp_path: Path
) -> None:
    agent, first = yielding
    await first.assign(1, str(tmp_path))
    await frames_of(first, tmp_path, 1, 2)
    await until(lambda: len(spooled(tmp_path)) == 2, "it is on disk")
    agent.signal(signal.SIGKILL)
    await asyncio.wait_for(first.closed.wait(), 10)
    async with agent_command(gateway.url, state_dir=tmp_path / "state"):
        second = await gateway.session()
        assert second.hello.in_flight == []
        assert spooled(tmp_path) == []


async def test_a_damaged_output_file_is_told_and_its_lease_given_up(
    yielding: tuple[AgentCommand, Session], gateway: ScriptedGateway, tmp_path: Path
) -> None:
    agent, first = yielding
    await first.assign(1, str(tmp_path))
    await frames_of(first, tmp_path, 1, 2)
    (tmp_path / "end").touch()
    await first.expect(frames.Result, 1)
    await until(lambda: len(spooled(tmp_path)) == 3, "all of it is on disk")
    agent.signal(signal.SIGKILL)
    await asyncio.wait_for(first.closed.wait(), 10)
    [path] = tmp_path.glob("state/*/*/spool/1-2.json")
    path.write_bytes(b"{")
    async with agent_command(gateway.url, state_dir=tmp_path / "state") as again:
        assert "damaged" in await again.says("set aside: 1-2.corrupt")
        await again.says("set aside: 1.corrupt")
        assert (await gateway.session()).hello.in_flight == []


async def test_a_canceled_handler_is_heard_no_more(gateway: ScriptedGateway, tmp_path: Path) -> None:
    go_on = asyncio.Event()

    async def handle(value: Any) -> AsyncIterator[str]:
        yield "before"
        try:
            await asyncio.Event().wait()
        finally:
            await go_on.wait()
            yield "after"

    async with serving(gateway.url, handle, tmp_path):
        session = await gateway.session()
        assign = await session.assign(1, None)
        await session.expect(frames.Output, 1)
        await session.send(frames.Cancel(request_id=assign.request_id, attempt=1, lease=1, reason="canceled"))
        go_on.set()
        await session.expect(frames.Stopped, 1)
        assert session.received(frames.Output) == []
