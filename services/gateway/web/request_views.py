"""What the pages about requests show. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from services.contracts.accounts import Space, User
from services.contracts.connections import Refused
from services.contracts.events import (
    Assigned,
    Canceled,
    Failed,
    RequestEvent,
    Requeued,
    Succeeded,
    type_of,
)
from services.contracts.lifecycle import Status
from services.contracts.requests import RequestState
from services.gateway.lists import STATUSES
from services.gateway.view import MetricsObject, listed_request
from services.gateway.web.durations import Duration, duration
from services.gateway.web.timeline import Link, Timeline, began_at, timeline

_SHORT = 8
_NS = 1_000_000_000
Users = Mapping[str, User]


@dataclass(frozen=True, slots=True)
class RequestsView:
    """The list of requests: what may be chosen in its filters. `others`: the visitor may see those of other users, `emails`
    by id."""

    spaces: tuple[Space, ...]
    statuses: tuple[Status, ...]
    others: bool
    emails: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who caused an event. `name`: a user's address if it may be known, otherwise an id; empty where `kind` says all."""

    kind: Literal["user", "agent", "gateway", "dispatcher", "recovery", "retention", "unknown"]
    name: str


@dataclass(frozen=True, slots=True)
class Step:
    """A row of the table below the timeline: an event, or a frame that was refused. `after`: so long after acceptance;
    `reason` and `detail` say why, `ran` and `delay` how long, each empty or None where there is nothing to
    say."""

    kind: str
    at: int
    after: Duration
    attempt: int
    actor: Actor
    agent: str = ""
    gateway: str = ""
    reason: str = ""
    detail: str = ""
    ran: Duration | None = None
    delay: Duration | None = None


@dataclass(frozen=True, slots=True)
class RequestView:
    """One request. `user`: who submitted it, if that is not the visitor; `refused_known`: the table has the refused frames,
    if there are any."""

    id: str
    short: str
    space: str
    status: Status
    error: str
    error_text: str
    done: bool
    erased: bool
    user: str
    created_at: int
    attempt: int
    retry_of: str
    priority: int
    queued: Duration | None
    ran: Duration | None
    total: Duration | None
    timeline: Timeline
    steps: tuple[Step, ...]
    refused_known: bool


def requests_view(spaces: Iterable[Space], user: User, users: Users) -> RequestsView:
    """The list as a user sees it."""
    others = user.role == "admin"
    emails = {each.user: each.email for each in users.values()} if others else {}
    return RequestsView(tuple(spaces), STATUSES, others, emails)


def request_view(
    state: RequestState,
    links: Sequence[Link],
    refused: Sequence[tuple[Refused, int]] | None,
    now: int,
    visitor: User,
    users: Users,
) -> RequestView:
    """The page of a request with its chain; `now` as JetStream's clock has it. Who may not list users learns no addresses of
    others, say of a manager who has emptied the queue."""
    if visitor.role != "admin":
        users = {visitor.user: visitor}
    shown = listed_request(state)
    metrics: MetricsObject = shown.metrics
    total = metrics.total_s if state.completed_at else max(now - state.accepted_at, 0) / _NS
    return RequestView(
        id=state.rid,
        short=state.rid[-_SHORT:],
        space=state.space,
        status=state.status,
        error="" if shown.error is None else shown.error.code,
        error_text="" if shown.error is None else shown.error.detail,
        done=shown.done,
        erased=state.erased,
        user="" if state.user == visitor.user else _named(state.user, users),
        created_at=state.accepted_at,
        attempt=state.attempt,
        retry_of=state.retry_of,
        priority=state.priority,
        queued=_said(metrics.queue_s),
        ran=_said(metrics.run_s),
        total=_said(total),
        timeline=timeline(links, refused or (), now),
        steps=steps(links, refused or (), users),
        refused_known=refused is not None,
    )


def steps(links: Sequence[Link], refused: Iterable[tuple[Refused, int]], users: Users) -> tuple[Step, ...]:
    """The rows of the table, in the order in which things happened."""
    start = began_at(links)
    attempts = {seq: event.attempt for event, seq, _ in links if isinstance(event, Assigned)}
    rows = [(at, seq, _step(event, at, start, users)) for event, seq, at in links]
    rows += [(at, 0, _refusal(frame, at, start, attempts.get(frame.lease, 0))) for frame, at in refused]
    return tuple(row for _, _, row in sorted(rows, key=lambda row: row[:2]))


def actor_of(actor: str, users: Users) -> Actor:
    """Who caused an event, as `contracts.events` names them."""
    kind, _, name = actor.partition(":")
    match kind:
        case "user":
            return Actor("user", _named(name, users))
        case "agent" | "gateway" | "dispatcher" | "recovery" | "retention":
            return Actor(kind, name)
        case _:
            return Actor("unknown", actor)


def _step(event: RequestEvent, at: int, start: int, users: Users) -> Step:
    agent = gateway = reason = detail = ""
    ran = delay = None
    match event:
        case Assigned():
            agent, gateway = event.agent, event.gateway
        case Requeued():
            agent, gateway, reason, detail = event.agent, event.gateway, event.reason, event.detail
            delay = duration(event.delay_s) if event.delay_s else None
        case Succeeded():
            agent, gateway, ran = event.agent, event.gateway, duration(event.run_s)
        case Failed():
            agent, gateway, reason, detail = event.agent, event.gateway, event.error.code, event.error.message
            ran = duration(event.run_s) if event.run_s else None
        case Canceled():
            gateway = event.gateway
    actor = actor_of(event.actor, users)
    return Step(
        type_of(event), at, _after(at, start), event.attempt, actor, agent, gateway, reason, detail, ran=ran, delay=delay
    )


def _refusal(frame: Refused, at: int, start: int, attempt: int) -> Step:
    actor = Actor("agent", frame.agent)
    return Step(
        "refused",
        at,
        _after(at, start),
        attempt,
        actor,
        frame.agent,
        frame.gateway,
        reason=frame.reason,
        detail=frame.frame,
    )


def _after(at: int, start: int) -> Duration:
    return duration(max(at - start, 0) / _NS)


def _said(seconds: float | None) -> Duration | None:
    return None if seconds is None else duration(seconds)


def _named(user: str, users: Users) -> str:
    known = users.get(user)
    return user if known is None else known.email
