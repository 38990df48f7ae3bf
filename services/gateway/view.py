"""The request object: what a client sees of a request. Pure; the wire types, from which OpenAPI is generated."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from services.contracts.instants import rfc3339
from services.contracts.lifecycle import Status
from services.contracts.output import Progress
from services.contracts.requests import RequestState
from services.contracts.rpc import QueuePlace
from services.gateway.problems import ProblemObject, request_error

_TIME = Meta(extra_json_schema={"format": "date-time"})
Instant = Annotated[str, _TIME]
_OBJECT: dict[str, Any] = {"type": "object"}


class AgentObject(msgspec.Struct, frozen=True):
    """The agent that runs the request, or ran it last."""

    id: str


class QueueObject(msgspec.Struct, frozen=True, kw_only=True):
    """Why a queued request waits: `waiting_turn`, `no_agent_online`, `agents_busy`, `agent_loading`,
    `agent_draining`, `retry_delay`, `space_paused`, `quota` (as many run at once as may), or empty when nobody can tell."""

    position: Annotated[int, Meta(description="1: the next to go")] | UnsetType = UNSET
    reason: str
    eta_s: Annotated[
        float | None,
        Meta(description="It is assigned in about so many seconds, to go by the latest runs; null: nobody can tell."),
    ] = None


class ProgressObject(msgspec.Struct, frozen=True, kw_only=True):
    """How far the handler says that it is: `fraction` from 0 to 1."""

    fraction: float
    message: str


class MetricsObject(msgspec.Struct, frozen=True, kw_only=True):
    """Durations in seconds; null while unknown. `queue_s`: from acceptance to the last assignment; `first_output_s`: from
    acceptance to the first chunk of a handler that yields."""

    queue_s: float | None = None
    run_s: float | None = None
    total_s: float | None = None
    first_output_s: float | None = None


class UrlsObject(msgspec.Struct, frozen=True, rename={"itself": "self"}):
    """Where to look further."""

    itself: str
    events: str
    cancel: str


class ListedRequestObject(msgspec.Struct, frozen=True, kw_only=True):
    """One request as lists show it: without `input`, `output`, `queue` and `progress`, which its own address has. Test
    `done`, not `status`: there may be new statuses. A failed request has an `error`."""

    id: str
    space: str
    user: Annotated[str, Meta(description="Who submitted it: a user's id.")]
    status: Status
    done: bool
    created_at: Instant
    assigned_at: Instant | None
    started_at: Instant | None
    completed_at: Instant | None
    error: ProblemObject | None
    attempt: int
    max_attempts: int
    agent: AgentObject | None
    metrics: MetricsObject
    retry_of: Annotated[str | None, Meta(description="The request whose input this one takes again.")]
    metadata: Annotated[dict[str, Any], Meta(extra_json_schema=_OBJECT)]
    erased: Annotated[bool, Meta(description="Its data are not kept any more: `input` and `output` are null.")]
    urls: UrlsObject


class RequestObject(ListedRequestObject, frozen=True, kw_only=True):
    """One request. Test `done`, not `status`: there may be new statuses. A failed request has an `error`."""

    input: Annotated[Raw, Meta(extra_json_schema={"type": ["object", "null"]})]
    output: Annotated[Raw, Meta(description="What the handler returned.", extra_json_schema={})]
    queue: QueueObject | None
    progress: ProgressObject | None


class RequestsObject(msgspec.Struct, frozen=True, kw_only=True):
    """A page of requests, the newest first. `next` leads to older ones, `previous` to newer ones: give it as `cursor`."""

    results: list[ListedRequestObject]
    next: Annotated[str | None, Meta(description="The cursor of the page with older ones; null: there are none.")]
    previous: Annotated[str | None, Meta(description="The cursor of the page with newer ones; null: none are known.")]


encode = msgspec.json.Encoder().encode


def self_url(rid: str) -> str:
    """The path of a request."""
    return f"/v1/requests/{rid}"


def request_object(state: RequestState, place: QueuePlace | None = None, progress: Progress | None = None) -> RequestObject:
    """The object of a request; `place` is what the dispatcher knows of a queued one, None when it was silent; `progress`
    what the handler of a processing one says, None when it says nothing."""
    return RequestObject(
        **_common(state),
        input=state.input,
        output=state.output,
        queue=_queue(place) if state.status == "queued" else None,
        progress=_progress(progress) if state.status == "processing" else None,
    )


def listed_request(state: RequestState) -> ListedRequestObject:
    """The object of a request in a list."""
    return ListedRequestObject(**_common(state))


def _common(state: RequestState) -> dict[str, Any]:
    url = self_url(state.rid)
    return {
        "id": state.rid,
        "space": state.space,
        "user": state.user,
        "status": state.status,
        "done": not state.open,
        "created_at": rfc3339(state.accepted_at),
        "assigned_at": rfc3339(state.assigned_at) if state.assigned_at else None,
        "started_at": _started_at(state),
        "completed_at": rfc3339(state.completed_at) if state.completed_at else None,
        "error": _error(state),
        "attempt": state.attempt,
        "max_attempts": state.max_attempts,
        "agent": AgentObject(state.agent) if state.agent else None,
        "metrics": _metrics(state),
        "retry_of": state.retry_of or None,
        "metadata": state.metadata,
        "erased": state.erased,
        "urls": UrlsObject(url, f"{url}/events", f"{url}/cancel"),
    }


def _ran(state: RequestState) -> bool:
    """Whether it is known that, and how long, a handler ran: only outcomes that come from an agent tell."""
    return state.status == "succeeded" or (state.status == "failed" and state.started_s + state.run_s > 0)


def _started_at(state: RequestState) -> str | None:
    if not (_ran(state) and state.assigned_at):
        return None
    return rfc3339(state.assigned_at + round(state.started_s * 1e9))


def _metrics(state: RequestState) -> MetricsObject:
    def since_accepted(at: int) -> float | None:
        return round((at - state.accepted_at) / 1e9, 6) if at else None

    return MetricsObject(
        queue_s=since_accepted(state.assigned_at),
        run_s=round(state.run_s, 6) if _ran(state) else None,
        total_s=since_accepted(state.completed_at),
        first_output_s=since_accepted(_first_output_at(state)),
    )


def _first_output_at(state: RequestState) -> int:
    """The instant of the first chunk, 0 when there was none."""
    if not (state.first_output_s and state.assigned_at):
        return 0
    return state.assigned_at + round((state.started_s + state.first_output_s) * 1e9)


def _progress(progress: Progress | None) -> ProgressObject | None:
    return None if progress is None else ProgressObject(fraction=progress.fraction, message=progress.message)


def _queue(place: QueuePlace | None) -> QueueObject:
    if place is None:
        return QueueObject(reason="")
    return QueueObject(position=place.position or UNSET, reason=place.reason, eta_s=place.eta_s)


def _error(state: RequestState) -> ProblemObject | None:
    if state.error is not None:
        return request_error(state.error.code, state.error.message, state.error.retryable)
    if state.status == "expired":
        return request_error("start_timeout", "It was not started within its start timeout.", True)
    return None
