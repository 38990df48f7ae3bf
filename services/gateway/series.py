"""Numbers over time as they are shown: the wire types, and what history is asked for. Pure."""

from collections.abc import Mapping, Sequence
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from services.contracts.instants import rfc3339
from services.contracts.lifecycle import Status
from services.contracts.rpc import Position
from services.contracts.series import Bucket, GetSeries, Latency, Series
from services.gateway.problems import ApiProblem
from services.gateway.view import Instant

_NS = 1_000_000_000
DEFAULT_SERIES_WINDOW = "1h"


class Window(NamedTuple):
    """A span of time up to now, and how finely it is cut (seconds)."""

    window_s: int
    bucket_s: int

    @property
    def buckets(self) -> int:
        """Into how many buckets."""
        return self.window_s // self.bucket_s


SERIES_WINDOWS: Mapping[str, Window] = {
    "15m": Window(900, 15),
    "1h": Window(3600, 30),
    "24h": Window(86400, 900),
    "7d": Window(7 * 86400, 2 * 3600),
    "30d": Window(30 * 86400, 6 * 3600),
}
"""Widths that a day, or an hour, is a multiple of: buckets begin at full minutes, hours and days."""


class LatencyObject(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds: half of the durations were no longer than `p50`, 90 % no longer than `p90`, 99 % no longer than `p99`."""

    p50: float
    p90: float
    p99: float


class BucketObject(msgspec.Struct, frozen=True, kw_only=True):
    """What happened from the instant `start` on, before the next bucket's. `accepted`: requests that came in; `succeeded`,
    `failed`, `canceled`, `expired`: that have ended so; `success_rate`: which part of those that succeeded, failed or
    expired has succeeded, null without any; `queue_s` (from acceptance to assignment) and `run_s` (the handler's time) of
    those that ended. At its end, or now for the last one, `waiting` requests had not been assigned yet, and `agents` were
    connected, null where that is not known."""

    start: Instant
    accepted: int
    succeeded: int
    failed: int
    canceled: int
    expired: int
    success_rate: Annotated[float, Meta(ge=0, le=1)] | None
    queue_s: LatencyObject | None
    run_s: LatencyObject | None
    waiting: int
    agents: int | None


class SeriesObject(msgspec.Struct, frozen=True, kw_only=True):
    """What requests have come to in a `window_s`, bucket by bucket of `bucket_s` seconds, and altogether. The last bucket is
    not over yet at `until`. Durations are those of `sampled` requests."""

    space: str | None
    window_s: int
    bucket_s: int
    until: Instant
    accepted: int
    ended: dict[Status, int]
    success_rate: Annotated[float, Meta(ge=0, le=1)] | None
    sampled: int
    queue_s: LatencyObject | None
    run_s: LatencyObject | None
    buckets: list[BucketObject]


def window_of(name: str | None) -> Window:
    """The window of this name. Raises ApiProblem."""
    found = SERIES_WINDOWS.get(name or DEFAULT_SERIES_WINDOW)
    if found is None:
        raise ApiProblem("invalid_request", f"window is one of {', '.join(SERIES_WINDOWS)}.")
    return found


def series_query(
    window: Window,
    until: int,
    *,
    user: str,
    spaces: list[str] | None,
    space: str | None,
    within: list[str] | None,
    recorded: Position,
) -> GetSeries:
    """What to ask history for the window up to an instant, which is in the last bucket."""
    width = window.bucket_s * _NS
    return GetSeries(
        since=(until // width + 1 - window.buckets) * width,
        bucket_s=window.bucket_s,
        buckets=window.buckets,
        user=user,
        spaces=spaces,
        space=space or "",
        within=within,
        recorded=recorded,
    )


def series_object(found: Series, query: GetSeries, space: str | None, until: int) -> SeriesObject:
    """The object of what history has answered."""
    ended = {status: sum(each.ended.get(status, 0) for each in found.buckets) for status in _ENDED}
    return SeriesObject(
        space=space,
        window_s=query.buckets * query.bucket_s,
        bucket_s=query.bucket_s,
        until=rfc3339(until),
        accepted=sum(each.accepted for each in found.buckets),
        ended=ended,
        success_rate=_rate(ended),
        sampled=found.sampled,
        queue_s=_latency(found.queue_s),
        run_s=_latency(found.run_s),
        buckets=_buckets(found.buckets, query),
    )


def _buckets(buckets: Sequence[Bucket], query: GetSeries) -> list[BucketObject]:
    return [
        BucketObject(
            start=rfc3339(query.since + number * query.bucket_s * _NS),
            accepted=each.accepted,
            succeeded=each.ended.get("succeeded", 0),
            failed=each.ended.get("failed", 0),
            canceled=each.ended.get("canceled", 0),
            expired=each.ended.get("expired", 0),
            success_rate=_rate(each.ended),
            queue_s=_latency(each.queue_s),
            run_s=_latency(each.run_s),
            waiting=each.waiting,
            agents=each.agents,
        )
        for number, each in enumerate(buckets)
    ]


_ENDED: tuple[Status, ...] = ("succeeded", "failed", "canceled", "expired")


def _rate(ended: Mapping[Status, int]) -> float | None:
    judged = ended.get("succeeded", 0) + ended.get("failed", 0) + ended.get("expired", 0)
    return round(ended.get("succeeded", 0) / judged, 6) if judged else None


def _latency(given: Latency | None) -> LatencyObject | None:
    return None if given is None else LatencyObject(p50=given.p50, p90=given.p90, p99=given.p99)
