"""What handlers write down about themselves, one line each, in a file that outlives their process. The clock is read past
whatever a test has done to `time.time`."""

import os
import time
from pathlib import Path

import msgspec

from tests.faults.suite.observed import Run

ENVIRONMENT = "TEST_JOURNAL"
"""The variable that names the file."""


class Line(msgspec.Struct, frozen=True):
    """A handler has started, or ended."""

    at: int
    agent: str
    pid: int
    rid: str
    attempt: int
    ended: bool


_decoder = msgspec.json.Decoder(Line)


def now_ns() -> int:
    """Nanoseconds since 1970 by the machine's clock."""
    return time.clock_gettime_ns(time.CLOCK_REALTIME)


def write(agent: str, rid: str, attempt: int, *, ended: bool) -> None:
    """Add a line, whole or not at all."""
    line = msgspec.json.encode(Line(now_ns(), agent, os.getpid(), rid, attempt, ended)) + b"\n"
    descriptor = os.open(os.environ[ENVIRONMENT], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(descriptor, line)
    finally:
        os.close(descriptor)


def read(path: Path) -> list[Run]:
    """The runs that a journal tells of, in the order of their starts."""
    runs: list[Run] = []
    open_runs: dict[tuple[int, str, int], Run] = {}
    for text in path.read_bytes().splitlines() if path.exists() else ():
        line = _decoder.decode(text)
        about = (line.pid, line.rid, line.attempt)
        if line.ended:
            open_runs.pop(about).ended = line.at
        else:
            runs.append(Run(line.agent, line.pid, line.rid, line.attempt, line.at))
            open_runs[about] = runs[-1]
    return runs
