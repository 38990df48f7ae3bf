"""Is a space well? Pure; with the wire type."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from services.contracts.accounts import Space
from services.contracts.lists import Stats
from services.contracts.rpc import SpaceOverview

WINDOW_S = 3600
"""So far back requests are looked at."""
JUDGED = 10
"""Fewer outcomes say nothing about a space."""
WELL = 0.9
"""Which part of those must have succeeded."""

Health = Literal["ok", "degraded", "no_agent", "paused", "disabled"]


class SpaceHealthObject(msgspec.Struct, frozen=True, kw_only=True):
    """How a space is: in one word, and in `reasons` why it is not `ok`. `agents` are connected, with so many `slots` as are
    of ready ones; `queued` requests wait; null while its dispatcher does not answer. `success_rate`: which part of those
    that succeeded, failed or expired within the last `window_s` seconds has succeeded; null without any, or while history
    does not answer."""

    space: str
    status: Health
    reasons: list[str]
    agents: int | None
    slots: int | None
    queued: int | None
    window_s: int
    success_rate: Annotated[float, Meta(ge=0, le=1)] | None


def health_object(space: Space, seen: SpaceOverview | None, stats: Stats | None) -> SpaceHealthObject:
    """The object of a space; None for whoever was silent."""
    judged, rate = _rate(stats)
    found = [*_switched(space), *_served(seen), *_troubled(space, seen, judged, rate)]
    return SpaceHealthObject(
        space=space.space,
        status=found[0][0] if found else "ok",
        reasons=[reason for _, reason in found],
        agents=None if seen is None else sum(seen.agents.values()),
        slots=None if seen is None else seen.slots,
        queued=None if seen is None else seen.waiting + seen.delayed,
        window_s=WINDOW_S,
        success_rate=rate,
    )


def _switched(space: Space) -> list[tuple[Health, str]]:
    found: list[tuple[Health, str]] = []
    if not space.enabled:
        found.append(("disabled", "It is disabled: it takes no submissions."))
    if space.paused:
        found.append(("paused", "It is paused: nothing of it is assigned."))
    return found


def _served(seen: SpaceOverview | None) -> list[tuple[Health, str]]:
    if seen is None:
        return [("degraded", "Its dispatcher does not answer.")]
    if not seen.agents:
        return [("no_agent", "No agent of it is connected.")]
    if not seen.agents.get("ready"):
        return [("degraded", f"No agent of it is ready: all are {' or '.join(sorted(seen.agents))}.")]
    return []


def _troubled(space: Space, seen: SpaceOverview | None, judged: int, rate: float | None) -> list[tuple[Health, str]]:
    found: list[tuple[Health, str]] = []
    if seen is not None and 0 < space.queue_limit <= seen.waiting:
        found.append(("degraded", f"Its queue is full: {seen.waiting} requests wait."))
    if rate is not None and judged >= JUDGED and rate < WELL:
        found.append(("degraded", f"Of the last {judged} requests within an hour only {rate:.0%} have succeeded."))
    return found


def _rate(stats: Stats | None) -> tuple[int, float | None]:
    """How many outcomes count, and which part of them succeeded."""
    if stats is None:
        return 0, None
    succeeded = stats.ended.get("succeeded", 0)
    judged = succeeded + stats.ended.get("failed", 0) + stats.ended.get("expired", 0)
    return judged, round(succeeded / judged, 6) if judged else None
