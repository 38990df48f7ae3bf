"""`make bench-footprint`: memory and processors that each service takes, idle, with many agents connected, and under load.

The requests and limits of deploy/k8s come from it. Memory is what is the process's own, with its part of what it shares
(PSS), at the end of each phase, and its peak (VmHWM); processors are an average over the phase.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import click

from bench import cpu
from bench.product_side import agent_command
from examples.stack import (
    ROOT,
    ProgramFailed,
    Stack,
    last_lines,
    open_directory,
    running_program,
    running_stack,
    wait_for_agent,
)
from services.local.errors import LocalError

CLIENTS = 50
_IDLE_S = 10.0
_JOIN_S = 120.0
_SPARE_S = 90.0


@dataclass(frozen=True, slots=True)
class Reading:
    """One service in one phase: MiB at its end, at its peak until then, and processors."""

    phase: str
    service: str
    mib: float
    peak_mib: float
    processors: float


@click.command()
@click.option("--agents", default=500, show_default=True, help="How many agents are connected, besides the one that works.")
@click.option("--seconds", default=20.0, show_default=True, help="How long the load goes on.")
def main(agents: int, seconds: float) -> None:
    """Measure what each service takes of memory and processors."""
    try:
        readings = asyncio.run(_measure(agents, seconds))
    except (ProgramFailed, LocalError) as error:
        print(f"bench: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    click.echo(f"{'phase':<28}{'service':<12}{'MiB':>8}{'peak':>8}{'processors':>12}")
    for each in readings:
        click.echo(f"{each.phase:<28}{each.service:<12}{each.mib:>8.0f}{each.peak_mib:>8.0f}{each.processors:>12.2f}")


async def _measure(agents: int, seconds: float) -> list[Reading]:
    readings: list[Reading] = []
    async with open_directory("spaces-bench-") as directory, running_stack(directory) as (stack, _):
        meter = _Meter(stack)
        await asyncio.sleep(_IDLE_S)
        readings += meter.read("idle")
        key = {"WS_AGENT_KEY": stack.agent_key}
        command = [sys.executable, str(ROOT / "bench" / "idle_agents.py"), stack.url, stack.space, str(agents)]
        log = directory / "idle_agents.log"
        async with running_program(command, log, key, asyncio.subprocess.PIPE) as idle:
            assert idle.stdout is not None
            if await asyncio.wait_for(idle.stdout.readline(), _JOIN_S) != b"joined\n":
                raise ProgramFailed(f"the idle agents did not join:\n{last_lines(log)}")
            meter.begin()
            await asyncio.sleep(_IDLE_S)
            readings += meter.read(f"{agents} agents")
            async with running_program(
                agent_command(stack, directory, "bench.noop:handle"), directory / "agent.log", key
            ) as agent:
                await wait_for_agent(stack, directory / "agent.log")
                meter.pids["agent"] = [agent.pid]
                meter.begin()
                per_s = await _load(stack, directory, seconds)
                readings += meter.read(f"{per_s:.0f} requests/s")
    return readings


async def _load(stack: Stack, directory: Path, seconds: float) -> float:
    log = directory / "load.log"
    command = [sys.executable, str(ROOT / "bench" / "load.py"), stack.url, stack.space, str(CLIENTS), str(seconds)]
    async with running_program(command, log, {"BENCH_API_KEY": stack.api_key}, asyncio.subprocess.PIPE) as load:
        line, _ = await asyncio.wait_for(load.communicate(), seconds + _SPARE_S)
        if load.returncode:
            raise ProgramFailed(f"the load failed:\n{last_lines(log)}")
    return float(json.loads(line)["per_s"])


class _Meter:
    """Reads what the processes of a stack take."""

    def __init__(self, stack: Stack) -> None:
        self.pids = {name: list(pids) for name, pids in stack.pids.items()}
        self.begin()

    def begin(self) -> None:
        """Let processors be counted from now on."""
        self._began, self._before = time.monotonic(), self._seconds()

    def read(self, phase: str) -> list[Reading]:
        """All services now."""
        took, after = time.monotonic() - self._began, self._seconds()
        table = cpu.processes()
        return [
            Reading(
                phase,
                name,
                sum(_mib(pid, "smaps_rollup", "Pss") for pid in _trees(table, pids)),
                sum(_mib(pid, "status", "VmHWM") for pid in pids),
                (after[name] - self._before.get(name, 0.0)) / took,
            )
            for name, pids in self.pids.items()
        ]

    def _seconds(self) -> dict[str, float]:
        table = cpu.processes()
        return {name: sum(cpu.tree_s(table, pid) for pid in pids) for name, pids in self.pids.items()}


def _trees(table: dict[int, cpu.Process], roots: Iterable[int]) -> list[int]:
    found = [pid for pid in roots if pid in table]
    for root in list(found):
        found += _trees(table, [pid for pid, process in table.items() if process.parent == root])
    return found


def _mib(pid: int, file: str, field: str) -> float:
    try:
        lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0  # it has just ended
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{field}:")), 0.0)


if __name__ == "__main__":
    main(prog_name="bench.footprint")
