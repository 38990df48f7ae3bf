"""`spaces up` for as long as a block lasts, as the demo and the benchmark need it: a fresh home, any free port, nothing
left behind, whatever happens in the block."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import asyncpg
import msgspec

ROOT = Path(__file__).resolve().parents[1]

START_TIMEOUT_S = 180.0
"""The first start on a machine may have to unpack PostgreSQL."""
_STOP_TIMEOUT_S = 45.0
_AGENT_TIMEOUT_S = 60.0
_POLL_S = 0.1
_CONNECTED = "SELECT 1 FROM event_log WHERE stream = 'CONNECTIONS' AND type = 'connected'"
_LINE_BYTES = 1024 * 1024


class ProgramFailed(Exception):
    """A program that we started has ended or does not answer; the text is for whoever ran us."""


class Stack(msgspec.Struct, frozen=True):
    """What `spaces up --json` tells when it is ready. `pids` has the processes of each service."""

    url: str
    urls: list[str]
    api_key: str
    agent_key: str
    space: str
    nats_url: str
    database_url: str
    pids: dict[str, list[int]]


@asynccontextmanager
async def open_directory(prefix: str) -> AsyncIterator[Path]:
    """A temporary directory that every user may enter: run by root, PostgreSQL becomes another user."""
    directory = Path(tempfile.mkdtemp(prefix=prefix))
    try:
        directory.chmod(0o755)
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@asynccontextmanager
async def running_stack(directory: Path, *options: str) -> AsyncIterator[tuple[Stack, int]]:
    """Run `spaces up` with its home in the directory; gives the stack and the id of the process that runs it. Raises
    ProgramFailed when it does not start, or leaves processes behind."""
    log = directory / "up.log"
    command = [sys.executable, "-m", "services.cli", "up", "--json", "--port", "0", "--no-demo", *options]
    async with running_program([*command, "--home", str(directory / "home")], log, stdout=asyncio.subprocess.PIPE) as up:
        stack = await _ready(up, log)
        reader = asyncio.create_task(_discard(up.stdout))
        try:
            yield stack, up.pid
        finally:
            reader.cancel()
            await stop(up, signal.SIGINT)
            left = kill_left(pid for pids in stack.pids.values() for pid in pids)
    if left:
        raise ProgramFailed(f"`spaces up` left processes behind: {', '.join(map(str, left))} (killed now)")


@asynccontextmanager
async def running_program(
    command: Sequence[str], log: Path, env: Mapping[str, str] | None = None, stdout: int | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a program from the checkout's root; its output goes to the log. It gets a session of its own: Ctrl-C reaches
    only us, who stop it in order. It is asked to stop when the block ends, and killed when it does not."""
    paths = [str(ROOT), str(ROOT / "agent"), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), **(env or {})}
    with log.open("ab") as file:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=file if stdout is None else stdout,
            stderr=file,
            env=environment,
            cwd=ROOT,
            start_new_session=True,
            limit=_LINE_BYTES,
        )
    try:
        yield process
    finally:
        await stop(process, signal.SIGTERM)


async def stop(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    """Ask the program to end, wait, and kill it and what is left of its process group. Harmless when it has ended."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.send_signal(number)
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), _STOP_TIMEOUT_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


async def wait_for_agent(stack: Stack, agent_log: Path) -> None:
    """Wait until the event log shows that an agent is connected. Raises ProgramFailed."""
    deadline = time.monotonic() + _AGENT_TIMEOUT_S
    database = await asyncpg.connect(stack.database_url)
    try:
        while not await database.fetchval(_CONNECTED):
            if time.monotonic() > deadline:
                raise ProgramFailed(f"the agent did not connect; its last words:\n{last_lines(agent_log)}")
            await asyncio.sleep(_POLL_S)
    finally:
        await database.close()


def kill_left(pids: Iterable[int]) -> list[int]:
    """Kill those of these processes of ours that still run; which ones that were."""
    left: list[int] = []
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            left.append(pid)
    return left


def last_lines(log: Path, count: int = 15) -> str:
    """The end of a log, for an error message."""
    with suppress(OSError):
        return "\n".join(log.read_text(errors="replace").splitlines()[-count:])
    return ""


async def _ready(up: asyncio.subprocess.Process, log: Path) -> Stack:
    assert up.stdout is not None
    try:
        line = await asyncio.wait_for(up.stdout.readline(), START_TIMEOUT_S)
        return msgspec.json.decode(line, type=Stack)
    except TimeoutError:
        problem = f"`spaces up` was not ready within {START_TIMEOUT_S:g} s"
    except (msgspec.MsgspecError, ValueError):
        problem = "`spaces up` did not say what it runs"
    raise ProgramFailed(f"{problem}; its last words:\n{last_lines(log)}")


async def _discard(stream: asyncio.StreamReader | None) -> None:
    """Read on, so that the program never waits for us."""
    while stream is not None and await stream.read(65536):
        pass
