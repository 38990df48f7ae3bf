"""Numbers over time: what history is asked for charts, and answers. A span of time is cut into buckets of equal width; an
instant belongs to the bucket that begins with it or before it."""

import msgspec

from services.contracts.lifecycle import Status
from services.contracts.rpc import Position

MAX_BUCKETS = 120
"""So many are asked for at most: more than these a chart cannot show."""


class GetSeries(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of requests in `buckets` spans of `bucket_s` seconds, the first of which begins at the instant `since`
    (nanoseconds since 1970); of one user, in some spaces (None: all). Of agents those that are asked for as in
    ListConnections. `recorded`: see ListRequests."""

    since: int
    bucket_s: int
    buckets: int
    user: str = ""
    spaces: list[str] | None = None
    space: str = ""
    within: list[str] | None = None
    recorded: Position | None = None


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds: of a hundred durations so many are no longer than that."""

    p50: float
    p90: float
    p99: float


class Bucket(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One span: how many requests were accepted, and ended, by status; how long those that ended had waited, and ran; how
    many waited, and how many agents were connected, at its end. `agents` None: too many have connected since to tell."""

    accepted: int = 0
    ended: dict[Status, int] = {}
    queue_s: Latency | None = None
    run_s: Latency | None = None
    waiting: int = 0
    agents: int | None = None


class Series(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer: the buckets in order, and the durations of all of them together. Durations are those of `sampled`
    requests, chosen at random, evenly over the whole span, when there are many."""

    buckets: list[Bucket]
    sampled: int = 0
    queue_s: Latency | None = None
    run_s: Latency | None = None
