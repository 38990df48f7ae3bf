"""The command `spaces-agent`: how it ends, and what it says."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from spaces_agent import frames
from tests.support.agents import KEY, WAITS, agent_command, until
from tests.support.scripted_gateway import DEADLINE_S, ScriptedGateway


async def test_it_says_in_one_line_where_it_is_connected_and_never_its_key(gateway: ScriptedGateway, tmp_path: Path) -> None:
    async with agent_command(gateway.url, state_dir=tmp_path / "state", arguments=["--name", "gpu-1"]) as agent:
        session = await gateway.session()
        assert session.hello.agent_id == "gpu-1"
        url = gateway.url.replace("http", "ws", 1)
        connected = await agent.says("connected")
        assert connected == f"spaces-agent: connected to {url}/v1/agents/connect as gpu-1 (1 slots), serving demo\n"
        agent.signal(signal.SIGINT)
        await session.expect(frames.Goodbye)
        assert await agent.ended() == (
            0,
            "spaces-agent: ending: no more work is taken; what runs has 30 s to finish\n",
        )


@pytest.mark.parametrize("code", [frames.CLOSE_BAD_KEY, frames.CLOSE_SUPERSEDED])
async def test_a_final_close_ends_it_with_status_2_and_one_line(gateway: ScriptedGateway, tmp_path: Path, code: int) -> None:
    gateway.refuse_with = (code, "this key is not valid")
    async with agent_command(gateway.url, state_dir=tmp_path / "state") as agent:
        assert await agent.ended() == (2, f"spaces-agent: this key is not valid (code {code})\n")


async def test_sigterm_finishes_what_runs_and_takes_no_more(gateway: ScriptedGateway, tmp_path: Path) -> None:
    (tmp_path / "waits.py").write_text(WAITS)
    async with agent_command(
        gateway.url, state_dir=tmp_path / "state", directory=tmp_path, engine="python:waits:wait",
        arguments=["--slots", "2"],
    ) as agent:  # fmt: skip
        session = await gateway.session()
        await session.assign(1, str(tmp_path / "go"))
        await session.expect(frames.Accept, 1)
        agent.signal(signal.SIGTERM)
        lease = 2
        while True:  # the signal is on its way
            await session.assign(lease, str(tmp_path))
            answer = await session.expect(frames.Accept | frames.Reject, lease)  # type: ignore[arg-type]
            if isinstance(answer, frames.Reject):
                break
            await session.acknowledge(await session.expect(frames.Result, lease))
            lease += 1
        assert answer.reason == "draining"
        (tmp_path / "go").touch()
        result = await session.expect(frames.Result, 1)
        assert bytes(result.output) == b'"done"'
        await session.acknowledge(result)
        await session.expect(frames.Goodbye)
        assert (await agent.ended())[0] == 0


async def test_a_second_signal_ends_it_at_once_and_its_leases_are_freed(gateway: ScriptedGateway, tmp_path: Path) -> None:
    (tmp_path / "waits.py").write_text(WAITS)
    async with agent_command(
        gateway.url, state_dir=tmp_path / "state", directory=tmp_path, engine="python:waits:wait"
    ) as agent:
        session = await gateway.session()
        await session.assign(1, str(tmp_path / "never"))
        await session.expect(frames.Accept, 1)
        agent.signal(signal.SIGTERM)
        await agent.says("ending:")
        agent.signal(signal.SIGTERM)
        await session.expect(frames.Goodbye)
        assert (await agent.ended())[0] == 1


async def test_an_operators_drain_ends_it_as_sigterm_would_and_says_why(gateway: ScriptedGateway, tmp_path: Path) -> None:
    (tmp_path / "waits.py").write_text(WAITS)
    async with agent_command(
        gateway.url, state_dir=tmp_path / "state", directory=tmp_path, engine="python:waits:wait"
    ) as agent:
        session = await gateway.session()
        await session.assign(1, str(tmp_path / "go"))
        await session.expect(frames.Accept, 1)
        await session.send(frames.Drain(reason="maintenance"))
        assert await agent.says("operator") == "spaces-agent: an operator ends this agent: maintenance\n"
        (tmp_path / "go").touch()
        await session.acknowledge(await session.expect(frames.Result, 1))
        await session.expect(frames.Goodbye)
        assert (await agent.ended())[0] == 0


async def test_what_does_not_finish_within_its_time_is_handed_back(gateway: ScriptedGateway, tmp_path: Path) -> None:
    (tmp_path / "waits.py").write_text(WAITS)
    async with agent_command(
        gateway.url, state_dir=tmp_path / "state", directory=tmp_path, engine="python:waits:wait",
        arguments=["--drain-s", "0.3"],
    ) as agent:  # fmt: skip
        session = await gateway.session()
        await session.assign(1, str(tmp_path / "never"))
        await session.expect(frames.Accept, 1)
        agent.signal(signal.SIGTERM)
        assert "what runs has 0.3 s to finish" in await agent.says("ending:")
        await session.expect(frames.Goodbye)
        assert (await agent.ended())[0] == 0


@pytest.mark.parametrize("isolate", [[], ["--isolate"]], ids=["threads", "isolated"])
async def test_a_signal_while_it_loads_ends_it(gateway: ScriptedGateway, tmp_path: Path, isolate: list[str]) -> None:
    (tmp_path / "slow.py").write_text(
        "import pathlib, time\ndef load():\n    pathlib.Path('loads').touch()\n    time.sleep(600)\ndef run(x): return x\n"
    )
    async with agent_command(
        gateway.url, state_dir=tmp_path / "state", directory=tmp_path, engine="python:slow:run",
        arguments=["--setup", "slow:load", *isolate],
    ) as agent:  # fmt: skip
        session = await gateway.session()
        await until((tmp_path / "loads").exists, "setup runs")
        agent.signal(signal.SIGTERM)
        await session.expect(frames.Goodbye)
        assert (await agent.ended())[0] == 0


async def test_a_mistake_in_the_module_of_the_handler_is_shown_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "mistaken.py").write_text("def run(x): return x\nLIMIT = 1 + '2'\n")
    async with agent_command(
        "http://127.0.0.1:1", state_dir=tmp_path / "state", directory=tmp_path, engine="python:mistaken:run"
    ) as agent:
        status, said = await agent.ended()
    assert status == 1
    assert "LIMIT = 1 + '2'" in said


@pytest.mark.parametrize("seconds", ["nan", "-1"])
async def test_a_time_to_drain_that_is_none_is_refused(tmp_path: Path, seconds: str) -> None:
    async with agent_command("http://127.0.0.1:1", state_dir=tmp_path / "state", arguments=["--drain-s", seconds]) as agent:
        assert (await agent.ended())[0] == 2


HANGS = """
import asyncio, pathlib, sys, time
from spaces_agent import Agent
def nap(path):
    pathlib.Path(path).touch()
    time.sleep(600)
agent = Agent(sys.argv[1], "wsa_test", ["demo"], slots=40, state_dir=sys.argv[2], drain_s=0.2)
@agent.handler
{handler}
agent.run()
"""


SYNC, IN_THREAD = "def handle(input): nap(input)", "async def handle(input): await asyncio.to_thread(nap, input)"


@asynccontextmanager
async def hanging(gateway: ScriptedGateway, tmp_path: Path, handler: str) -> AsyncIterator[asyncio.subprocess.Process]:
    command = [sys.executable, "-c", HANGS.format(handler=handler), gateway.url, str(tmp_path / "state")]
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


@pytest.mark.parametrize(
    ("handler", "requests"),
    # asyncio has at most 32 threads
    [(SYNC, 1), (IN_THREAD, 1), (IN_THREAD, 33)],
    ids=["sync", "async", "async in all threads"],
)
async def test_a_handler_that_does_not_end_keeps_nobody_waiting_forever(
    gateway: ScriptedGateway, tmp_path: Path, handler: str, requests: int
) -> None:
    async with hanging(gateway, tmp_path, handler) as process:
        session = await gateway.session()
        for lease in range(1, requests + 1):
            await session.assign(lease, str(tmp_path / "naps"))
            await session.expect(frames.Accept, lease)
        await until((tmp_path / "naps").exists, "it runs")
        process.terminate()
        await session.expect(frames.Goodbye)
        async with asyncio.timeout(DEADLINE_S):
            _, said = await process.communicate()
    assert process.returncode == 0
    assert b"ending although not everything is finished" in said
    assert b"Traceback" not in said


async def test_what_a_canceled_handler_has_left_in_a_thread_keeps_nobody_waiting(
    gateway: ScriptedGateway, tmp_path: Path
) -> None:
    async with hanging(gateway, tmp_path, IN_THREAD) as process:
        session = await gateway.session()
        work = await session.assign(1, str(tmp_path / "naps"))
        await until((tmp_path / "naps").exists, "it runs")
        await session.send(frames.Cancel(request_id=work.request_id, attempt=1, lease=1, reason="canceled", grace_s=0.3))
        await session.expect(frames.Stopped, 1)
        process.terminate()
        await session.expect(frames.Goodbye)
        async with asyncio.timeout(DEADLINE_S):
            _, said = await process.communicate()
    assert process.returncode == 0
    assert b"Traceback" not in said


async def run(*arguments: str, directory: Path) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "spaces_agent", *arguments, cwd=directory,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    async with asyncio.timeout(DEADLINE_S):
        said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


URL = ["--url", "http://127.0.0.1:9"]
WHAT = ["--space", "demo", "--engine", "echo"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--url", "gateway.example.com", "--key", "k", *WHAT], "is not an address of a gateway"),
        ([*URL, "--key", "", *WHAT], "key is missing"),
        ([*URL, *WHAT], "give the agent's key"),
        ([*URL, "--key", "k", "--space", "demo", "--engine", "python:no_such:f"], "there is no module 'no_such'"),
        ([*URL, "--key", "k", *WHAT, "--name", "Not A Name"], "is no name for an agent"),
        ([*URL, "--key", "k", *WHAT, "--state-dir", "/dev/null/x"], "cannot be used"),
        ([*URL, "--key", "k", *WHAT, "--slots", "0"], "--slots"),
        ([*URL, "--key", "k", *WHAT, "--drain-s", "-1"], "--drain-s"),
    ],
)
async def test_a_wrong_setting_ends_it_with_status_2_and_says_which(
    arguments: list[str], expected: str, tmp_path: Path
) -> None:
    status, said = await run("run", *arguments, directory=tmp_path)
    assert status == 2
    assert expected in said
    assert "Traceback" not in said


async def test_a_key_file_is_read(gateway: ScriptedGateway, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("wsa_file\n")
    async with agent_command(gateway.url, state_dir=tmp_path / "state", arguments=["--key-file", str(tmp_path / "key")]):
        assert (await gateway.session()).key == "Bearer wsa_file"


async def test_help_teaches_the_first_call(tmp_path: Path) -> None:
    status, said = await run("run", "--help", directory=tmp_path)
    assert status == 0
    assert "python:model:answer" in said


async def test_the_key_may_be_in_a_file_that_a_variable_names_unless_a_key_is_set_too(
    gateway: ScriptedGateway, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n")
    named = {"WS_AGENT_KEY_FILE": str(tmp_path / "key")}
    async with agent_command(gateway.url, state_dir=tmp_path / "state", variables=named) as agent:
        assert (await gateway.session()).key == f"Bearer {KEY}"
        await agent.says("connected")
    async with agent_command(
        gateway.url, state_dir=tmp_path / "state", variables={**named, "WS_AGENT_KEY": "wsa_x"}
    ) as agent:
        status, said = await agent.ended()
        assert (status, "given twice" in said, "wsa_x" in said) == (2, True, False)
    (tmp_path / "key").write_bytes(b"wsa_x\xff")
    async with agent_command(gateway.url, state_dir=tmp_path / "state", variables=named) as agent:
        assert await agent.ended() == (2, f"spaces-agent: the key file {tmp_path / 'key'} is no text in UTF-8\n")
