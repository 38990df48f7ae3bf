"""Run the bare pipeline, unchanged, and read what it prints."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from bench import cpu
from bench.measured import Run
from examples.stack import ROOT, ProgramFailed, last_lines, running_program
from services.local.nats_server import find_nats_server
from services.local.ports import free_port, is_free
from services.local.postgres import PostgresServer

PORTS = (14222, 18090)
"""The ports that the bare pipeline has written into it."""

_BARE = ROOT / "bench" / "bare"
_START_TIMEOUT_S = 60.0
_LOOP_TIMEOUT_S = 60.0
_POLL_S = 0.1
_TRIES = 3
_PARTS = {"nats-server": "nats", "gw:app": "gateway", "disp.py": "dispatcher", "hist.py": "history", "agent.py": "agent"}


def why_not() -> str:
    """What is in the way of running it; empty when nothing is."""
    if shutil.which("bash") is None:
        return "the bare pipeline needs bash"
    used = [str(port) for port in PORTS if not is_free("127.0.0.1", port)]
    return f"the bare pipeline needs port {' and '.join(used)}: stop what uses it" if used else ""


async def run(directory: Path, sync: str, clients: tuple[int, ...]) -> list[Run]:
    """One round. `sync` is "always" or "default". Raises ProgramFailed."""
    for _ in range(_TRIES - 1):
        try:
            return await _fresh_run(directory, sync, clients)
        except _NotStarted:
            continue
    return await _fresh_run(directory, sync, clients)


class _NotStarted(ProgramFailed):
    """The pipeline waits fixed times while it starts; on a busy machine they are too short for a part of it."""


async def _fresh_run(directory: Path, sync: str, clients: tuple[int, ...]) -> list[Run]:
    server = PostgresServer(directory / "postgres", free_port(), "bench", directory / "postgres.log")
    await asyncio.to_thread(server.start)
    try:
        return await _run(directory, sync, clients, server)
    finally:
        await asyncio.to_thread(server.destroy)


async def _run(directory: Path, sync: str, clients: tuple[int, ...], server: PostgresServer) -> list[Run]:
    log = directory / "bare.log"
    command = ["bash", str(_BARE / "run.sh"), *map(str, clients)]
    async with running_program(command, log, environment(directory, sync, server.url), asyncio.subprocess.PIPE) as shell:
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                before = await _first_loop(shell, server.pid)
            async with asyncio.timeout(_LOOP_TIMEOUT_S * len(clients)):
                return [run async for run in _loops(shell, server.pid, sync, clients, before)]
        except (TimeoutError, ValueError) as error:
            raise ProgramFailed(f"the bare pipeline did not run; its last words:\n{last_lines(log)}") from error


async def _loops(
    shell: asyncio.subprocess.Process, postgres: int, sync: str, clients: tuple[int, ...], before: dict[str, float]
) -> AsyncIterator[Run]:
    """The loops as they end; then the pipeline ends, too. Raises ValueError when it prints something else."""
    assert shell.stdout is not None
    for count in clients:
        said = json.loads(await shell.stdout.readline())
        after = _cpu(shell.pid, postgres)
        yield Run("bare", sync, count, said["per_s"], said["p50_ms"], said["p99_ms"], cpu.used_s(before, after))
        before = after
    await shell.communicate()


async def _first_loop(shell: asyncio.subprocess.Process, postgres: int) -> dict[str, float]:
    """Wait until the first loop begins; the CPU seconds up to then. Raises _NotStarted when a part is not there then."""
    while not any(process.parent == shell.pid and "load.py" in process.command for process in cpu.processes().values()):
        if shell.returncode is not None:
            raise _NotStarted(f"the bare pipeline ended with status {shell.returncode}")
        await asyncio.sleep(_POLL_S)
    seconds = _cpu(shell.pid, postgres)
    if missing := set(_PARTS.values()) - set(seconds):
        raise _NotStarted(f"of the bare pipeline did not start: {', '.join(sorted(missing))}")
    return seconds


def environment(directory: Path, sync: str, database_url: str) -> dict[str, str]:
    """What it needs to be told: our programs, our PostgreSQL, and where its files go."""
    programs = [str(Path(sys.executable).parent), str(find_nats_server().parent), os.environ.get("PATH", os.defpath)]
    substitute = str(ROOT / "bench" / "substitute")
    return {
        "PATH": os.pathsep.join(programs),
        "PYTHONPATH": substitute,
        "BENCH_DATABASE_URL": database_url,
        "TMPDIR": str(directory),
        "SYNC": "always" if sync == "always" else "",
    }


def _cpu(shell: int, postgres: int) -> dict[str, float]:
    """CPU seconds by part. What is left of the shell's processes is, above all, the clients."""
    table = cpu.processes()
    parts = {
        part: process.pid
        for process in table.values()
        for mark, part in _PARTS.items()
        if process.parent == shell and mark in process.command
    }
    seconds = {part: cpu.tree_s(table, pid) for part, pid in parts.items()}
    clients = cpu.tree_s(table, shell, without=parts.values())
    return seconds | {"postgres": cpu.tree_s(table, postgres), "clients": clients}
