"""Epochs: when streams have lost their data, recovery makes them anew in the next epoch. Sequences grow over all epochs, so
none ever means two things."""

MARGIN = 1_000_000_000
"""A stream that the log records begins so far after the last sequence that is known: what was lost unrecorded has used up
some more, and a lease of the former epoch must never be one of the new. Nobody who follows a stream ever falls behind so
far, so this much tells that it was made anew."""
SPAN = 1_000 * MARGIN
"""What nobody records, buckets among it, begins at the epoch's multiple of this."""


def first_sequence(last_known: int) -> int:
    """Where a recorded stream begins in its new epoch."""
    return last_known + MARGIN


def first_revision(epoch: int) -> int:
    """Where a bucket, or a stream that nobody records, begins that is made in this epoch."""
    return epoch * SPAN
