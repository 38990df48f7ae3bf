"""Who an agent is across restarts (agent protocol, rule 8).

The state directory holds one sub-directory per agent that runs on this machine at the same time. The first one that
nobody has locked is taken, so that an agent which starts again finds its identity and its unacknowledged results."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from spaces_agent.errors import ConfigError
from spaces_agent.frames import IDENTITY_PATTERN

_MOST_AGENTS = 4096
_IDENTITY = re.compile(IDENTITY_PATTERN)


def default_state_dir(environ: Mapping[str, str]) -> Path:
    """Where agents keep their state by default (XDG Base Directory Specification)."""
    base = environ.get("XDG_STATE_HOME", "")
    # The specification says that a relative path is invalid and to be ignored.
    return (Path(base) if os.path.isabs(base) else Path.home() / ".local" / "state") / "spaces-agent"


def new_boot_id() -> str:
    """A name for this start of the process, never used again."""
    return f"boot-{secrets.token_hex(8)}"


class Identity:
    """An identity that this process holds, by a lock that ends with the process."""

    def __init__(self, agent_id: str, directory: Path, lock: int) -> None:
        self.agent_id = agent_id
        self.directory = directory
        self._lock = lock

    @property
    def spool_directory(self) -> Path:
        """Where the results of this identity wait for their acknowledgement."""
        return self.directory / "spool"

    @property
    def files_directory(self) -> Path:
        """Where temporary files are. Whoever holds the identity may remove what is in it: it is of processes that ended."""
        return self.directory / "files"

    def release(self) -> None:
        """Let another process take this identity."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> Identity:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.release()


def acquire(state_dir: Path, name: str | None = None) -> Identity:
    """Take the identity `name`, or else the first random one in `state_dir` that nobody holds.

    Raises ConfigError: the name is not allowed or held by another agent, or the directory cannot be used."""
    if name is not None and not _IDENTITY.fullmatch(name):
        raise ConfigError(
            f"{name!r} is no name for an agent: use 1 to 63 lower-case letters, digits, '.', '_' and '-',"
            " beginning with a letter or digit"
        )
    try:
        return _named(state_dir, name) if name is not None else _random(state_dir)
    except OSError as error:
        raise ConfigError(f"the state directory {state_dir} cannot be used: {error.strerror or error}") from error


def _named(state_dir: Path, name: str) -> Identity:
    directory = state_dir / "named" / name
    lock = _try_lock(directory)
    if lock is None:
        raise ConfigError(f"an agent named {name!r} is already running with the state directory {state_dir}")
    return Identity(name, directory, lock)


def _random(state_dir: Path) -> Identity:
    for number in range(_MOST_AGENTS):
        directory = state_dir / "unnamed" / str(number)
        lock = _try_lock(directory)
        if lock is not None:
            return Identity(_stored_identity(directory), directory, lock)
    raise ConfigError(f"{_MOST_AGENTS} agents are already running with the state directory {state_dir}")


def _try_lock(directory: Path) -> int | None:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    except OSError:
        os.close(lock)
        raise
    return lock


def _stored_identity(directory: Path) -> str:
    """The identity kept in this locked directory; a new one when there is none or it is damaged."""
    path = directory / "agent_id"
    try:
        stored = path.read_text(encoding="utf-8").strip()
    except (FileNotFoundError, UnicodeDecodeError):
        stored = ""
    if _IDENTITY.fullmatch(stored):
        return stored
    fresh = f"agent-{secrets.token_hex(8)}"
    unfinished = path.with_suffix(".part")
    unfinished.write_text(fresh + "\n", encoding="utf-8")
    unfinished.replace(path)
    return fresh
