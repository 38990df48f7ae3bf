"""What a handler says before its result, and how it becomes `output` frames. Pure: the time is an argument.

A text continues the text before it. So what a generator yields is joined: the output is the list of what it yielded with
adjacent texts made one, and when that is a single text, it is that text. Chunks are JSON from here on; one that begins
with a quotation mark is a text."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable

import msgspec

from spaces_agent import frames, outcome
from spaces_agent.handler_log import Lines

MAX_PROGRESS_MESSAGE = 1000
"""The longest message of a progress, in characters; more is cut off."""
_FULL_BYTES = frames.MAX_INLINE_BYTES
"""So much is gathered for one frame, unless a single value is larger."""

_NEVER = -math.inf


class Joined:
    """All that a generator has yielded, joined."""

    def __init__(self) -> None:
        self._values = bytearray()
        self._count = 0
        self._ends_in_text = False

    def add(self, chunk: bytes, max_bytes: int) -> None:
        """Add a chunk. Raises outcome.BadOutput when the output gets more than `max_bytes`."""
        text = _is_text(chunk)
        if text and self._ends_in_text:
            _continue(self._values, chunk)
        else:
            _list(self._values, chunk)
            self._count += 1
        self._ends_in_text = text
        if len(self._values) + self._brackets() > max_bytes:
            raise outcome.too_large(f"more than {max_bytes}", max_bytes)

    def output(self) -> bytes:
        """The output, as JSON."""
        return b"[" + self._values + b"]" if self._brackets() else bytes(self._values)

    def _brackets(self) -> int:
        return 0 if self._ends_in_text and self._count == 1 else 2


class OutputBuffer:
    """Gathers what one run says and cuts it into frames: the first at once, then at most one in OUTPUT_INTERVAL_S on
    average but for full ones, and no more than `window` that are not acknowledged. A cut that makes several frames is
    followed by as many intervals without one. The first chunk does not wait for progress or log that went before it."""

    def __init__(self, work: frames.RequestFrame, window: int) -> None:
        self.window = window
        self.last_index = 0
        self._work = work
        self._sent: deque[tuple[int, int]] = deque()  # index and bytes of what is not acknowledged
        self._sent_bytes = 0
        self._full: deque[bytes] = deque()
        self._full_bytes = 0
        self._next_at = _NEVER
        self._said_text = False
        self._said_chunk = False
        # What waits: a text, then values, then a text again. Texts among the values have their place in that frame, so
        # that three frames are enough for whatever was gathered; at its ends there is none, so that no text of a list
        # continues one of another frame.
        self._text = bytearray()
        self._values = bytearray()
        self._text_after = bytearray()
        self._progress = b""
        self._log = Lines()

    def has_room(self, size: int, queued: int) -> bool:
        """Whether the generator may yield so many bytes more when so many are about to be added. What waits to be stored is
        bounded by that: one that gets ahead of the gateway waits for it. To be asked from any thread."""
        unstored = queued + self._sent_bytes + self._full_bytes + self._gathered_bytes()
        return not unstored or unstored + size <= frames.OUTPUT_WINDOW_BYTES

    def add_chunk(self, chunk: bytes) -> None:
        """Something that the generator yielded, as JSON."""
        text = _is_text(chunk)
        if text and self._said_text and chunk == b'""':
            return  # continues a text by nothing
        if self._gathered_bytes() + len(chunk) > _FULL_BYTES:
            self._fill()
        if not text:
            if self._text_after:
                _list(self._values, bytes(self._text_after))
                self._text_after.clear()
            _list(self._values, chunk)
        else:
            _continue(self._text_after if self._values else self._text, chunk)
        self._said_text = text

    def set_progress(self, progress: bytes) -> None:
        """How far the handler is, made by `progress`. Only the latest is sent."""
        self._progress = progress

    def log(self, lines: Iterable[str]) -> None:
        """Lines of log, made by `handler_log.lines_of`."""
        for line in lines:
            self._log.add(line)

    def log_tail(self) -> str:
        """The end of all the log."""
        return "\n".join(self._log.tail)

    def acknowledged(self, index: int) -> None:
        """All frames up to this index are stored."""
        while self._sent and self._sent[0][0] <= index:
            self._sent_bytes -= self._sent.popleft()[1]

    def due_at(self) -> float | None:
        """When `cut` gives something; None when there is nothing to send, or no room in the window."""
        waits = self._full or self._text or self._values or self._progress or self._log.waiting
        if not waits or not self._room():
            return None
        if self._full:
            return _NEVER
        first_chunk = not self._said_chunk and (self._text or self._values)
        return _NEVER if first_chunk else self._next_at

    def cut(self, now: float, everything: bool = False) -> list[frames.Output]:
        """The frames to send now. `everything`: all that is left, since the run has ended."""
        cut: list[frames.Output] = []
        while self._full and (everything or self._room()):
            cut.append(self._frame("chunk", self._take_full()))
        due_at = self.due_at()
        if not everything and (due_at is None or due_at > now):
            return cut
        full = len(cut)
        while (everything or self._room()) and (part := self._take()) is not None:
            cut.append(self._frame(*part))
        self._next_at = max(self._next_at, now) + (len(cut) - full) * frames.OUTPUT_INTERVAL_S
        return cut

    def _room(self) -> bool:
        return len(self._sent) < self.window and self._sent_bytes < frames.OUTPUT_WINDOW_BYTES

    def _gathered_bytes(self) -> int:
        return len(self._text) + len(self._values) + len(self._text_after)

    def _fill(self) -> None:
        """What is gathered goes into frames of its own, as it is."""
        values = _emptied(self._values)
        for data in filter(None, (_emptied(self._text), values and b"[%b]" % values, _emptied(self._text_after))):
            self._full_bytes += len(data)
            self._full.append(data)

    def _take_full(self) -> bytes:
        self._said_chunk = True
        data = self._full.popleft()
        self._full_bytes -= len(data)
        return data

    def _take(self) -> tuple[frames.OutputKind, bytes] | None:
        """What goes into the next frame."""
        if self._text:
            self._said_chunk = True
            return "chunk", _emptied(self._text)
        if self._values:
            self._said_chunk = True
            self._text, self._text_after = self._text_after, self._text
            return "chunk", b"[%b]" % _emptied(self._values)
        if self._progress:
            progress, self._progress = self._progress, b""
            return "progress", progress
        if self._log.waiting:
            return "log", self._log.take()
        return None

    def _frame(self, kind: frames.OutputKind, data: bytes) -> frames.Output:
        self.last_index += 1
        self._sent.append((self.last_index, len(data)))
        self._sent_bytes += len(data)
        work = self._work
        return frames.Output(
            request_id=work.request_id,
            attempt=work.attempt,
            lease=work.lease,
            index=self.last_index,
            kind=kind,
            data=msgspec.Raw(data),
        )


def progress(fraction: float, message: str) -> bytes:
    """A progress as JSON. Raises ValueError when the fraction is not within 0 and 1."""
    try:
        done = float(fraction)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"a progress is a number from 0 to 1, not {type(fraction).__name__}") from None
    if not 0.0 <= done <= 1.0:
        raise ValueError(f"a progress is a number from 0 to 1, not {done}")
    return msgspec.json.encode({"fraction": done, "message": outcome.clean(str(message))[:MAX_PROGRESS_MESSAGE]})


def _is_text(chunk: bytes) -> bool:
    return chunk.startswith(b'"')


def _continue(text: bytearray, chunk: bytes) -> None:
    """Add a text to the one that ends here: JSON strings are joined by leaving out the quotation marks between them."""
    if text:
        text[-1:] = chunk[1:]
    else:
        text += chunk


def _list(values: bytearray, chunk: bytes) -> None:
    if values:
        values += b","
    values += chunk


def _emptied(text: bytearray) -> bytes:
    content = bytes(text)
    text.clear()
    return content
