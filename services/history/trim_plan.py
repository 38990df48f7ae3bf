"""PURE: what of a partition may leave the stream.

A purge removes everything of a partition before a sequence, so it stops at the oldest request that must stay. Chains that
closed long ago but lie behind a long-open one are purged one by one; not at once, since mostly the next purge takes them.
"""

from typing import NamedTuple

STUCK_NS = 300 * 1_000_000_000
"""How much longer than the rest a closed chain stays before it is purged alone."""


class Trimmed(NamedTuple):
    """What of a partition has been purged: all before `below_seq`, and chains closed up to `swept_at` (ns since 1970)."""

    below_seq: int
    swept_at: int


class Sweep(NamedTuple):
    """Look for stuck chains: closed after `after` and up to `until` (ns since 1970), with events at or after `from_seq`."""

    after: int
    until: int
    from_seq: int


def purge_below(trimmed: Trimmed, recorded_seq: int, oldest_kept: int | None) -> int | None:
    """The sequence before which the partition may be purged, None when that is already done. `oldest_kept`: where the
    first request begins that is open or has not been closed for long enough; None when there is none."""
    limit = recorded_seq + 1 if oldest_kept is None else min(oldest_kept, recorded_seq + 1)
    return limit if limit > trimmed.below_seq else None


def sweep(trimmed: Trimmed, closed_until: int) -> Sweep | None:
    """Where to look for stuck chains once the partition is purged. `closed_until`: what closed up to here need not stay."""
    until = closed_until - STUCK_NS
    return Sweep(trimmed.swept_at, until, trimmed.below_seq) if until > trimmed.swept_at else None


def swept(trimmed: Trimmed, done: Sweep, found: list[int], limit: int) -> Trimmed:
    """After a sweep that found chains closed at these instants, at most `limit` of them: the next one goes on behind."""
    return trimmed._replace(swept_at=found[-1] if len(found) >= limit else done.until)
