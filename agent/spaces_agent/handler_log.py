"""What a handler logs: lines that wait to be sent, and the end of it all. Pure."""

from __future__ import annotations

from collections import deque

import msgspec

from spaces_agent import frames, outcome

TAIL_CHARACTERS = 16 * 1024
"""So much of the log's end goes with the result."""
_WAITING_BYTES = 64 * 1024
"""So much log may wait to be sent; beyond it the oldest lines are left out."""


class Lines:
    """The lines of a log that wait to be sent, and its end."""

    def __init__(self) -> None:
        self.waiting: deque[bytes] = deque()
        self.tail: deque[str] = deque()
        self._waiting_bytes = 0
        self._tail_characters = 0
        self._left_out = 0

    def add(self, line: str) -> None:
        encoded = msgspec.json.encode(line)
        self.waiting.append(encoded)
        self._waiting_bytes += len(encoded) + 1
        while self._waiting_bytes > _WAITING_BYTES and len(self.waiting) > 1:
            self._waiting_bytes -= len(self.waiting.popleft()) + 1
            self._left_out += 1
        self.tail.append(line)
        self._tail_characters += len(line) + 1
        while self._tail_characters > TAIL_CHARACTERS + 1:
            self._tail_characters -= len(self.tail.popleft()) + 1

    def take(self) -> bytes:
        """The waiting lines, as JSON."""
        if self._left_out:
            self.waiting.appendleft(msgspec.json.encode(f"… {self._left_out} lines were left out here"))
            self._left_out = 0
        lines = b"[%b]" % b",".join(self.waiting)
        self.waiting.clear()
        self._waiting_bytes = 0
        return lines


def lines_of(text: str) -> list[str]:
    """The lines of a text to log; a long one is cut off."""
    return [_shortened(line) for line in outcome.clean(str(text)).removesuffix("\n").split("\n")]


def _shortened(line: str) -> str:
    return line if len(line) <= frames.MAX_LOG_LINE else line[: frames.MAX_LOG_LINE - 1] + "…"
