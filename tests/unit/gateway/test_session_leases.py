"""The gateway's session: assignments, results, cancels, and what outlives a socket."""

import pytest

from services.contracts.events import Requeued
from services.gateway.leases import Lease, LeaseTable
from services.gateway.verdicts import Verdict, Work
from spaces_agent import frames
from tests.unit.gateway.agent_session import RID, Given, assigned, hello, names, result


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


def test_a_pending_result_has_the_handlers_time_once_more_to_come() -> None:
    first = Given("c1").running(5, now=100.0)
    first.session.lost(110.0)
    second = Given("c2", first.table).ready(work(5, state="result_pending"), work(6, state="result_pending"), now=125.0)
    assert [second.lease(lease).running_s(125.0) for lease in (5, 6)] == [0.0, 0.0], "the handlers ended before"
    second.session.receive(result(5), 127.0)
    assert [second.lease(lease).running_s(140.0) for lease in (5, 6)] == [2.0, 15.0]


def test_void_work_takes_its_slot_until_it_has_stopped() -> None:
    given = Given().ready(work(5, "stop"), work(6, "already_done"), work(7, "stop", "result_pending"))
    assert given.listed() == {5: "stopping", 6: "stopping"}
    assert given.session.deliver(assigned(), 8) == "busy"
    given.session.receive(frames.Stopped(**names(5), outcome="stopped"), 1.0)
    assert given.session.deliver(assigned(), 8) == "held"


def test_a_result_that_is_brought_along_too_late_is_shown() -> None:
    given = Given().ready(work(5, "stop"), work(6, "stop", "result_pending"), work(7, "already_done", "result_pending"))
    assert given.refused() == ("result", "superseded")


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
