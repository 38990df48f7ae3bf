"""The gateway's session: results, and the events that they become."""

import msgspec
import pytest

from services.contracts.events import Failed, Succeeded
from services.gateway.decisions import Append
from spaces_agent import frames
from tests.unit.gateway.agent_session import AGENT, RID, Given, names, result


def test_a_result_becomes_an_event_and_is_acknowledged_when_that_is_decided() -> None:
    given = Given().running(5)
    given.session.receive(result(5, b'{"y":2}', run_s=0.5, log_tail="ok"), 1.0)
    event = given.appended()
    assert isinstance(event, Succeeded)
    assert (event.rid, event.prev_seq, event.attempt, event.actor) == (RID, 5, 1, f"agent:{AGENT}")
    assert (event.gateway, event.agent, event.origin) == ("gateway-b", AGENT, "gateway-a")
    assert (bytes(event.output), event.run_s, event.log_tail) == (b'{"y":2}', 0.5, "ok")
    given.frames()
    given.session.outcome_decided(given.lease(5), True, 2.0)
    assert given.frames(frames.ResultAck)[0].outcome == "accepted"
    assert given.listed() == {}
    assert given.table.get(5) is None


def test_durations_are_recorded_to_the_microsecond() -> None:
    given = Given().running(5)
    given.session.receive(result(5, b"1", started_s=0.00024918599956436083, run_s=1 / 3, first_output_s=0.1 + 0.2), 1.0)
    event = given.appended()
    assert isinstance(event, Succeeded)
    assert (event.started_s, event.run_s, event.first_output_s) == (0.000249, 0.333333, 0.3)


def test_the_same_result_has_the_same_id_at_every_gateway() -> None:
    first, second = Given("c1").running(5), Given("c2").running(5)
    for given in (first, second):
        given.session.receive(result(5), 1.0)
    assert first.appended().id == second.appended().id


def test_another_result_has_another_id() -> None:
    ids = set()
    for lease, output in ((5, b"1"), (5, b"2"), (6, b"1")):
        given = Given().running(lease)
        given.session.receive(result(lease, output), 1.0)
        ids.add(given.appended().id)
    assert len(ids) == 3


def test_a_repeated_result_waits_for_the_first_and_is_then_a_duplicate() -> None:
    given = Given().running(5)
    given.session.receive(result(5), 1.0)
    event = given.appended()
    given.session.receive(result(5), 1.1)
    given.decisions()
    given.session.outcome_decided(given.lease(5), True, 2.0)
    given.table.decided(5, event.id)
    given.frames(frames.ResultAck)
    given.session.receive(result(5), 3.0)
    assert given.frames(frames.ResultAck)[0].outcome == "duplicate"
    given.decisions()


def test_another_result_for_a_decided_lease_is_superseded() -> None:
    given = Given().running(5)
    given.session.receive(result(5), 1.0)
    event = given.appended()
    given.session.outcome_decided(given.lease(5), True, 2.0)
    given.table.decided(5, event.id)
    given.frames(frames.ResultAck)
    given.session.receive(result(5, b"2"), 3.0)
    assert given.frames(frames.Error, frames.ResultAck)[1].outcome == "superseded"
    assert given.refused() == ("result", "not_held")


def test_a_second_result_while_the_first_is_recorded_is_not_recorded() -> None:
    given = Given().running(5)
    given.session.receive(result(5), 1.0)
    given.appended()
    given.session.receive(result(5, b"2"), 1.1)
    assert given.refused() == ("result", "superseded")


def test_a_result_that_came_too_late_is_superseded_and_shown() -> None:
    given = Given().running(5)
    given.session.receive(result(5), 1.0)
    given.appended()
    given.session.outcome_decided(given.lease(5), False, 2.0)
    assert given.frames(frames.ResultAck)[0].outcome == "superseded"
    assert given.refused() == ("result", "superseded")


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (result(6), "not_held"),
        (msgspec.structs.replace(result(5), attempt=2), "stale_lease"),
        (msgspec.structs.replace(result(5), request_id="1" * 32 + "05"), "stale_lease"),
    ],
)
def test_a_result_that_is_not_current_is_refused_by_its_lease(frame: frames.Result, reason: str) -> None:
    given = Given().running(5)
    given.session.receive(frame, 1.0)
    error, ack = given.frames(frames.Error, frames.ResultAck)
    assert (error.code, error.request_id, ack.lease, ack.outcome) == (reason, "", frame.lease, "superseded")
    assert given.refused() == ("result", reason)
    assert given.listed() == {5: "running"}


def test_a_digest_that_does_not_fit_is_a_bad_frame() -> None:
    given = Given().running(5)
    given.session.receive(result(5, sha256="0" * 64), 1.0)
    assert given.frames(frames.Error)[0].request_id == RID
    assert given.refused() == ("result", "invalid")


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (frames.HandlerError(code="handler_error", message="boom"), "handler_error", "boom"),
        (frames.HandlerError(code="ValueError", message="boom"), "handler_error", "boom"),
        (frames.HandlerError(code="output_too_large", message="big"), "output_too_large", "big"),
        (None, "handler_error", "the agent gave no reason"),
    ],
)
def test_a_failure_is_final_with_one_of_our_codes(error: frames.HandlerError | None, code: str, message: str) -> None:
    given = Given().running(5)
    given.session.receive(result(5, status="failed", error=error), 1.0)
    event = given.appended()
    assert isinstance(event, Failed)
    assert (event.error.code, event.error.message) == (code, message)


def test_an_output_at_the_limit_is_recorded_and_above_it_fails() -> None:
    given = Given().running(5, 6)
    given.session.receive(result(5, b'"' + b"x" * (frames.MAX_INLINE_BYTES - 2) + b'"'), 1.0)
    assert isinstance(given.appended(), Succeeded)
    given.session.receive(result(6, b'"' + b"x" * (frames.MAX_INLINE_BYTES - 1) + b'"'), 1.0)
    event = given.appended()
    assert isinstance(event, Failed)
    assert event.error.code == "output_too_large"


@pytest.mark.parametrize("output", [b"[" * 101 + b"]" * 101, b'{"a":1e999}', b'{"a":"\xff"}', b"1" * 5000])
def test_an_output_that_others_could_not_decode_fails_its_request(output: bytes) -> None:
    given = Given().running(5)
    given.session.receive(result(5, output), 1.0)
    event = given.appended()
    assert isinstance(event, Failed)
    assert event.error.code == "handler_error"


def test_an_accept_of_something_not_held_is_refused_and_stopped() -> None:
    given = Given().ready()
    given.session.receive(frames.Accept(**names(5)), 1.0)
    assert given.frames(frames.Error, frames.Cancel)[1].lease == 5
    assert given.refused() == ("accept", "not_held")


def test_an_outcome_carries_the_trace_of_its_request() -> None:
    given = Given().running(5)
    given.session.receive(result(5), 1.0)
    (append,) = given.decisions(Append)
    assert append.traceparent == "tp"
