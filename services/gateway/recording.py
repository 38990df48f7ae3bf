"""How much of one lease's output is stored, and what to do next for the rest. Pure.

Records are appended one by one, each expecting the sequence of the last record on the request's subject: whatever another
gateway has stored meanwhile, and a duplicate that was delayed, shows as a refusal. When an append was refused or nothing was
heard of it, the last record, read from the stream's leader, says what is stored."""

from collections import deque
from dataclasses import dataclass
from typing import Literal

from services.contracts.output import OutputRecord, Progress
from services.gateway.pieces import Piece
from spaces_agent.frames import MAX_FRAME_BYTES, OUTPUT_WINDOW, OUTPUT_WINDOW_BYTES

MAX_WAITING = 8 * OUTPUT_WINDOW
"""Pieces of one lease that may wait to be stored: the window, and what is left when a handler ends. That is bounded in
bytes, and any two moments of gathering in a row fill more than a frame, each with three pieces at most."""
MAX_WAITING_BYTES = OUTPUT_WINDOW_BYTES + MAX_FRAME_BYTES
"""A handler that yields waits before; log and progress do not."""


@dataclass(frozen=True, slots=True)
class Last:
    """The last record on a request's subject, at its sequence. None for a record that cannot be decoded: all that is known
    then is what to append after."""

    seq: int
    record: OutputRecord | None


@dataclass(frozen=True, slots=True)
class AppendRecord:
    """Append this record, expecting that the last one on its subject is at this sequence (0: there is none)."""

    expected: int
    record: OutputRecord


@dataclass(frozen=True, slots=True)
class ReadLast:
    """Read the last record from the stream's leader."""


Step = AppendRecord | ReadLast
Offer = Literal["taken", "known", "stored", "too_much"]


class Recording:
    """The output of one lease. `stored` is the index up to which it is stored."""

    def __init__(self, rid: str, attempt: int, lease: int) -> None:
        self.stored = 0
        self._rid, self._attempt, self._lease = rid, attempt, lease
        self._waiting: deque[Piece] = deque()
        self._waiting_bytes = 0
        self._seq = 0
        self._sure = True  # whether the last record is taken to be at _seq
        self._progress: Progress | None = None
        self._start_unknown = self._complete = self._ended = self._gap = False

    # What comes from the agent

    def adopt(self, last: Last | None) -> None:
        """The agent has brought the lease along, from wherever it was; this is the last record of the request. What is
        known here may be newer."""
        self._gap = False
        if last is None or last.record is None:
            # Older records have aged out, while the agent has forgotten them: whatever it sends first goes on from there.
            self._start_unknown = True
        if last is not None:
            self._see(last)

    def offer(self, piece: Piece) -> Offer:
        """A piece has come: it is taken and waits to be stored, or it is known and waits already (or nobody wants it), or it
        is stored; or there is too much that waits."""
        if piece.index <= self.stored:
            return "stored"
        if self._ended or (self._waiting and piece.index <= self._waiting[-1].index):
            return "known"
        if len(self._waiting) >= MAX_WAITING or self._waiting_bytes + piece.size > MAX_WAITING_BYTES:
            return "too_much"
        self._waiting.append(piece)
        self._waiting_bytes += piece.size
        return "taken"

    def complete(self) -> None:
        """The result has come: a piece that is missing will not come any more."""
        self._complete = True

    @property
    def is_complete(self) -> bool:
        """Whether the result has come."""
        return self._complete

    def end(self) -> None:
        """Nobody wants the rest: the lease is void or over; or it cannot be stored."""
        self._ended = True
        self._drop()

    # What is to be done

    def settled(self, last_index: int) -> bool:
        """Whether an outcome after this index need not wait."""
        return not self._waiting or self.stored >= last_index

    def take_gap(self) -> bool:
        """Whether pieces have been dropped because one before them is missing; told once."""
        gap, self._gap = self._gap, False
        return gap

    def next_step(self) -> Step | None:
        """What to do now; None when nothing waits."""
        if not self._waiting:
            return None
        piece = self._waiting[0]
        if not self._sure or piece.index != self.stored + 1:
            return ReadLast()
        record = OutputRecord(
            rid=self._rid,
            attempt=self._attempt,
            lease=self._lease,
            index=piece.index,
            kind=piece.kind,
            data=piece.data,
            progress=piece.progress or self._progress,
        )
        return AppendRecord(self._seq, record)

    def appended(self, record: OutputRecord, seq: int) -> None:
        """The record is stored at this sequence."""
        if record.index <= self.stored:
            return
        self.stored, self._seq, self._progress = record.index, seq, record.progress
        self._start_unknown = False
        while self._waiting and self._waiting[0].index <= self.stored:
            self._waiting_bytes -= self._waiting.popleft().size

    def undecided(self) -> None:
        """The append was refused, or nothing was heard of it."""
        self._sure = False

    def read(self, last: Last | None) -> None:
        """The answer to ReadLast; None: there is no record (any more)."""
        self._sure = True
        if last is None:
            self._seq = 0
        else:
            self._seq = last.seq
            self._see(last)
        if not self._waiting or self._waiting[0].index == self.stored + 1:
            return
        if self._start_unknown or self._complete:
            self.stored = self._waiting[0].index - 1
        else:
            self._gap = True
            self._drop()

    # Steps shared by the above

    def _see(self, last: Last) -> None:
        record = last.record
        if record is None or record.lease < self._lease:
            self._seq = max(self._seq, last.seq)
        elif record.lease > self._lease:
            self.end()
        else:
            self.appended(record, last.seq)

    def _drop(self) -> None:
        self._waiting.clear()
        self._waiting_bytes = 0
