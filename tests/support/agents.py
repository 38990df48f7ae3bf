"""Agents under test: in the test's own process, or as the command that users run."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from spaces_agent import Agent
from tests.support.scripted_gateway import DEADLINE_S

KEY = "wsa_test"
WAITS = """
import pathlib, time
def wait(path):
    while not pathlib.Path(path).exists():
        time.sleep(0.01)
    return "done"
"""
"""A module with a handler that waits for the file that its input names."""


async def until(condition: Callable[[], Any], what: str) -> Any:
    """Wait until the condition gives something true, and return that."""
    async with asyncio.timeout(DEADLINE_S):
        while not (value := condition()):
            await asyncio.sleep(0.02)
    assert value, what
    return value


@asynccontextmanager
async def serving(
    url: str | list[str], handler: Callable[..., Any], state_dir: Path, *, slots: int = 2, drain_s: float = 10.0
) -> AsyncIterator[Agent]:
    """An agent in this process; it is drained at the end."""
    agent = Agent(url, KEY, ["demo"], slots=slots, state_dir=state_dir, drain_s=drain_s)
    agent.handler(handler)
    running = asyncio.create_task(agent.serve())
    try:
        yield agent
        agent.drain()
        async with asyncio.timeout(DEADLINE_S):
            await running
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


class AgentCommand:
    """`spaces-agent run` as a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @property
    def pid(self) -> int:
        return self.process.pid

    async def link_pid(self) -> int:
        """The process that owns the socket."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        return int((await until(children.read_text, "the link runs")).split()[0])

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def says(self, words: str) -> str:
        """The next line on stderr that contains these words."""
        assert self.process.stderr is not None
        async with asyncio.timeout(DEADLINE_S):
            while line := (await self.process.stderr.readline()).decode():
                if words in line:
                    return line
        raise AssertionError(f"the agent ended without saying {words!r}")

    async def ended(self) -> tuple[int, str]:
        """The exit status, and what was written to stderr."""
        async with asyncio.timeout(DEADLINE_S):
            _, said = await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode, said.decode()


@asynccontextmanager
async def agent_command(
    *urls: str,
    state_dir: Path,
    engine: str = "echo",
    directory: Path | None = None,
    arguments: list[str] | None = None,
    variables: Mapping[str, str] | None = None,
) -> AsyncIterator[AgentCommand]:
    """Run the command until the end of the block; its key is in the environment, unless other variables are given."""
    given = ["--space", "demo", "--engine", engine, "--state-dir", str(state_dir), *(arguments or [])]
    for url in urls:
        given += ["--url", url]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "spaces_agent", "run", *given,
        cwd=directory or state_dir.parent,
        env={**os.environ, **({"WS_AGENT_KEY": KEY} if variables is None else variables)},
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield AgentCommand(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
