"""The real agent command at real gateways: both halves of the protocol against each other."""

import asyncio
import contextlib
import json
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from services.contracts.events import Succeeded
from services.contracts.output import OutputRecord
from services.contracts.reports import DrainAgent
from services.gateway import agents
from spaces_agent import frames
from tests.support.bus import until
from tests.support.gateway_agents import Platform
from tests.support.gateway_sockets import SPACE, Gateway, running_gateway


@contextlib.asynccontextmanager
async def command(platform: Platform, engine: str, directory: Path, *gateways: Gateway) -> AsyncIterator[Process]:
    """The agent `real`, which knows these gateways."""
    said = ["run", "--key", platform.secret, "--space", SPACE, "--engine", engine, "--slots", "4"]
    for each in gateways:
        said += ["--url", each.url.removesuffix(frames.CONNECT_PATH).replace("ws://", "http://")]
    named = ["--name", "real", "--state-dir", str(directory / "state")]
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "spaces_agent", *said, *named)
    try:
        await until(lambda: len(platform.listed) == 1, "it is listed")
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def joined(records: list[OutputRecord]) -> str:
    """The text that all records make up."""
    return "".join(json.loads(bytes(record.data)) for record in records)


async def test_the_agent_command_serves_requests_and_leaves_in_order(
    platform: Platform, gateway: Gateway, tmp_path: Path
) -> None:
    async with command(platform, "echo", tmp_path, gateway) as agent:
        (conn,) = platform.listed
        for _ in range(5):
            assigned, _ = await platform.assign(gateway.id, conn, platform.agent("real"))
            succeeded = (await platform.chain(assigned.rid, "succeeded"))[-1]
            assert isinstance(succeeded, Succeeded)
            assert bytes(succeeded.output) == b'{"x":1}'
        await until(lambda: platform.held(conn) == [], "all slots are free")
        agent.send_signal(signal.SIGTERM)
        assert await agent.wait() == 0
        await until(lambda: conn not in platform.listed, "it is delisted")


async def test_a_stream_goes_on_at_another_gateway_when_its_own_ends(
    platform: Platform, gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agents, "DRAIN_SOCKETS_S", 1000.0)  # the agent leaves by itself, or never
    async with (
        running_gateway(platform.bus, platform.secret) as other,
        command(platform, "python:tests.e2e.handlers:words", tmp_path, gateway, other) as agent,
    ):
        (conn,) = platform.listed
        first, second = (gateway, other) if gateway.agents.connection_count() else (other, gateway)
        said = msgspec.Raw(msgspec.json.encode({"directory": str(tmp_path), "n": 1}))
        assigned, _ = await platform.assign(first.id, conn, platform.agent("real"), input=said)
        await platform.stored(assigned.rid, 5)
        await first.agents.drain()
        assert first.agents.connection_count() == 0
        await until(lambda: len(platform.listed) == 1 and conn not in platform.listed, "it is listed by the other")
        (moved,) = platform.listed
        await platform.stored(assigned.rid, len(platform.records[assigned.rid]) + 5)
        assert await platform.ask(second.id, DrainAgent(conn=moved)) == "draining"
        (tmp_path / "go").touch()
        succeeded = (await platform.chain(assigned.rid, "succeeded"))[-1]
        assert await agent.wait() == 0
        assert isinstance(succeeded, Succeeded)
        records = await platform.stored(assigned.rid, succeeded.last_index)
        assert [record.index for record in records] == list(range(1, succeeded.last_index + 1))
        count = int((tmp_path / "ended-1").read_text())
        words = "".join(f"{n} " for n in range(1, count + 1))
        assert joined(records) == words == json.loads(bytes(succeeded.output))
        assert len(platform.chains[assigned.rid]) == 3
