"""`spaces-agent run --isolate`: what becomes of requests and of the agent when a handler does not end, or crashes."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from spaces_agent import frames
from tests.support.agents import AgentCommand, agent_command, until
from tests.support.processes import dead
from tests.support.scripted_gateway import ScriptedGateway, Session
from tests.support.stack import ROOT


async def ready(session: Session) -> None:
    """Wait until the first worker can take work."""
    state = session.hello.state
    while state == "loading":
        state = (await session.expect(frames.Heartbeat)).state


@asynccontextmanager
async def isolating(
    gateway: ScriptedGateway, tmp_path: Path, handler: str, *arguments: str
) -> AsyncIterator[tuple[AgentCommand, Session]]:
    """An agent that runs a handler of tests.support.isolated in processes, and its session, ready for work."""
    state, engine = tmp_path / "state", f"python:tests.support.isolated:{handler}"
    given = ["--isolate", *arguments]
    async with agent_command(gateway.url, state_dir=state, directory=ROOT, engine=engine, arguments=given) as agent:
        session = await gateway.session()
        await session.ready()
        yield agent, session


async def pid_of(session: Session, lease: int) -> int:
    """The process of a handler that says its process id first."""
    (pid,) = msgspec.json.decode((await session.expect(frames.Output, lease)).data)
    return int(pid)


async def deaf(session: Session, directory: Path, lease: int = 1) -> tuple[frames.Assign, int]:
    """An assignment whose handler holds the interpreter lock, and its process."""
    directory = directory / f"deaf-{lease}"
    directory.mkdir()
    assign = await session.assign(lease, str(directory))
    pid = await pid_of(session, lease)
    (directory / "hold").touch()
    await until((directory / "holding").exists, "the handler holds the lock")
    return assign, pid


async def test_a_cancel_ends_a_handler_that_does_not_listen(gateway: ScriptedGateway, tmp_path: Path) -> None:
    async with isolating(gateway, tmp_path, "deaf") as (_, session):
        assign, pid = await deaf(session, tmp_path)
        await session.send(frames.Cancel(request_id=assign.request_id, attempt=1, lease=1, reason="canceled", grace_s=0.3))
        assert (await session.expect(frames.Stopped, 1)).outcome == "stopped"
        assert dead(pid)
        assert (await deaf(session, tmp_path, lease=2))[1] != pid


async def test_a_crash_fails_its_request_and_not_the_agent(gateway: ScriptedGateway, tmp_path: Path) -> None:
    async with isolating(gateway, tmp_path, "dies") as (_, session):
        await session.assign(1, ["segfault", str(tmp_path / "heard")])
        await session.expect(frames.Output, 1)
        (tmp_path / "heard").touch()
        result = await session.expect(frames.Result, 1)
        await session.acknowledge(result)
        assert result.error is not None
        assert (result.error.code, result.error.retryable, result.last_index) == ("handler_error", False, 1)
        assert "SIGSEGV" in result.error.message
        await session.assign(2, None)
        again = await session.expect(frames.Result, 2)
        assert again.status == "succeeded"
        await session.acknowledge(again)


async def test_a_signal_to_all_its_processes_lets_what_runs_finish(gateway: ScriptedGateway, tmp_path: Path) -> None:
    async with isolating(gateway, tmp_path, "waits") as (agent, session):
        await session.assign(1, str(tmp_path / "go"))
        worker = await pid_of(session, 1)
        for pid in (worker, await agent.link_pid()):  # as a service manager does
            os.kill(pid, signal.SIGTERM)
        agent.signal(signal.SIGTERM)
        await agent.says("ending:")
        (tmp_path / "go").touch()
        result = await session.expect(frames.Result, 1)
        assert msgspec.json.decode(result.output) == [worker, "done"]
        await session.acknowledge(result)
        await session.expect(frames.Goodbye)
        assert (await agent.ended())[0] == 0
        assert dead(worker)


async def test_a_second_signal_ends_it_at_once_with_its_workers(gateway: ScriptedGateway, tmp_path: Path) -> None:
    async with isolating(gateway, tmp_path, "waits") as (agent, session):
        await session.assign(1, str(tmp_path / "never"))
        worker = await pid_of(session, 1)
        agent.signal(signal.SIGTERM)
        await agent.says("ending:")
        agent.signal(signal.SIGTERM)
        await session.expect(frames.Goodbye)
        assert (await agent.ended())[0] == 1
        await until(lambda: dead(worker), "the worker ends with the agent")


async def test_workers_are_killed_when_the_time_to_drain_is_over(gateway: ScriptedGateway, tmp_path: Path) -> None:
    async with isolating(gateway, tmp_path, "deaf", "--drain-s", "0.3") as (agent, session):
        _, pid = await deaf(session, tmp_path)
        agent.signal(signal.SIGTERM)
        await session.expect(frames.Goodbye)
        status, said = await agent.ended()
        assert status == 0
        assert "Traceback" not in said
        assert dead(pid)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere only a handler that lets others run is ended")
async def test_workers_do_not_outlive_the_agent(gateway: ScriptedGateway, tmp_path: Path) -> None:
    async with isolating(gateway, tmp_path, "deaf") as (agent, session):
        _, pid = await deaf(session, tmp_path)
        os.kill(agent.pid, signal.SIGKILL)
        await until(lambda: dead(pid), "the worker ends with the agent")


async def test_a_setup_that_fails_ends_it_with_status_2(gateway: ScriptedGateway, tmp_path: Path) -> None:
    setup = "tests.support.isolated:broken_setup"
    async with agent_command(
        gateway.url, state_dir=tmp_path / "state", directory=ROOT, engine="python:tests.support.isolated:echo",
        arguments=["--isolate", "--setup", setup],
    ) as agent:  # fmt: skip
        status, said = await agent.ended()
    assert status == 2
    assert said.rstrip().endswith("spaces-agent: setup failed: MemoryError: the model does not fit")


async def test_the_module_of_the_handler_is_not_imported_by_the_agent_itself(
    gateway: ScriptedGateway, tmp_path: Path
) -> None:
    (tmp_path / "heavy.py").write_text(
        "import os\nprint('imported by', os.getpid(), flush=True)\ndef run(x): return os.getpid()"
    )
    async with agent_command(
        gateway.url, state_dir=tmp_path / "state", directory=tmp_path, engine="python:heavy:run", arguments=["--isolate"]
    ) as agent:
        session = await gateway.session()
        await session.ready()
        await session.assign(1, None)
        result = await session.expect(frames.Result, 1)
        await session.acknowledge(result)
    assert int(bytes(result.output)) != agent.pid
