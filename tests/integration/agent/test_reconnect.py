"""What a lease lives through: sockets cut, the link killed, the agent killed, gateways that are away."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from spaces_agent import frames
from spaces_agent.spawning import spawn
from tests.support.agents import WAITS, AgentCommand, agent_command, serving, until
from tests.support.scripted_gateway import ScriptedGateway, Session


def in_flight(assign: frames.Assign, state: Any) -> frames.InFlight:
    return frames.InFlight(request_id=assign.request_id, attempt=assign.attempt, lease=assign.lease, state=state)


def spooled(state_dir: Path) -> list[Path]:
    return list(state_dir.glob("*/*/spool/*.json"))


@pytest.fixture
async def waiting(gateway: ScriptedGateway, tmp_path: Path) -> AsyncIterator[tuple[AgentCommand, Session]]:
    """A command whose handler waits for the file that its input names."""
    (tmp_path / "waits.py").write_text(WAITS)
    async with agent_command(
        gateway.url, state_dir=tmp_path / "state", directory=tmp_path, engine="python:waits:wait"
    ) as agent:
        yield agent, await gateway.session()


async def test_work_goes_on_over_a_lost_socket(gateway: ScriptedGateway, tmp_path: Path) -> None:
    release = asyncio.Event()

    async def handle(value: Any) -> Any:
        await release.wait()
        return value

    async with serving(gateway.url, handle, tmp_path):
        first = await gateway.session()
        assign = await first.assign(1, "kept")
        await first.expect(frames.Accept, 1)
        first.cut()
        second = await gateway.session()
        assert second.hello.in_flight == [in_flight(assign, "running")]
        assert second.hello.boot_id == first.hello.boot_id
        release.set()
        result = await second.expect(frames.Result, 1)
        assert bytes(result.output) == b'"kept"'
        await second.acknowledge(result)


async def test_a_result_that_is_not_acknowledged_is_on_disk_and_offered_again(
    gateway: ScriptedGateway, tmp_path: Path
) -> None:
    async with serving(gateway.url, lambda value: value, tmp_path):
        first = await gateway.session()
        assign = await first.assign(1, "kept")
        result = await first.expect(frames.Result, 1)
        await until(lambda: spooled(tmp_path), "the result is written")
        first.cut()
        second = await gateway.session()
        assert second.hello.in_flight == [in_flight(assign, "result_pending")]
        assert await second.expect(frames.Result, 1) == result
        await second.acknowledge(result)
        await until(lambda: not spooled(tmp_path), "the file is removed")


async def test_a_killed_link_is_started_again_and_knows_what_runs(
    waiting: tuple[AgentCommand, Session], gateway: ScriptedGateway, tmp_path: Path
) -> None:
    agent, first = waiting
    assign = await first.assign(1, str(tmp_path / "go"))
    await first.expect(frames.Accept, 1)
    os.kill(await agent.link_pid(), signal.SIGKILL)
    second = await gateway.session()
    assert second.hello.in_flight == [in_flight(assign, "running")]
    assert (second.hello.agent_id, second.hello.boot_id) == (first.hello.agent_id, first.hello.boot_id)
    (tmp_path / "go").touch()
    assert bytes((await second.expect(frames.Result, 1)).output) == b'"done"'


async def test_a_link_that_cannot_be_started_for_the_moment_is_tried_again(
    gateway: ScriptedGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    refusals = [OSError("no more files")]

    def start(*arguments: Any) -> Any:
        if refusals:
            raise refusals.pop()
        return spawn(*arguments)

    monkeypatch.setattr("spaces_agent.linkprocess.spawn", start)
    async with serving(gateway.url, lambda value: value, tmp_path):
        await gateway.session()
    assert "it cannot be started: no more files" in caplog.text


async def test_a_result_survives_the_death_of_the_link(
    waiting: tuple[AgentCommand, Session], gateway: ScriptedGateway, tmp_path: Path
) -> None:
    agent, first = waiting
    link = await agent.link_pid()
    (tmp_path / "go").touch()
    assign = await first.assign(1, str(tmp_path / "go"))
    result = await first.expect(frames.Result, 1)
    os.kill(link, signal.SIGKILL)
    second = await gateway.session()
    assert second.hello.in_flight == [in_flight(assign, "result_pending")]
    assert await second.expect(frames.Result, 1) == result


async def test_a_killed_agent_says_goodbye_by_its_link(waiting: tuple[AgentCommand, Session], tmp_path: Path) -> None:
    agent, session = waiting
    await session.assign(1, str(tmp_path / "never"))
    await session.expect(frames.Accept, 1)
    agent.signal(signal.SIGKILL)
    assert (await session.expect(frames.Goodbye)).reason == "the handler process ended"
    await asyncio.wait_for(session.closed.wait(), 60)


async def test_a_result_survives_the_death_of_the_agent(
    waiting: tuple[AgentCommand, Session], gateway: ScriptedGateway, tmp_path: Path
) -> None:
    agent, first = waiting
    (tmp_path / "go").touch()
    assign = await first.assign(1, str(tmp_path / "go"))
    result = await first.expect(frames.Result, 1)
    agent.signal(signal.SIGKILL)
    await first.expect(frames.Goodbye)
    await asyncio.wait_for(first.closed.wait(), 60)
    async with agent_command(gateway.url, state_dir=tmp_path / "state"):
        second = await gateway.session()
        assert second.hello.agent_id == first.hello.agent_id
        assert second.hello.boot_id != first.hello.boot_id
        assert second.hello.in_flight == [in_flight(assign, "result_pending")]
        assert await second.expect(frames.Result, 1) == result


async def test_a_gateway_that_is_down_is_tried_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as dead:
        dead.bind(("127.0.0.1", 0))  # bound, but not listening: connections are refused
        async with serving(f"http://127.0.0.1:{dead.getsockname()[1]}", lambda value: value, tmp_path):
            await until(lambda: caplog.text.count("connecting again in") > 1, "it has tried twice")
    assert "connection process ended" not in caplog.text


async def test_a_dead_gateway_among_several_does_not_matter(gateway: ScriptedGateway, tmp_path: Path) -> None:
    with socket.socket() as dead:
        dead.bind(("127.0.0.1", 0))  # bound, but not listening: connections are refused
        url = f"http://127.0.0.1:{dead.getsockname()[1]}"
        async with serving([url, gateway.url], lambda value: value, tmp_path):
            first = await gateway.session()
            await first.close(frames.CLOSE_RESYNC)
            await gateway.session()


async def test_a_proxy_that_answers_403_is_tried_again(tmp_path: Path) -> None:
    answers = [HTTPStatus.FORBIDDEN, HTTPStatus.UNAUTHORIZED, HTTPStatus.BAD_GATEWAY]
    welcomed = asyncio.Event()

    def refuse(connection: ServerConnection, request: Request) -> Response | None:
        return connection.respond(answers.pop(), "no\n") if answers else None

    async def greet(connection: ServerConnection) -> None:
        assert isinstance(frames.decode_agent_frame(await connection.recv()), frames.Hello)
        welcomed.set()

    async with serve(
        greet, "127.0.0.1", 0, process_request=refuse, subprotocols=[Subprotocol(frames.SUBPROTOCOL)]
    ) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with serving(url, lambda value: value, tmp_path):
            await asyncio.wait_for(welcomed.wait(), 60)


async def test_a_gateway_that_sends_garbage_is_left_and_found_again(gateway: ScriptedGateway, tmp_path: Path) -> None:
    async with serving(gateway.url, lambda value: value, tmp_path):
        first = await gateway.session()
        await first._connection.send('{"type":"nonsense"}')
        await gateway.session()
        assert first.closed.is_set()
