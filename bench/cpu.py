"""CPU seconds of processes and all their descendants, from /proc."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

_TICKS = os.sysconf("SC_CLK_TCK")


class Process(NamedTuple):
    """One process. `own_s` is its CPU time, `reaped_s` that of its children that have ended."""

    pid: int
    parent: int
    command: str
    own_s: float
    reaped_s: float


def processes() -> dict[int, Process]:
    """All processes of this machine that can be seen now."""
    return {process.pid: process for process in _read_all()}


def tree_s(table: Mapping[int, Process], root: int, without: Collection[int] = ()) -> float:
    """CPU seconds of a process and its descendants, but not of the trees in `without`. 0 when there is no such process."""
    if root not in table:
        return 0.0
    below = [pid for pid, process in table.items() if process.parent == root and pid not in without]
    return table[root].own_s + table[root].reaped_s + sum(tree_s(table, pid, without) for pid in below)


def used_s(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """What each name has used between two readings, the busiest first."""
    used = {name: round(after[name] - before.get(name, 0.0), 2) for name in after}
    return dict(sorted(used.items(), key=lambda item: -item[1]))


def parse(stat: str, command: str) -> Process:
    """A process from the content of its `stat` (proc_pid_stat(5)); its name there may hold spaces and brackets."""
    pid, _, rest = stat.partition(" (")
    fields = rest.rpartition(") ")[2].split()
    own, reaped = int(fields[11]) + int(fields[12]), int(fields[13]) + int(fields[14])
    return Process(int(pid), int(fields[1]), command, own / _TICKS, reaped / _TICKS)


def _read_all() -> Iterator[Process]:
    for directory in Path("/proc").iterdir():
        if directory.name.isdecimal():
            try:
                command = (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                yield parse((directory / "stat").read_text(), command.strip())
            except (FileNotFoundError, ProcessLookupError):
                continue  # it has just ended
