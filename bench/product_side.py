"""Run the product with an agent that does nothing, and load it."""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from pathlib import Path

from bench import cpu
from bench.measured import Run
from examples.stack import ROOT, ProgramFailed, Stack, last_lines, running_program, running_stack, wait_for_agent

SLOTS = 64
_SPARE_S = 90.0


async def run(directory: Path, sync: str, clients: tuple[int, ...], seconds: float) -> list[Run]:
    """One round: a fresh stack, one agent, one loop after the other. `sync` is "always" or "default". Raises
    ProgramFailed."""
    log = directory / "agent.log"
    async with running_stack(directory, "--nats-sync", sync) as (stack, up):
        command = agent_command(stack, directory, "bench.noop:handle")
        async with running_program(command, log, {"WS_AGENT_KEY": stack.agent_key}) as agent:
            await wait_for_agent(stack, log)
            return [await _loop(stack, directory, sync, count, seconds, up, agent.pid) for count in clients]


def agent_command(stack: Stack, directory: Path, handler: str) -> list[str]:
    """The command of an agent that serves the stack's space with this handler (`module:function`)."""
    state = ["--state-dir", str(directory / "agent")]
    served = ["--url", stack.url, "--space", stack.space, "--slots", str(SLOTS), "--engine", f"python:{handler}"]
    return [sys.executable, "-m", "spaces_agent", "run", *served, *state]


async def _loop(stack: Stack, directory: Path, sync: str, clients: int, seconds: float, up: int, agent: int) -> Run:
    log = directory / "load.log"
    command = [sys.executable, str(ROOT / "bench" / "load.py"), stack.url, stack.space, str(clients), str(seconds)]
    before = _cpu(stack, up, agent)
    async with running_program(command, log, {"BENCH_API_KEY": stack.api_key}, asyncio.subprocess.PIPE) as load:
        line, _ = await asyncio.wait_for(load.communicate(), seconds + _SPARE_S)
        if load.returncode:
            raise ProgramFailed(f"the load on the product failed:\n{last_lines(log)}")
    said = json.loads(line)
    used = cpu.used_s(before, _cpu(stack, up, agent))
    return Run("product", sync, clients, said["per_s"], said["p50_ms"], said["p99_ms"], used)


def _cpu(stack: Stack, up: int, agent: int) -> dict[str, float]:
    """CPU seconds by service. What we have waited for ourselves is, above all, the clients."""
    table = cpu.processes()
    services = {**stack.pids, "agent": [agent]}
    named = {pid for pids in services.values() for pid in pids}
    seconds = {name: sum(cpu.tree_s(table, pid) for pid in pids) for name, pids in services.items()}
    waited_for = resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds | {"up": cpu.tree_s(table, up, without=named), "clients": waited_for.ru_utime + waited_for.ru_stime}
