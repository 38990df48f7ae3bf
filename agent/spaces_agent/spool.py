"""Results and output on disk until a gateway has acknowledged them (agent protocol, rule 1): one private file per frame.

A file is replaced atomically but not synced: what it must survive is the death of the agent's processes, and for that
the kernel's cache is enough. When the machine itself loses power, the lease is lost with it and the request runs again
elsewhere; an fsync per result would cap an agent at a few hundred results a second to avoid that repetition.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from spaces_agent import frames

WRITE_AFTER_S = 0.5
"""A frame that is not acknowledged after this time is written to disk."""

Kept = frames.Output | frames.Result

_RESULT = 0
"""Stands for the result where frames of a lease are numbered: output is numbered from 1."""
_SUFFIX = ".json"
_UNFINISHED = ".part"
_UNUSABLE = ".corrupt"


@dataclass(slots=True)
class Loaded:
    """What a process finds of an earlier one: results, oldest lease first, and the output that goes before them, in order.
    `unusable` names the files that are set aside."""

    pending: list[frames.Result] = field(default_factory=list)
    outputs: list[frames.Output] = field(default_factory=list)
    unusable: list[str] = field(default_factory=list)


class Spool:
    """The directory of unacknowledged frames of one agent identity. All methods raise OSError."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def put(self, frame: Kept) -> None:
        """Keep a frame; a reader sees all of it or nothing."""
        path = self._path(frame.lease, _index(frame))
        unfinished = path.with_suffix(_UNFINISHED)
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(frames.encode(frame))
        unfinished.replace(path)

    def forget(self, lease: int, index: int = _RESULT) -> None:
        """Drop the output of this lease with this index, else its result, if it is there."""
        self._path(lease, index).unlink(missing_ok=True)

    def load(self) -> Loaded:
        """All kept results with their output. Output without a result is removed: its handler is gone, and with it its
        lease. What cannot be used is set aside under another name, for a person to look at: one damaged file must not keep
        an agent from starting. So is a result whose output is not whole, since no gateway could ever record it."""
        for leftover in self._directory.glob(f"*{_UNFINISHED}"):
            leftover.unlink(missing_ok=True)
        loaded = Loaded()
        results, outputs, damaged = self._read_all(loaded.unusable)
        for lease, result in sorted(results.items()):
            said = outputs.get(lease, {})
            if str(lease) in damaged or not _whole(said, result.last_index):
                loaded.unusable.append(_set_aside(self._path(lease, _RESULT)))
            else:
                loaded.pending.append(result)
                loaded.outputs += (said[index] for index in sorted(outputs.pop(lease, {})))
        for lease, void in outputs.items():
            for index in void:
                self.forget(lease, index)
        return loaded

    def _read_all(
        self, unusable: list[str]
    ) -> tuple[dict[int, frames.Result], dict[int, dict[int, frames.Output]], set[str]]:
        """All results and outputs; what is neither is set aside, and its lease is damaged."""
        results: dict[int, frames.Result] = {}
        outputs: dict[int, dict[int, frames.Output]] = {}
        damaged = set()
        for path in self._directory.glob(f"*{_SUFFIX}"):
            frame = _read(path)
            if isinstance(frame, frames.Result):
                results[frame.lease] = frame
            elif isinstance(frame, frames.Output):
                outputs.setdefault(frame.lease, {})[frame.index] = frame
            else:
                damaged.add(path.stem.partition("-")[0])
                unusable.append(_set_aside(path))
        return results, outputs, damaged

    def _path(self, lease: int, index: int) -> Path:
        return self._directory / f"{_name(lease, index)}{_SUFFIX}"


class WriteBehind:
    """Spools only those frames whose acknowledgement is slow to come: most are acknowledged within milliseconds, and
    a file for each would cost more than the rest of its way. They are written in the order in which they were added, so
    that a result is on disk only together with the output before it.

    Until a frame is due its only copies are in the memories of the agent's two processes; both must die within
    WRITE_AFTER_S of each other to lose it, and then its lease is lost too and the request runs again."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._waiting: dict[tuple[int, int], tuple[float, Kept]] = {}
        """In order of time."""
        self._known: dict[int, set[int]] = {}
        """What waits or is on disk, by lease and index."""

    def load(self) -> Loaded:
        """What an earlier process has left in the spool. Raises OSError."""
        loaded = self._spool.load()
        kept: list[Kept] = [*loaded.outputs, *loaded.pending]
        for frame in kept:
            self._known.setdefault(frame.lease, set()).add(_index(frame))
        return loaded

    def add(self, frame: Kept, now: float) -> None:
        """Write this frame unless it is forgotten before it is due."""
        lease, index = frame.lease, _index(frame)
        known = self._known.setdefault(lease, set())
        if index not in known:
            known.add(index)
            self._waiting[lease, index] = (now + WRITE_AFTER_S, frame)

    def stored(self, lease: int, index: int) -> None:
        """The output of this lease is acknowledged up to this index. Raises OSError."""
        self._drop(lease, [known for known in self._known.get(lease, ()) if _RESULT < known <= index])

    def forget(self, lease: int) -> None:
        """The lease has ended. Raises OSError."""
        self._drop(lease, self._known.get(lease, ()))
        self._known.pop(lease, None)

    def due_at(self) -> float | None:
        """When the next frame is to be written; they come in order of time."""
        return next(iter(self._waiting.values()))[0] if self._waiting else None

    def write_due(self, now: float) -> None:
        """Write the frames that are due by `now`. Raises OSError; what could not be written stays waiting."""
        for key, (due_at, frame) in list(self._waiting.items()):
            if due_at > now:
                break
            self._spool.put(frame)
            del self._waiting[key]

    def _drop(self, lease: int, indexes: Iterable[int]) -> None:
        # The result first: without it the output on disk is void, but without its output it could not be used.
        for index in sorted(indexes):
            self._known[lease].discard(index)
            if self._waiting.pop((lease, index), None) is None:
                self._spool.forget(lease, index)


def _index(frame: Kept) -> int:
    return frame.index if isinstance(frame, frames.Output) else _RESULT


def _name(lease: int, index: int) -> str:
    return str(lease) if index == _RESULT else f"{lease}-{index}"


def _whole(said: dict[int, frames.Output], last_index: int) -> bool:
    """Whether nothing is missing. Acknowledgements come in order, so what is kept ends with the last."""
    return sorted(said) == list(range(last_index - len(said) + 1, last_index + 1))


def _set_aside(path: Path) -> str:
    aside = path.with_suffix(_UNUSABLE)
    path.replace(aside)
    return aside.name


def _read(path: Path) -> Kept | None:
    try:
        frame = frames.decode_agent_frame(path.read_bytes())
    except frames.BadFrame:
        return None
    if isinstance(frame, frames.Output | frames.Result) and path.stem == _name(frame.lease, _index(frame)):
        return frame
    return None
