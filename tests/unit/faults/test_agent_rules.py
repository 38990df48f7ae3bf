"""What the checker says of what agents were given, did and were told."""

import pytest

from tests.unit.faults.given import PID, RID, Given


def _given(slots: int = 1) -> Given:
    """A request that is assigned, its agent connected."""
    given = Given()
    given.process(slots)
    given.hello(slots)
    given.accepted()
    given.assigned()
    return given


LEASE = 2

# within_slots


def test_more_handlers_at_once_than_slots_are_too_many() -> None:
    given = _given()
    given.run("r1")
    given.wait(0.5).run("r2")
    assert len(given.violations("within_slots")) == 1


def test_a_handler_may_begin_when_the_one_before_it_ends() -> None:
    given = _given()
    given.run("r1")
    given.wait(1).run("r2")
    assert given.violations("within_slots") == []


def test_more_leases_than_slots_are_given_too_many() -> None:
    given = _given()
    given.frame("assign", 2)
    given.frame("assign", 3)
    assert given.violations("within_slots") == ["given 2 leases with 1 slots"]


def test_two_sockets_of_one_process_share_its_slots() -> None:
    given = _given()
    given.frame("assign", 2)
    given.hello(socket=2, in_flight=[{"lease": 2, "state": "running"}])
    given.frame("assign", 3, socket=2)
    assert given.violations("within_slots") == ["given 2 leases with 1 slots"]


@pytest.mark.parametrize("end", ["result", "stopped", "reject"])
def test_a_slot_is_free_when_the_agent_says_so(end: str) -> None:
    given = _given()
    given.frame("assign", 2)
    given.frame("cancel", 2)
    given.frame(end, 2)
    given.frame("assign", 3)
    assert given.violations("within_slots") == []


def test_a_result_that_waits_takes_no_slot() -> None:
    given = _given()
    given.hello(socket=2, in_flight=[{"lease": 2, "state": "result_pending"}])
    given.frame("assign", 3, socket=2)
    assert given.violations("within_slots") == []


def test_what_a_late_hello_names_may_be_over_already() -> None:
    given = _given()
    given.frame("assign", 2)
    given.frame("result", 2)
    given.hello(socket=2, in_flight=[{"lease": 2, "state": "running"}])
    given.frame("assign", 3, socket=2)
    assert given.violations("within_slots") == []


# given_once


def test_an_assignment_that_is_handed_out_again_is_given_twice() -> None:
    given = _given()
    given.frame("assign", LEASE)
    given.hello(socket=2)
    given.frame("assign", LEASE, socket=2)
    assert given.violations("given_once") == [f"lease {LEASE} was handed out 2 times"]


def test_the_next_attempt_is_another_assignment() -> None:
    given = _given()
    given.frame("assign", LEASE)
    given.frame("result", LEASE)
    given.frame("assign", LEASE + 2)
    assert given.violations("given_once") == []


# started_once


def test_an_attempt_that_is_started_twice_is_one_too_many() -> None:
    given = _given()
    given.run()
    given.run()
    assert given.violations("started_once") == ["attempt 1 was started 2 times"]


def test_an_attempt_is_for_its_own_agent() -> None:
    given = _given()
    given.run(agent="agent-2")
    assert given.violations("started_once") == ["attempt 1 of u/agent-1 was started by agent-2"]


def test_an_attempt_that_nobody_was_assigned_is_nobodys() -> None:
    given = _given()
    given.run(attempt=2)
    assert given.violations("started_once") == ["attempt 2 of nobody was started by agent-1"]


def test_two_attempts_are_started_once_each() -> None:
    given = _given()
    given.requeued("agent_lost")
    given.assigned()
    given.run(attempt=1)
    given.run(attempt=2)
    assert given.violations("started_once") == []


# told_when_recorded


def _ack(given: Given, outcome: str) -> list[str]:
    given.frame("result_ack", LEASE, outcome=outcome)
    return given.violations("told_when_recorded")


def test_a_result_that_is_recorded_is_acknowledged() -> None:
    given = _given()
    given.succeeded()
    assert _ack(given, "accepted") == []


def test_a_result_that_is_recorded_later_was_acknowledged_too_early() -> None:
    given = _given()
    given.frame("result_ack", LEASE, outcome="accepted")
    given.succeeded()
    assert given.violations("told_when_recorded") == [f"lease {LEASE} was recorded 1000.0 ms after that was said"]


def test_a_result_that_was_never_recorded_was_not_accepted() -> None:
    assert _ack(_given(), "accepted") == [f"lease {LEASE} is not recorded"]


def test_a_cancel_that_was_first_does_not_record_the_result() -> None:
    given = _given()
    given.event("canceled")
    assert _ack(given, "accepted") == [f"lease {LEASE} is not recorded"]


def test_a_failure_that_is_to_be_tried_again_is_recorded_as_requeued() -> None:
    given = _given()
    given.requeued("retryable", actor="gateway:g")
    assert _ack(given, "accepted") == []


def test_a_result_that_came_too_late_was_superseded() -> None:
    given = _given()
    given.event("canceled")
    assert _ack(given, "superseded") == []


def test_a_result_that_is_recorded_was_not_superseded() -> None:
    given = _given()
    given.succeeded()
    assert len(_ack(given, "superseded")) == 1


def test_unless_its_agent_had_offered_another_one() -> None:
    given = _given()
    given.frame("result", LEASE, sha256="a")
    given.frame("result", LEASE, sha256="b")
    given.succeeded()
    assert _ack(given, "superseded") == []


# stopped_when_void


def test_a_handler_that_still_runs_at_the_end_was_not_stopped() -> None:
    given = _given()
    given.run(seconds=None)
    assert given.violations("stopped_when_void") == ["attempt 1 still runs at agent-1"]


def test_a_handler_ends_with_its_process() -> None:
    given = Given()
    given.process(ended=5)
    given.run(seconds=None)
    assert given.history.runs[0].pid == PID
    assert given.violations("stopped_when_void") == []


def test_a_handler_that_has_ended_does_not_run() -> None:
    given = _given()
    given.run(RID)
    assert given.violations("stopped_when_void") == []
