"""Results on disk until a gateway has acknowledged them (agent protocol, rule 1): one private file per lease.

A file is replaced atomically but not synced: what it must survive is the death of the agent's processes, and for that
the kernel's cache is enough. When the machine itself loses power, the lease is lost with it and the request runs again
elsewhere; an fsync per result would cap an agent at a few hundred results a second to avoid that repetition.
"""

from __future__ import annotations

import os
from pathlib import Path

from spaces_agent import frames

WRITE_AFTER_S = 0.5
"""A result that is not acknowledged after this time is written to disk."""

_SUFFIX = ".json"
_UNFINISHED = ".part"
_CORRUPT = ".corrupt"


class Spool:
    """The directory of unacknowledged results of one agent identity. All methods raise OSError."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def put(self, result: frames.Result) -> None:
        """Keep a result; a reader sees all of it or nothing."""
        path = self._path(result.lease)
        unfinished = path.with_suffix(_UNFINISHED)
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(frames.encode(result))
        unfinished.replace(path)

    def forget(self, lease: int) -> None:
        """Drop the result of this lease, if there is one."""
        self._path(lease).unlink(missing_ok=True)

    def load(self) -> list[frames.Result]:
        """All kept results, oldest lease first. A file that holds none is set aside under another name, for a person
        to look at: one damaged file must not keep an agent from starting."""
        for leftover in self._directory.glob(f"*{_UNFINISHED}"):
            leftover.unlink(missing_ok=True)
        results = []
        for path in self._directory.glob(f"*{_SUFFIX}"):
            result = _read(path)
            if result is None:
                path.replace(path.with_suffix(_CORRUPT))
            else:
                results.append(result)
        return sorted(results, key=lambda result: result.lease)

    def _path(self, lease: int) -> Path:
        return self._directory / f"{lease}{_SUFFIX}"


class WriteBehind:
    """Spools only those results whose acknowledgement is slow to come: most are acknowledged within milliseconds, and
    a file for each would cost more than the rest of its way.

    Until a result is due its only copies are in the memories of the agent's two processes; both must die within
    WRITE_AFTER_S of each other to lose it, and then its lease is lost too and the request runs again."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._waiting: dict[int, tuple[float, frames.Result]] = {}
        self._written: set[int] = set()

    def load(self) -> list[frames.Result]:
        """What an earlier process has left in the spool. Raises OSError."""
        results = self._spool.load()
        self._written.update(result.lease for result in results)
        return results

    def add(self, result: frames.Result, now: float) -> None:
        """Write this result unless it is forgotten before it is due."""
        if result.lease not in self._written:
            self._waiting[result.lease] = (now + WRITE_AFTER_S, result)

    def forget(self, lease: int) -> None:
        """The result is acknowledged, or void. Raises OSError."""
        self._waiting.pop(lease, None)
        if lease in self._written:
            self._written.discard(lease)
            self._spool.forget(lease)

    def due_at(self) -> float | None:
        """When the next result is to be written; they come in order of time."""
        return next(iter(self._waiting.values()))[0] if self._waiting else None

    def write_due(self, now: float) -> None:
        """Write the results that are due by `now`. Raises OSError; what could not be written stays waiting."""
        for lease, (due_at, result) in list(self._waiting.items()):
            if due_at > now:
                break
            self._spool.put(result)
            self._written.add(lease)
            del self._waiting[lease]


def _read(path: Path) -> frames.Result | None:
    try:
        frame = frames.decode_agent_frame(path.read_bytes())
    except frames.BadFrame:
        return None
    return frame if isinstance(frame, frames.Result) and path.stem == str(frame.lease) else None
