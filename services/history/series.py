"""PURE: numbers over time, of counts that the database has made."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from services.contracts.lifecycle import Status
from services.contracts.requests import RequestState
from services.contracts.series import Bucket, GetSeries, Latency, Series

_NS = 1_000_000_000
BEFORE = -1
"""In place of the number of a bucket: before the first one."""


SAMPLE = 20_000
"""Of about so many requests, or of all if there are fewer, durations are looked at."""


@dataclass(frozen=True, slots=True)
class Flow:
    """So many requests came in in one bucket, waited no longer in another and ended in a third, with a status. None: they
    have not yet."""

    came: int
    went: int | None
    ended: int | None
    status: Status
    requests: int


@dataclass(frozen=True, slots=True)
class Durations:
    """How long the requests that ended in one bucket, or in all, had waited and ran."""

    sampled: int = 0
    queue_s: Latency | None = None
    run_s: Latency | None = None


@dataclass(frozen=True, slots=True)
class Presence:
    """A connection of an agent, from one instant on, to another (None: it lasts)."""

    began_at: int
    ended_at: int | None


def bucket_of(query: GetSeries, at: int) -> int:
    """The number of the bucket to which an instant belongs; BEFORE all of them."""
    return max((at - query.since) // (query.bucket_s * _NS), BEFORE)


def running_flow(query: GetSeries, states: Iterable[RequestState]) -> list[Flow]:
    """The flow of requests that are run now."""
    return [
        Flow(bucket_of(query, each.accepted_at), bucket_of(query, each.assigned_at), None, each.status, 1) for each in states
    ]


def one_in(flows: Iterable[Flow]) -> int:
    """Of one request in how many durations are looked at."""
    return -(-sum(flow.requests for flow in flows if flow.ended is not None) // SAMPLE) or 1


def series_of(
    query: GetSeries,
    flows: Sequence[Flow],
    durations: Mapping[int | None, Durations],
    agents: Sequence[int | None],
) -> Series:
    """The answer. `durations` by the number of their bucket, under None those of all; `agents` for each bucket."""
    accepted = [0] * query.buckets
    ended: list[Counter[Status]] = [Counter() for _ in accepted]
    for flow in flows:
        if 0 <= flow.came < query.buckets:
            accepted[flow.came] += flow.requests
        if flow.ended is not None and flow.ended < query.buckets:
            ended[flow.ended][flow.status] += flow.requests
    waiting = _waiting(query.buckets, flows)
    found = [durations.get(number, Durations()) for number in range(query.buckets)]
    whole = durations.get(None, Durations())
    return Series(
        buckets=[
            Bucket(
                accepted=accepted[number],
                ended=dict(ended[number]),
                queue_s=each.queue_s,
                run_s=each.run_s,
                waiting=waiting[number],
                agents=agents[number],
            )
            for number, each in enumerate(found)
        ],
        sampled=whole.sampled,
        queue_s=whole.queue_s,
        run_s=whole.run_s,
    )


def _waiting(buckets: int, flows: Iterable[Flow]) -> list[int]:
    """How many wait at the end of each bucket: all that came in up to then, without those that waited no longer."""
    changes = [0] * (buckets + 1)
    for flow in flows:
        if flow.came < buckets:
            changes[flow.came + 1] += flow.requests
        if flow.went is not None and flow.went < buckets:
            changes[flow.went + 1] -= flow.requests
    return list(accumulate(changes))[1:]


def agents_online(query: GetSeries, presences: Sequence[Presence], known_from: int | None) -> list[int | None]:
    """How many connections there are at the end of each bucket. `known_from`: earlier ones were not looked at (None: all
    were)."""
    changes = [0] * (query.buckets + 1)
    for each in presences:
        for at, change in ((each.began_at, 1), (each.ended_at, -1)):
            bucket = query.buckets if at is None else bucket_of(query, at)
            if bucket < query.buckets:
                changes[bucket + 1] += change
    first = 0 if known_from is None else bucket_of(query, known_from) + 1
    return [None if number < first else count for number, count in enumerate(list(accumulate(changes))[1:])]
