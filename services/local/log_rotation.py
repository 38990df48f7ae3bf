"""Logs that do not grow for ever. Children write to their files by themselves, so a full one is copied and cut, as
logrotate's `copytruncate` does; what is written between both, some microseconds, is lost."""

import os
import shutil
from pathlib import Path

MAX_BYTES = 10 * 1024 * 1024
"""A log that is larger is put aside."""
KEPT = 4
"""How many older ones stay beside each log, as `gateway-1.log.1` (the newest) and so on."""
LOOK_S = 10.0
"""How often logs are looked at."""


def rotate(directory: Path, max_bytes: int = MAX_BYTES, kept: int = KEPT) -> list[Path]:
    """Put aside each log of the directory that is too large; these are returned. Raises OSError."""
    full = [log for log in sorted(directory.glob("*.log")) if log.stat().st_size > max_bytes]
    for log in full:
        _put_aside(log, kept)
    return full


def _put_aside(log: Path, kept: int) -> None:
    # The oldest goes first: on a full disk that makes room.
    _older(log, kept).unlink(missing_ok=True)
    new = log.with_name(f"{log.name}.new")
    copy = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with log.open("rb+") as source, os.fdopen(copy, "wb") as target:
            shutil.copyfileobj(source, target)  # to its end, also what is written meanwhile
            target.flush()
            source.truncate(0)
    except OSError:
        new.unlink(missing_ok=True)
        raise
    for number in reversed(range(1, kept)):
        if _older(log, number).exists():
            _older(log, number).rename(_older(log, number + 1))
    new.rename(_older(log, 1))


def _older(log: Path, number: int) -> Path:
    return log.with_name(f"{log.name}.{number}")
