"""PURE: how far a stream is recorded, and whether it still is the one that the log was recorded from."""

from typing import NamedTuple


class Position(NamedTuple):
    """How far a stream is recorded: everything of `epoch` from `first_seq` to `seq`."""

    epoch: int
    first_seq: int
    seq: int


class Stamp(NamedTuple):
    """What tells one message from another at the same sequence: its timestamp (ns since 1970) and subject."""

    at: int
    subject: str


MILESTONES = (100, 1_000, 10_000, 100_000)


def passes_milestone(before: Position, after: Position) -> bool:
    """Whether a young log has grown by about ten times since it last passed a milestone."""
    recorded = before.seq - before.first_seq + 1, after.seq - after.first_seq + 1
    return any(recorded[0] < milestone <= recorded[1] for milestone in MILESTONES)


def contradiction(position: Position, epoch: int, last_seq: int, recorded: Stamp | None, stored: Stamp | None) -> str | None:
    """Why the stream (in `epoch`, ending at `last_seq`) cannot be the one recorded; None when it can. `recorded` and
    `stored` are what log and stream hold at the position; None when there is nothing (yet, or any more)."""
    if epoch != position.epoch:
        return f"the stream is in epoch {epoch}, the log in epoch {position.epoch}"
    if last_seq < position.seq:
        return f"the stream ends at {last_seq}, the log at {position.seq}"
    if recorded is not None and stored is not None and recorded != stored:
        return f"at {position.seq} the stream holds {stored.subject}, the log {recorded.subject} of another instant"
    return None
