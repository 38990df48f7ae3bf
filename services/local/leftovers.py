"""What a stack that was killed has left running: found by its home directory, and ended."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from services.local.child import runs_with
from services.local.home import Home
from services.local.nats_server import NatsServer
from services.local.postgres import PostgresServer

_POLL_S = 0.02
_KILLED_TIMEOUT_S = 10.0


def marker(home: Home) -> str:
    """An argument that each of our own programs of this home is started with (as Python's `-X`), and nobody else."""
    return f"spaces_home={home.path}"


def nats_directories(home: Home) -> list[Path]:
    """Where a single NATS server keeps its data, and then, where each of three does."""
    return [home.path / "nats", *(home.path / "nats" / str(number) for number in (1, 2, 3))]


def end_leftovers(home: Home) -> None:
    """End everything of this home that runs, and return when it has ended. Programs of ours are killed: an accepted
    request survives that. The servers are stopped."""
    mark = marker(home)
    killed = [pid for pid in _processes() if runs_with(pid, mark)]
    for pid in killed:
        # Each has a process group of its own, where its own children are too.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
    log = home.path / "logs" / "none"
    for directory in nats_directories(home):
        NatsServer(directory, 0, {}, log).stop_leftover()
    PostgresServer(home.path / "postgres", 0, "", log).stop_leftover()
    deadline = time.monotonic() + _KILLED_TIMEOUT_S
    while any(runs_with(pid, mark) for pid in killed) and time.monotonic() < deadline:
        time.sleep(_POLL_S)


def _processes() -> Iterator[int]:
    """The ids of all processes that we can see."""
    proc = Path("/proc")
    if (proc / "self").exists():
        yield from (int(entry.name) for entry in proc.iterdir() if entry.name.isdigit())
        return
    shown = subprocess.run(["ps", "-ax", "-o", "pid="], capture_output=True, text=True, check=False)
    yield from (int(pid) for pid in shown.stdout.split())
