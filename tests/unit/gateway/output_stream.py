"""A request's subject in the stream OUTPUT as the server keeps it, and recordings that append to it."""

import msgspec

from services.contracts.output import OutputRecord, Progress
from services.gateway.pieces import Piece
from services.gateway.recording import AppendRecord, Last, ReadLast, Recording
from tests.unit.gateway.agent_session import RID


def text(index: int) -> Piece:
    """A piece of text that names its index."""
    data = b'"%d"' % index
    return Piece(index, "chunk", msgspec.Raw(data), len(data))


def progress(index: int, fraction: float) -> Piece:
    said = Progress(fraction=fraction)
    data = msgspec.json.encode(said)
    return Piece(index, "progress", msgspec.Raw(data), len(data), said)


def record(index: int, lease: int = 5, progress: Progress | None = None) -> OutputRecord:
    data = msgspec.Raw(b'"%d"' % index)
    return OutputRecord(rid=RID, attempt=1, lease=lease, index=index, kind="chunk", data=data, progress=progress)


class Subject:
    """All records of one request, each with its sequence; other requests' records stand between them."""

    def __init__(self, *records: OutputRecord) -> None:
        self._seq = 100
        self.stored: list[tuple[int, OutputRecord]] = []
        for stored in records:
            self.put(stored)

    def put(self, stored: OutputRecord) -> int:
        self._seq += 2
        self.stored.append((self._seq, stored))
        return self._seq

    def append(self, step: AppendRecord) -> int | None:
        """What the server does: the sequence, or None when another record is the last one."""
        if step.expected != (self.stored[-1][0] if self.stored else 0):
            return None
        return self.put(step.record)

    def last(self) -> Last | None:
        return Last(*self.stored[-1]) if self.stored else None

    def age_out(self) -> None:
        self.stored.clear()

    def indexes(self, lease: int = 5) -> list[int]:
        return [stored.index for _, stored in self.stored if stored.lease == lease]


def take(recording: Recording, subject: Subject) -> None:
    """Take the next step, whose answer arrives."""
    step = recording.next_step()
    assert step is not None
    if isinstance(step, ReadLast):
        recording.read(subject.last())
    elif (seq := subject.append(step)) is None:
        recording.undecided()
    else:
        recording.appended(step.record, seq)


def finish(recording: Recording, subject: Subject) -> None:
    """Take steps until nothing waits; there may be only so many."""
    for _ in range(50):
        if recording.next_step() is None:
            return
        take(recording, subject)
    raise AssertionError("it goes on for ever")


def recording(*pieces: int, lease: int = 5) -> Recording:
    """A lease that was delivered here, with pieces that wait."""
    here = Recording(RID, 1, lease)
    for index in pieces:
        assert here.offer(text(index)) == "taken"
    return here


def adopted(last: Last | None, *pieces: int) -> Recording:
    """A lease that came from elsewhere."""
    here = Recording(RID, 1, 5)
    here.adopt(last)
    for index in pieces:
        assert here.offer(text(index)) == "taken"
    return here
