"""What an agent shows to Prometheus when its owner wants it to."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from spaces_agent import frames
from tests.support.agents import WAITS, agent_command
from tests.support.metrics import Shown, read_metrics
from tests.support.own_ports import own_port
from tests.support.scripted_gateway import ScriptedGateway
from tests.support.world import until


@pytest.fixture
def port() -> int:
    """Where nobody listens."""
    return own_port()


async def shown_at(port: int, condition: Callable[[Shown], bool], what: str) -> Shown:
    """The first scrape for which the condition holds."""

    async def look() -> Shown | None:
        try:
            shown = await asyncio.to_thread(read_metrics, f"127.0.0.1:{port}")
        except OSError:
            return None  # it is starting
        return shown if condition(shown) else None

    found: Shown = await until(look, what)
    return found


@pytest.mark.parametrize("isolate", [[], ["--isolate"]], ids=["threads", "isolated"])
async def test_it_shows_what_runs_and_what_nobody_has_acknowledged(
    gateway: ScriptedGateway, tmp_path: Path, port: int, isolate: list[str]
) -> None:
    (tmp_path / "waits.py").write_text(WAITS)
    arguments = ["--slots", "2", "--metrics-port", str(port), *isolate]
    async with agent_command(
        gateway.url, state_dir=tmp_path / "state", directory=tmp_path, engine="python:waits:wait", arguments=arguments
    ):
        session = await gateway.session()
        await shown_at(port, lambda shown: shown("spaces_agent_ready") == 1, "it takes work")
        await session.assign(1, str(tmp_path / "go"))
        await session.expect(frames.Accept, 1)
        shown = await shown_at(port, lambda shown: shown("spaces_agent_running") == 1, "a request runs")
        assert (shown("spaces_agent_connected"), shown("spaces_agent_slots"), shown("spaces_agent_spool_files")) == (1, 2, 0)
        (tmp_path / "go").touch()
        result = await session.expect(frames.Result, 1)
        kept = await shown_at(port, lambda shown: shown("spaces_agent_spool_files") == 1, "the result is on disk")
        assert (kept("spaces_agent_unacknowledged_results"), kept("spaces_agent_running")) == (1, 0)
        assert kept("spaces_agent_spool_bytes") > 100
        await session.acknowledge(result)
        kept_where = ("spaces_agent_spool_files", "spaces_agent_unacknowledged_results")  # of two processes
        done = await shown_at(port, lambda shown: not any(map(shown, kept_where)), "nothing is kept")
        assert done("spaces_agent_results_total", status="succeeded") == done("spaces_agent_started_total") == 1


async def test_it_counts_how_often_it_had_to_come_back(gateway: ScriptedGateway, tmp_path: Path, port: int) -> None:
    arguments = ["--metrics-port", str(port)]
    async with agent_command(gateway.url, state_dir=tmp_path / "state", arguments=arguments) as agent:
        (await gateway.session()).cut()
        await gateway.session()
        shown = await shown_at(port, lambda shown: shown("spaces_agent_connects_total") == 2, "it is back")
        assert (shown("spaces_agent_connected"), shown("spaces_agent_disconnects_total")) == (1, 1)
        os.kill(await agent.link_pid(), signal.SIGKILL)
        await gateway.session()
        again = await shown_at(port, lambda shown: shown("spaces_agent_connects_total") == 3, "it is back again")
        assert (again("spaces_agent_link_restarts_total"), again("spaces_agent_disconnects_total")) == (1, 2)


async def test_a_port_that_is_taken_ends_it_with_status_2_and_one_line(gateway: ScriptedGateway, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        arguments = ["--metrics-port", str(port)]
        async with agent_command(gateway.url, state_dir=tmp_path / "state", arguments=arguments) as agent:
            status, said = await agent.ended()
    assert status == 2
    assert said.startswith(f"spaces-agent: metrics cannot be served on 127.0.0.1 port {port}: ")
    assert said.count("\n") == 1


async def test_nobody_is_shown_anything_unless_it_was_asked_for(gateway: ScriptedGateway, tmp_path: Path) -> None:
    async with agent_command(gateway.url, state_dir=tmp_path / "state") as agent:
        await gateway.session()
        listening = Path(f"/proc/{agent.pid}/net/tcp").read_text()
        inodes = set()
        for link in Path(f"/proc/{agent.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed just now
                inodes.add(link.readlink().name)
        own = [line.split() for line in listening.splitlines()[1:] if f"socket:[{line.split()[9]}]" in inodes]
        assert [line for line in own if line[3] == "0A"] == []
