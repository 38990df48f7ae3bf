"""Chains of requests for tests of what their pages show."""

from typing import Any

import msgspec

from services.contracts.accounts import User
from services.contracts.connections import Refused
from services.contracts.events import (
    Accepted,
    Assigned,
    Canceled,
    Erased,
    Expired,
    Failed,
    Problem,
    RequestEvent,
    Requeued,
    Restored,
    Succeeded,
)
from services.contracts.requests import fold
from services.gateway.web.request_views import RequestView, request_view
from services.gateway.web.timeline import Link

S = 1_000_000_000
AT = 1_700_000_000 * S
NULL = msgspec.Raw(b"null")
COMMON: dict[str, Any] = {
    "id": "e",
    "rid": "018bcfe568007000800000000000a70b",
    "space": "demo",
    "prev_seq": 0,
    "origin": "g",
}
AGENT = "ada/gpu"


def accepted(**changes: Any) -> Accepted:
    whole: dict[str, Any] = COMMON | {
        "attempt": 0,
        "actor": "user:ada",
        "user": "ada",
        "key_id": "k",
        "input": NULL,
        "body_sha256": "",
        "start_timeout_s": 60.0,
        "execution_timeout_s": 60.0,
    }
    return Accepted(**(whole | changes))


def assigned(number: int, agent: str = AGENT) -> Assigned:
    return Assigned(
        **COMMON,
        attempt=number,
        actor="dispatcher:d1",
        agent=agent,
        conn="c",
        gateway="g1",
        user="ada",
        input=NULL,
        execution_timeout_s=60.0,
    )


def requeued(number: int, **changes: Any) -> Requeued:
    whole: dict[str, Any] = COMMON | {
        "attempt": number,
        "actor": "dispatcher:d1",
        "reason": "agent_lost",
        "gateway": "g1",
        "agent": AGENT,
    }
    return Requeued(**(whole | changes))


def succeeded(number: int, **changes: Any) -> Succeeded:
    whole: dict[str, Any] = COMMON | {
        "attempt": number,
        "actor": f"agent:{AGENT}",
        "agent": AGENT,
        "gateway": "g1",
        "output": NULL,
        "output_sha256": "",
    }
    return Succeeded(**(whole | changes))


def failed(number: int, **changes: Any) -> Failed:
    whole: dict[str, Any] = COMMON | {
        "attempt": number,
        "actor": f"agent:{AGENT}",
        "agent": AGENT,
        "error": Problem(code="handler_error", message="no"),
    }
    return Failed(**(whole | changes))


def canceled(number: int) -> Canceled:
    return Canceled(**COMMON, attempt=number, actor="user:ada")


def expired() -> Expired:
    return Expired(**COMMON, attempt=0, actor="dispatcher:d1")


def erased(number: int, actor: str = "user:ada") -> Erased:
    return Erased(**COMMON, attempt=number, actor=actor)


def restored(number: int) -> Restored:
    return Restored(
        **COMMON, attempt=number, actor="recovery", accepted=accepted(), accepted_at="2023-11-14T22:13:20.000000000Z"
    )


def refused(lease: int, agent: str = AGENT) -> Refused:
    return Refused(id="e", conn="c", agent=agent, gateway="g1", rid="r", lease=lease, frame="result", reason="stale_lease")


def chain(*events: tuple[RequestEvent, float]) -> list[Link]:
    """Events, each so many seconds after acceptance; their sequences count from 1."""
    return [(event, seq, AT + round(after * S)) for seq, (event, after) in enumerate(events, 1)]


def view(links: list[Link], visitor: User, *frames: tuple[Refused, int], known: bool = True, **users: User) -> RequestView:
    """The page of a chain, 1000 seconds after its acceptance."""
    state = fold(links, _never)
    assert state is not None
    return request_view(state, links, frames if known else None, AT + 1000 * S, visitor, users)


def hostile_requests(text: str) -> list[RequestView]:
    """Pages on which agents, errors and users are called like that."""
    ada, root = (User(user=name, email=text, role="admin", password_hash="x") for name in ("ada", "root"))
    lost = ((accepted(), 0.0), (assigned(1, f"ada/{text}"), 1.0), (requeued(1, detail=text, agent=text, delay_s=2.0), 2.0))
    said = failed(2, error=Problem(code=text, message=text), agent=text, run_s=1.0)
    frame = (refused(2, text), AT + S)
    return [
        view(chain((accepted(retry_of="0" * 34, priority=3), 0)), root, known=False, ada=ada),
        view(chain(*lost, (assigned(2, text), 3), (said, 5)), root, frame, ada=ada),
        view(chain(*lost, (assigned(2), 3), (succeeded(2, run_s=1.0), 5), (erased(2, "retention"), 900)), root, frame),
        view(chain((accepted(), 0), (expired(), 60)), root, ada=ada),
        view(chain((restored(1), 50), (assigned(2), 60), (canceled(2), 70)), root, frame),
    ]


def _never(event: RequestEvent, seq: int, error: Exception) -> None:
    raise AssertionError(f"{event} at {seq}: {error}")
