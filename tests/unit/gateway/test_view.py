"""The request object: a fold of events, as the client sees it."""

from typing import Any

import msgspec

from services.contracts.events import Accepted, Assigned, Canceled, Event, Expired, Failed, Problem, Requeued, Succeeded
from services.contracts.output import Progress
from services.contracts.requests import RequestState, fold
from services.contracts.rpc import QueuePlace
from services.gateway.view import encode, request_object

RID = "0" * 32 + "06"
SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND


def base(prev_seq: int, attempt: int = 1) -> dict[str, Any]:
    return {"id": "e", "rid": RID, "space": "demo", "prev_seq": prev_seq, "attempt": attempt, "actor": "x", "origin": "g"}


ACCEPTED = Accepted(
    **base(0, 0),
    user="ada",
    key_id="k",
    input=msgspec.Raw(b'{"b": 1,  "a": [1.0, 1e2]}'),
    body_sha256="s",
    start_timeout_s=60,
    execution_timeout_s=60,
    max_attempts=2,
    metadata={"tag": "x"},
)
ASSIGNED = Assigned(
    **base(1),
    agent="ada/gpu",
    conn="c",
    gateway="h",
    user="ada",
    input=ACCEPTED.input,
    execution_timeout_s=60,
)


def after(*events: Event) -> RequestState:
    """The state when the events came one second apart."""
    state = fold((event, seq, START + seq * SECOND) for seq, event in enumerate(events, 1))  # type: ignore[misc]
    assert state is not None
    return state


def shown(state: RequestState, place: QueuePlace | None = None, progress: Progress | None = None) -> dict[str, Any]:
    value = msgspec.json.decode(encode(request_object(state, place, progress)))
    assert isinstance(value, dict)
    return value


def test_a_queued_request() -> None:
    assert shown(after(ACCEPTED), QueuePlace(position=3, reason="agents_busy", eta_s=7.5)) == {
        "id": RID,
        "space": "demo",
        "user": "ada",
        "status": "queued",
        "done": False,
        "created_at": "2023-11-14T22:13:21.000000Z",
        "assigned_at": None,
        "started_at": None,
        "completed_at": None,
        "input": {"b": 1, "a": [1.0, 100.0]},
        "output": None,
        "error": None,
        "attempt": 0,
        "max_attempts": 2,
        "agent": None,
        "queue": {"position": 3, "reason": "agents_busy", "eta_s": 7.5},
        "progress": None,
        "metrics": {"queue_s": None, "run_s": None, "total_s": None, "first_output_s": None},
        "metadata": {"tag": "x"},
        "retry_of": None,
        "erased": False,
        "urls": {
            "self": f"/v1/requests/{RID}",
            "events": f"/v1/requests/{RID}/events",
            "cancel": f"/v1/requests/{RID}/cancel",
        },
    }


def test_the_input_is_passed_on_byte_by_byte() -> None:
    assert b'"input":{"b": 1,  "a": [1.0, 1e2]}' in encode(request_object(after(ACCEPTED)))


def test_a_silent_dispatcher_leaves_out_the_position() -> None:
    assert shown(after(ACCEPTED))["queue"] == {"reason": "", "eta_s": None}
    waiting = shown(after(ACCEPTED), QueuePlace(position=0, reason="waiting_turn"))["queue"]
    assert waiting == {"reason": "waiting_turn", "eta_s": None}


def test_a_processing_request_has_an_agent_and_no_place_in_the_queue() -> None:
    found = shown(after(ACCEPTED, ASSIGNED), QueuePlace(position=1))
    assert (found["status"], found["done"], found["attempt"]) == ("processing", False, 1)
    assert (found["agent"], found["queue"]) == ({"id": "ada/gpu"}, None)
    assert found["assigned_at"] == "2023-11-14T22:13:22.000000Z"
    assert found["metrics"] == {"queue_s": 1.0, "run_s": None, "total_s": None, "first_output_s": None}


def test_only_a_processing_request_has_progress() -> None:
    progress = Progress(fraction=0.5)
    assert shown(after(ACCEPTED, ASSIGNED), progress=progress)["progress"] == {"fraction": 0.5, "message": ""}
    assert shown(after(ACCEPTED), progress=progress)["progress"] is None
    assert shown(after(ACCEPTED, ASSIGNED))["progress"] is None


def test_a_succeeded_request() -> None:
    outcome = Succeeded(
        **base(2),
        agent="ada/gpu",
        gateway="h",
        output=msgspec.Raw(b'["any", "json"]'),
        output_sha256="s",
        started_s=0.25,
        run_s=0.4999999992792848,
        first_output_s=0.125,
    )
    found = shown(after(ACCEPTED, ASSIGNED, outcome))
    assert (found["status"], found["done"], found["output"], found["error"]) == ("succeeded", True, ["any", "json"], None)
    assert found["started_at"] == "2023-11-14T22:13:22.250000Z"
    assert found["completed_at"] == "2023-11-14T22:13:23.000000Z"
    assert found["metrics"] == {"queue_s": 1.0, "run_s": 0.5, "total_s": 2.0, "first_output_s": 1.375}


def test_a_failed_request_carries_a_problem() -> None:
    outcome = Failed(
        **base(2), error=Problem(code="handler_error", message="boom", retryable=True), agent="ada/gpu", run_s=1
    )
    found = shown(after(ACCEPTED, ASSIGNED, outcome))
    assert (found["status"], found["done"], found["output"]) == ("failed", True, None)
    assert found["error"] == {
        "type": "urn:websocket-spaces:problem:handler_error",
        "title": "The handler raised an error",
        "code": "handler_error",
        "detail": "boom",
        "retryable": True,
    }


def test_a_code_of_the_handlers_own_is_shown_as_it_is() -> None:
    outcome = Failed(**base(2), error=Problem(code="out_of_paint", message="no red left"))
    error = shown(after(ACCEPTED, ASSIGNED, outcome))["error"]
    assert (error["code"], error["detail"]) == ("out_of_paint", "no red left")


def test_a_timeout_that_no_agent_reported_tells_no_start() -> None:
    outcome = Failed(**base(2), error=Problem(code="execution_timeout", message="too slow"))
    found = shown(after(ACCEPTED, ASSIGNED, outcome))
    assert (found["started_at"], found["metrics"]["run_s"]) == (None, None)


def test_expired_and_canceled_requests_are_done() -> None:
    expired, canceled = shown(after(ACCEPTED, Expired(**base(1)))), shown(after(ACCEPTED, Canceled(**base(1))))
    assert (expired["status"], expired["done"], expired["error"]["code"]) == ("expired", True, "start_timeout")
    assert (canceled["status"], canceled["done"], canceled["error"]) == ("canceled", True, None)


def test_a_requeued_request_waits_again() -> None:
    found = shown(after(ACCEPTED, ASSIGNED, Requeued(**base(2), reason="agent_lost", gateway="h")))
    assert (found["status"], found["attempt"], found["agent"], found["assigned_at"]) == ("queued", 1, None, None)
