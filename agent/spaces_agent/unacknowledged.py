"""What no gateway has acknowledged yet, as frames that are sent again. Pure."""

from __future__ import annotations

from collections import deque

from spaces_agent import frames


class Unacknowledged:
    """The encoded output frames of each lease that are not stored, and the encoded results."""

    def __init__(self) -> None:
        self._results: dict[int, bytes] = {}
        self._outputs: dict[int, deque[tuple[int, bytes]]] = {}

    @property
    def results(self) -> list[bytes]:
        """All results."""
        return list(self._results.values())

    @property
    def outputs(self) -> list[bytes]:
        """All output, that of each lease in order."""
        return [frame for kept in self._outputs.values() for _, frame in kept]

    def output(self, output: frames.Output) -> bytes:
        """Keep an output frame; its bytes."""
        frame = frames.encode(output)
        self._outputs.setdefault(output.lease, deque()).append((output.index, frame))
        return frame

    def result(self, result: frames.Result) -> bytes:
        """Keep a result; its bytes."""
        frame = self._results[result.lease] = frames.encode(result)
        return frame

    def stored(self, lease: int, index: int) -> None:
        """The output of this lease up to this index is stored."""
        kept = self._outputs.get(lease, deque())
        while kept and kept[0][0] <= index:
            kept.popleft()

    def forget(self, lease: int) -> None:
        """The lease has ended: its result is decided, or void, and its output with it."""
        self._results.pop(lease, None)
        self._outputs.pop(lease, None)
