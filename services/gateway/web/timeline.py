"""The timeline of a request, drawn to scale: where its bars and marks are, in percent of the width. Pure.

The axis goes from acceptance to the outcome, or to now. What came afterwards, as a late frame or an erasure days later, has
its place beside the axis: to scale it would make everything else invisible."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from services.contracts.connections import Refused
from services.contracts.events import (
    Accepted,
    Assigned,
    Canceled,
    Erased,
    Expired,
    Failed,
    RequestEvent,
    Requeued,
    Restored,
    Succeeded,
)
from services.contracts.instants import nanoseconds
from services.gateway.web.durations import Duration, duration, multiple

Link = tuple[RequestEvent, int, int]
"""An event with its sequence and its instant."""
Fate = Literal["running", "succeeded", "failed", "canceled", "requeued"]

MAX_LANES = 24
"""Of more attempts the first ones are only in the table."""
MIN_WIDTH = 0.6
"""A bar is never narrower, however short what it shows."""
AFTERWARDS_AT = 94.0
"""Where the axis ends when something came after it."""
_MIN_NS = 1_000_000
_NS = 1_000_000_000
_MAX_TICKS = 5
_STEPS_S = (
    *(n * unit for unit in (0.001, 0.01, 0.1) for n in (1, 2, 5)),
    *(1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200),
    *(n * unit * 86400 for unit in (1, 10, 100, 1000, 10000) for n in (1, 2, 5)),
)


@dataclass(frozen=True, slots=True)
class Bar:
    """From `x` on, `width` wide; it shows that something lasted so long."""

    x: float
    width: float
    lasted: Duration


@dataclass(frozen=True, slots=True)
class Mark:
    """Something without a length: a refused frame, the first output."""

    x: float
    kind: Literal["refused", "first_output", "erased"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """The lane of one attempt. `whole`: from assignment to its end; `run`: the part of it in which the handler ran, as far
    as its agent told; None: unknown."""

    number: int
    agent: str
    fate: Fate
    reason: str
    whole: Bar
    run: Bar | None
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Tick:
    """A line of the grid, so long after the axis begins. `anchor`: which end of its text is there."""

    x: float
    after: Duration
    anchor: Literal["start", "middle", "end"]


@dataclass(frozen=True, slots=True)
class Timeline:
    """`waiting`: when it was queued, `waited` altogether; `left_out` attempts are too many to be drawn; `marks` belong to
    no attempt that is drawn; `axis_end`: where the axis ends, so `long` after its begin."""

    waiting: tuple[Bar, ...]
    waited: Duration
    attempts: tuple[Attempt, ...]
    left_out: int
    marks: tuple[Mark, ...]
    ticks: tuple[Tick, ...]
    axis_end: float
    long: Duration


@dataclass(frozen=True, slots=True)
class _Scale:
    start: int
    end: int
    width: float

    def at(self, instant: int) -> float:
        """Where an instant is."""
        within = min(max(instant, self.start), self.end) - self.start
        return within / (self.end - self.start) * self.width

    def bar(self, start: int, end: int) -> Bar:
        """The bar of a span of time."""
        x = min(self.at(start), self.width - MIN_WIDTH)
        width = min(max(self.at(end) - x, MIN_WIDTH), self.width - x)
        return Bar(x, width, duration(max(end - start, 0) / _NS))

    def mark(self, instant: int) -> float:
        """Where a mark of an instant is; beside the axis when it came afterwards."""
        return self.at(instant) if instant <= self.end else (100 + self.width) / 2


def began_at(links: Sequence[Link]) -> int:
    """When the request was accepted, also when its chain begins anew after a recovery."""
    event, _, at = links[0]
    return nanoseconds(event.accepted_at) if isinstance(event, Restored) else at


def timeline(links: Sequence[Link], refused: Iterable[tuple[Refused, int]], now: int) -> Timeline:
    """The timeline of a chain, which has an event, and of the frames that were refused meanwhile; `now` as JetStream's clock
    has it."""
    start, end = began_at(links), _end(links, now)
    frames = [(frame, at) for frame, at in refused]
    erased = [at for event, _, at in links if isinstance(event, Erased)]
    later = any(at > end for at in [*erased, *(at for _, at in frames)])
    scale = _Scale(start, max(end, start + _MIN_NS), AFTERWARDS_AT if later else 100.0)
    attempts = _attempts(links, frames, scale)
    shown = attempts[-MAX_LANES:]
    leases = {lease for lease, _ in shown}
    marks = [Mark(scale.mark(at), "refused") for frame, at in frames if frame.lease not in leases]
    marks += [Mark(scale.mark(at), "erased") for at in erased]
    waits = _waits(links, start, scale.end)
    return Timeline(
        waiting=tuple(scale.bar(*span) for span in waits),
        waited=duration(sum(max(until - since, 0) for since, until in waits) / _NS),
        attempts=tuple(attempt for _, attempt in shown),
        left_out=len(attempts) - len(shown),
        marks=tuple(sorted(marks, key=lambda mark: mark.x)),
        ticks=_ticks(scale),
        axis_end=scale.width,
        long=duration((scale.end - start) / _NS),
    )


def _end(links: Sequence[Link], now: int) -> int:
    """The instant of the outcome; while there is none, now, or that of the last event when that is said to be later."""
    for event, _, at in links:
        if isinstance(event, Succeeded | Failed | Canceled | Expired):
            return at
    return max(now, links[-1][2])


def _waits(links: Sequence[Link], start: int, end: int) -> list[tuple[int, int]]:
    """When it was queued: from acceptance, a requeue or a recovery until what came next."""
    starts = [start, *(at for _, _, at in links[1:])]
    ends = [*(at for _, _, at in links[1:]), end]
    return [
        (since, until)
        for (event, _, _), since, until in zip(links, starts, ends, strict=True)
        if isinstance(event, Accepted | Requeued | Restored)
    ]


def _attempts(links: Sequence[Link], frames: Iterable[tuple[Refused, int]], scale: _Scale) -> list[tuple[int, Attempt]]:
    """The attempts with their leases."""
    made = []
    following = [*links[1:], None]
    for (event, lease, at), after in zip(links, following, strict=True):
        if isinstance(event, Assigned):
            marks = [Mark(scale.mark(when), "refused") for frame, when in frames if frame.lease == lease]
            made.append((lease, _attempt(event, at, after, marks, scale)))
    return made


def _attempt(event: Assigned, at: int, after: Link | None, marks: list[Mark], scale: _Scale) -> Attempt:
    ended = None if after is None else after[0]
    end = scale.end if after is None else after[2]
    run = None
    if isinstance(ended, Succeeded | Failed) and ended.started_s + ended.run_s > 0:
        started = min(at + round(ended.started_s * _NS), end)
        run = scale.bar(started, min(started + round(ended.run_s * _NS), end))
        if ended.first_output_s:
            first = min(started + round(ended.first_output_s * _NS), end)
            marks = [*marks, Mark(scale.at(first), "first_output")]
    return Attempt(
        number=event.attempt,
        agent=event.agent,
        fate=_fate(ended),
        reason=ended.reason if isinstance(ended, Requeued) else "",
        whole=scale.bar(at, end),
        run=run,
        marks=tuple(sorted(marks, key=lambda mark: mark.x)),
    )


def _fate(ended: RequestEvent | None) -> Fate:
    match ended:
        case None:
            return "running"
        case Succeeded():
            return "succeeded"
        case Failed():
            return "failed"
        case Canceled():
            return "canceled"
        case _:
            return "requeued"


def _ticks(scale: _Scale) -> tuple[Tick, ...]:
    length = (scale.end - scale.start) / _NS
    step = next((each for each in _STEPS_S if length / each <= _MAX_TICKS), length)
    ticks = []
    for n in range(int(length / step + 1e-9) + 1):
        x = scale.at(scale.start + round(n * step * _NS))
        ticks.append(Tick(x, multiple(n, step), "start" if x < 5 else "end" if x > 95 else "middle"))
    return tuple(ticks)
