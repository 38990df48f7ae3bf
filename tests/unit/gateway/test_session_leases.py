"""The gateway's session: assignments, results, cancels, and what outlives a socket."""

import msgspec
import pytest

from services.contracts.events import Failed, Requeued, Succeeded
from services.gateway.decisions import Append
from services.gateway.leases import Lease, LeaseTable
from services.gateway.verdicts import Verdict, Work
from spaces_agent import frames
from tests.unit.gateway.agent_session import AGENT, RID, Given, assigned, hello, names, result


def claimed(lease: int, state: str = "running") -> frames.InFlight:
    return frames.InFlight(**names(lease), state=state)  # type: ignore[arg-type]


def work(lease: int, verdict: Verdict = "continue", state: str = "running", age_s: float = 3.0) -> Work:
    return Work(claimed(lease, state), verdict, assigned(), age_s)


# Delivery


def test_an_assignment_goes_straight_through() -> None:
    given = Given().ready()
    assert given.session.deliver(assigned(), 5) == "held"
    (assign,) = given.frames(frames.Assign)
    assert (assign.request_id, assign.attempt, assign.lease, bytes(assign.input)) == (RID, 1, 5, b'{"x": 1}')
    assert (assign.deadline_s, assign.traceparent, assign.user) == (30.0, "tp", "u1")
    assert given.listed() == {5: "sent"}
    assert given.session.take_changed()


def test_an_assignment_before_the_welcome_has_no_connection() -> None:
    assert Given().session.deliver(assigned(), 5) == "no_connection"


def test_every_slot_can_be_taken_and_no_more() -> None:
    given = Given().ready()
    assert [given.session.deliver(assigned(), lease) for lease in (5, 6, 7)] == ["held", "held", "busy"]
    given.frames(frames.Assign, frames.Assign)


def test_a_handler_that_has_ended_takes_no_slot_while_its_result_is_recorded() -> None:
    given = Given().running(5, 6)
    given.session.receive(result(5), 1.0)
    assert given.session.deliver(assigned(), 7) == "held"
    assert given.session.deliver(assigned(), 8) == "busy"
    assert given.listed() == {5: "running", 6: "running", 7: "sent"}


def test_running_time_counts_from_the_accept_until_the_result() -> None:
    given = Given().ready()
    given.session.deliver(assigned(), 5)
    assert given.lease(5).running_s(50.0) == 0.0
    given.session.receive(frames.Accept(**names(5)), 100.0)
    assert given.lease(5).running_s(103.0) == 3.0
    given.session.receive(frames.Accept(**names(5)), 104.0)
    assert given.lease(5).running_s(105.0) == 5.0
    given.session.receive(result(5), 106.0)
    assert given.lease(5).running_s(200.0) == 6.0


@pytest.mark.parametrize("reason", ["full", "draining", "unhealthy", "unsupported"])
def test_a_rejected_assignment_is_given_back(reason: str) -> None:
    given = Given().ready()
    given.session.deliver(assigned(), 5)
    given.session.receive(frames.Reject(**names(5), reason=reason), 1.0)  # type: ignore[arg-type]
    event = given.appended()
    assert isinstance(event, Requeued)
    assert (event.reason, event.detail, event.started, event.prev_seq) == ("rejected", reason, False, 5)
    assert given.listed() == {}
    given.session.outcome_decided(given.lease(5), True, 1.0)
    given.frames(frames.Assign)
    assert given.table.get(5) is None


def test_an_agent_that_rejects_for_draining_gets_no_more() -> None:
    given = Given().ready()
    given.session.deliver(assigned(), 5)
    given.session.receive(frames.Reject(**names(5), reason="draining"), 1.0)
    assert given.session.deliver(assigned(), 6) == "no_connection"


# Results


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


def test_an_accept_of_something_not_held_is_refused_and_stopped() -> None:
    given = Given().ready()
    given.session.receive(frames.Accept(**names(5)), 1.0)
    assert given.frames(frames.Error, frames.Cancel)[1].lease == 5
    assert given.refused() == ("accept", "not_held")


# Void leases


def test_a_void_lease_is_cancelled_once_and_its_slot_stays_taken_until_it_has_stopped() -> None:
    given = Given().running(5, 6)
    given.session.void(5, "requeued")
    given.session.void(5, "requeued")
    (cancel,) = given.frames(frames.Cancel)
    assert (cancel.lease, cancel.reason) == (5, "requeued")
    assert given.listed() == {5: "stopping", 6: "running"}
    assert given.session.deliver(assigned(), 7) == "busy"
    given.session.receive(frames.Stopped(**names(5), outcome="stopped"), 1.0)
    assert given.session.deliver(assigned(), 7) == "held"
    given.decisions()


def test_a_result_that_crosses_the_cancel_is_superseded_and_frees_the_slot() -> None:
    given = Given().running(5)
    given.session.void(5, "failed")
    given.session.receive(result(5), 1.0)
    assert given.frames(frames.Cancel, frames.ResultAck)[1].outcome == "superseded"
    assert given.refused() == ("result", "superseded")
    assert given.listed() == {}
    given.session.receive(frames.Stopped(**names(5), outcome="already_finished"), 1.1)
    given.frames()


def test_a_lease_whose_result_is_being_recorded_is_not_cancelled() -> None:
    given = Given().running(5)
    given.session.receive(result(5), 1.0)
    given.session.void(5, "failed")
    given.frames()


def test_an_agent_that_stops_by_itself_gives_the_lease_back() -> None:
    given = Given().running(5)
    given.session.receive(frames.Stopped(**names(5), outcome="stopped"), 1.0)
    event = given.appended()
    assert isinstance(event, Requeued)
    assert (event.reason, event.started) == ("agent_lost", True)


# Across sockets


def test_a_lost_socket_keeps_its_leases_for_the_grace() -> None:
    given = Given().running(5)
    given.session.lost(100.0)
    assert given.session.report(100.0) is None
    given.table.expire(119.9)
    assert given.table.known(5) == "held"
    given.table.expire(120.0)
    assert given.table.known(5) == "no_connection"


def test_a_lease_that_was_being_stopped_is_not_kept() -> None:
    given = Given().running(5)
    given.session.void(5, "requeued")
    given.session.lost(100.0)
    assert given.table.get(5) is None


def test_a_lease_whose_result_is_being_recorded_outlives_the_grace() -> None:
    given = Given().running(5)
    given.session.receive(result(5), 1.0)
    given.session.lost(100.0)
    given.table.expire(1000.0)
    assert given.table.get(5) is not None


def test_work_that_goes_on_keeps_its_running_time() -> None:
    first = Given("c1").running(5, now=100.0)
    first.session.lost(110.0)
    second = Given("c2", first.table).ready(work(5), now=112.0)
    assert second.listed() == {5: "running"}
    assert second.lease(5).running_s(115.0) == 15.0
    first.table.expire(1000.0)
    assert second.session.holds(5)


def test_work_from_another_gateway_counts_from_its_assignment() -> None:
    given = Given().ready(work(5, age_s=7.0), now=100.0)
    assert given.lease(5).running_s(101.0) == 8.0
    given.session.receive(result(5), 102.0)
    event = given.appended()
    assert (event.space, event.origin, event.prev_seq) == ("demo", "gateway-a", 5)


def test_a_pending_result_is_listed_but_takes_no_slot() -> None:
    given = Given().ready(work(5, state="result_pending"), said=hello(slots=1, in_flight=[claimed(5, "result_pending")]))
    assert given.listed() == {5: "running"}
    assert given.session.deliver(assigned(), 6) == "held"


def test_void_work_takes_its_slot_until_it_has_stopped() -> None:
    given = Given().ready(work(5, "stop"), work(6, "already_done"), work(7, "stop", "result_pending"))
    assert given.listed() == {5: "stopping", 6: "stopping"}
    assert given.session.deliver(assigned(), 8) == "busy"
    given.session.receive(frames.Stopped(**names(5), outcome="stopped"), 1.0)
    assert given.session.deliver(assigned(), 8) == "held"


def test_work_that_was_never_the_agents_is_not_listed_and_harms_nobody() -> None:
    owner = Given("c1").running(5)
    liar = Given("c2", owner.table).ready(Work(claimed(5), "stop"), agent="u2/x")
    assert liar.listed() == {}
    liar.session.lost(1.0)
    assert owner.lease(5).conn == "c1"


def test_a_void_copy_of_a_lease_leaves_the_real_one_alone() -> None:
    owner = Given("c1").running(5)
    twin = Given("c2", owner.table).ready(work(5, "stop"), agent="u2/x")
    assert twin.listed() == {5: "stopping"}
    twin.session.receive(frames.Stopped(**names(5), outcome="stopped"), 1.0)
    twin.session.lost(1.0)
    assert owner.lease(5).conn == "c1"


def test_what_a_newer_hello_does_not_list_is_given_back_at_once() -> None:
    first = Given("c1").running(5, 6)
    first.session.lost(10.0)
    second = Given("c2", first.table).ready(work(6), now=11.0)
    event = second.appended()
    assert isinstance(event, Requeued)
    assert (event.prev_seq, event.reason) == (5, "agent_lost")
    assert second.listed() == {6: "running"}


def test_the_older_socket_does_not_take_along_what_the_newer_has() -> None:
    first = Given("c1").running(5)
    second = Given("c2", first.table).ready(work(5))
    first.session.lost(10.0)
    first.table.expire(1000.0)
    assert second.lease(5).conn == "c2"


def test_a_result_offered_again_on_a_new_socket_is_acknowledged_there() -> None:
    first = Given("c1").running(5)
    first.session.receive(result(5), 1.0)
    first.appended()
    first.session.lost(2.0)
    second = Given("c2", first.table).ready(work(5, state="result_pending"), now=3.0)
    second.session.receive(result(5), 3.1)
    second.decisions()
    second.session.outcome_decided(second.lease(5), True, 4.0)
    assert second.frames(frames.ResultAck)[0].outcome == "accepted"


# The table


def test_the_table_remembers_how_a_delivery_went() -> None:
    table = LeaseTable()
    assert table.known(5) is None
    table.answered(5, "busy")
    assert table.known(5) == "busy"
    lease = Lease.of(assigned(), 6, "c1")
    table.hold(lease)
    assert table.known(6) == "held"
    table.remove(lease)
    assert table.known(6) == "no_connection"


def test_an_outcome_carries_the_trace_of_its_request() -> None:
    given = Given().running(5)
    given.session.receive(result(5), 1.0)
    (append,) = given.decisions(Append)
    assert append.traceparent == "tp"
