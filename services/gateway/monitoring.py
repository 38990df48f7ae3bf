"""What is shown of connections and of the numbers of requests: the wire types. Pure."""

from typing import Annotated

import msgspec
from msgspec import Meta

from services.contracts.instants import rfc3339
from services.contracts.lifecycle import Status
from services.contracts.lists import PastConnection, Percentiles, Stats
from services.gateway.endings import Cause, cause
from services.gateway.lists import STATUSES
from services.gateway.problems import ApiProblem
from services.gateway.view import Instant

WINDOWS = {"5m": 300, "1h": 3600, "24h": 86400}
DEFAULT_WINDOW = "1h"


class ConnectionObject(msgspec.Struct, frozen=True, kw_only=True):
    """One connection of an agent. While it lasts, `disconnected_at`, `connected_s`, `reason`, `cause` and `code` are
    null; `code` is that of the WebSocket's close, 0 when there was none."""

    id: str
    agent: Annotated[str, Meta(description="`<owner>/<name>`.")]
    gateway: str
    spaces: list[str]
    slots: int
    version: Annotated[str, Meta(description="Of the agent's program.")]
    address: Annotated[str, Meta(description="Where it came from.")]
    connected_at: Instant
    disconnected_at: Instant | None
    connected_s: float | None
    reason: str | None
    cause: Annotated[Cause | None, Meta(description="What the reason comes to.")]
    code: int | None


class ConnectionsObject(msgspec.Struct, frozen=True, kw_only=True):
    """A page of connections, the newest first. `next` leads to older ones, `previous` to newer ones: give it as `cursor`."""

    results: list[ConnectionObject]
    next: str | None
    previous: str | None


class PercentilesObject(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds: half of the durations were no longer than `p50`, 95 % no longer than `p95`, 99 % no longer than `p99`."""

    p50: float
    p95: float
    p99: float


class StatsObject(msgspec.Struct, frozen=True, kw_only=True):
    """What requests have come to in the `window_s` seconds up to `until`. `accepted`: came in; `ended`: have ended, by
    status; `throughput`: have ended, per second; `success_rate`: which part of those that succeeded, failed or expired has
    succeeded, null when there are none. `queue_s` (from acceptance to assignment) and `run_s` (the handler's time) are those
    of the latest `sampled` ones."""

    space: str | None
    window_s: int
    until: Instant
    accepted: int
    ended: dict[Status, int]
    throughput: float
    success_rate: float | None
    sampled: int
    queue_s: PercentilesObject | None
    run_s: PercentilesObject | None


def connection_object(connection: PastConnection) -> ConnectionObject:
    """The object of a connection."""
    over = connection.ended_at > 0
    return ConnectionObject(
        id=connection.conn,
        agent=connection.agent,
        gateway=connection.gateway,
        spaces=connection.spaces,
        slots=connection.slots,
        version=connection.version,
        address=connection.address,
        connected_at=rfc3339(connection.place.at),
        disconnected_at=rfc3339(connection.ended_at) if over else None,
        connected_s=round(connection.connected_s, 3) if over else None,
        reason=connection.reason if over else None,
        cause=cause(connection.reason, connection.code) if over else None,
        code=connection.code if over else None,
    )


def window_s(name: str | None) -> int:
    """The seconds of a window. Raises ApiProblem."""
    if (name or DEFAULT_WINDOW) not in WINDOWS:
        raise ApiProblem("invalid_request", f"window is one of {', '.join(WINDOWS)}.")
    return WINDOWS[name or DEFAULT_WINDOW]


def stats_object(stats: Stats, space: str | None, window_s: int, until: int) -> StatsObject:
    """The object of what has happened in a window."""
    ended = {status: stats.ended.get(status, 0) for status in STATUSES if status not in {"queued", "processing"}}
    judged = ended["succeeded"] + ended["failed"] + ended["expired"]
    return StatsObject(
        space=space,
        window_s=window_s,
        until=rfc3339(until),
        accepted=stats.accepted,
        ended=ended,
        throughput=round(sum(ended.values()) / window_s, 6),
        success_rate=round(ended["succeeded"] / judged, 6) if judged else None,
        sampled=stats.sampled,
        queue_s=_percentiles(stats.queue_s),
        run_s=_percentiles(stats.run_s),
    )


def _percentiles(given: Percentiles | None) -> PercentilesObject | None:
    return None if given is None else PercentilesObject(p50=given.p50, p95=given.p95, p99=given.p99)
