"""What the owner of a partition decides."""

from typing import Any

import pytest

from services.contracts.events import Assigned, Canceled, Failed, Requeued, Succeeded
from services.contracts.reports import AgentReport
from services.dispatcher.decide import (
    GRACE,
    NEVER_LISTED,
    Assign,
    Check,
    Expire,
    Fail,
    Requeue,
    answered,
    assignments,
    timers,
    undo,
)
from services.dispatcher.state import MAX_LOSSES, SECOND, Partition
from tests.unit.dispatcher.given import (
    CONN,
    GATEWAY,
    NOW,
    a_partition,
    accepted,
    agent_report,
    following,
    held,
    report,
    rid,
)


def assigned_partition(*agents: AgentReport, now: int = NOW) -> Partition:
    """Request 1 was accepted at 10 and assigned at 11."""
    partition = a_partition(*agents, now=now)
    partition.apply(accepted(1), 10, now, now)
    partition.apply(following(Assigned, 1, 10), 11, now, now)
    return partition


def rids(decisions: list[Any]) -> list[str]:
    return [decision.state.rid for decision in decisions]


# Assignments


def test_waiting_requests_are_assigned_while_slots_are_free() -> None:
    partition = a_partition(agent_report(slots=2))
    for number in (1, 2, 3):
        partition.apply(accepted(number), number, NOW, NOW)
    decided = assignments(partition, "demo", NOW)
    assert rids(decided) == [rid(1), rid(2)]
    assert all(d.gateway == GATEWAY and d.agent.conn == CONN for d in decided)


def test_nothing_is_decided_twice_about_a_request_whose_event_is_under_way() -> None:
    partition = a_partition(agent_report())
    partition.apply(accepted(1), 1, NOW, NOW)
    assert len(assignments(partition, "demo", NOW)) == 1
    assert assignments(partition, "demo", NOW) == []
    assert timers(partition, NOW + 100 * SECOND) == []


def test_without_an_agent_requests_wait() -> None:
    partition = a_partition()
    partition.apply(accepted(1), 1, NOW, NOW)
    assert assignments(partition, "demo", NOW) == []
    assert len(partition.queues["demo"]) == 1


def test_an_assignment_that_could_not_be_stored_gives_request_and_slot_back() -> None:
    partition = a_partition(agent_report(slots=1))
    partition.apply(accepted(1), 1, NOW, NOW)
    (decision,) = assignments(partition, "demo", NOW)
    undo(partition, decision, NOW)
    assert rids(assignments(partition, "demo", NOW)) == [rid(1)]


def test_a_slot_is_reused_at_the_outcome_without_waiting_for_a_report() -> None:
    partition = a_partition(agent_report(slots=1))
    partition.apply(accepted(1), 1, NOW, NOW)
    partition.apply(accepted(2), 2, NOW, NOW)
    assignments(partition, "demo", NOW)
    partition.apply(following(Assigned, 1, 1), 3, NOW, NOW)
    assert assignments(partition, "demo", NOW) == []
    assert partition.apply(following(Succeeded, 1, 3), 4, NOW, NOW) == "demo"
    assert rids(assignments(partition, "demo", NOW)) == [rid(2)]


def test_a_request_canceled_while_its_assignment_was_under_way_leaves_nothing_behind() -> None:
    partition = a_partition(agent_report(slots=1))
    partition.apply(accepted(1), 1, NOW, NOW)
    (decision,) = assignments(partition, "demo", NOW)
    partition.apply(following(Canceled, 1, 1, attempt=0), 2, NOW, NOW)
    partition.fleet.release(decision.agent.conn, decision.state.rid, 0, confirmed=False)
    partition.settled(rid(1), 2)
    assert partition.requests == {}
    assert partition.pending == {}
    assert partition.fleet.agents[CONN].free == 1


def test_a_request_turned_down_by_its_agent_waits_a_moment_before_that_agent_is_asked_again() -> None:
    partition = assigned_partition(agent_report())
    partition.apply(following(Requeued, 1, 11, reason="rejected"), 12, NOW, NOW)
    partition.fleet.fold(report(agent_report(), number=1), NOW)
    assert assignments(partition, "demo", NOW) == []
    assert rids(assignments(partition, "demo", NOW + 2 * SECOND)) == [rid(1)]


# Expiry


def test_a_request_that_no_handler_started_in_time_expires() -> None:
    partition = a_partition()
    partition.apply(accepted(1, start_timeout_s=60.0), 1, NOW, NOW)
    assert timers(partition, NOW + 59 * SECOND) == []
    (decision,) = timers(partition, NOW + 61 * SECOND)
    assert decision == Expire(partition.requests[rid(1)])


def test_the_start_timeout_counts_anew_after_a_handler_has_started() -> None:
    partition = assigned_partition()
    requeued_at = NOW + 50 * SECOND
    partition.apply(following(Requeued, 1, 11, started=True), 12, requeued_at, requeued_at)
    assert timers(partition, NOW + 61 * SECOND) == []
    assert timers(partition, requeued_at + 61 * SECOND) == [Expire(partition.requests[rid(1)])]


def test_an_expiry_that_meets_an_assignment_under_way_is_looked_at_again() -> None:
    partition = a_partition(agent_report())
    partition.apply(accepted(1), 1, NOW, NOW)
    (decision,) = assignments(partition, "demo", NOW)
    assert timers(partition, NOW + 61 * SECOND) == []
    partition.fleet.fold(report(number=1), NOW)
    undo(partition, decision, NOW)
    assert timers(partition, NOW + 61 * SECOND) == [Expire(partition.requests[rid(1)])]


# Delivery


def test_an_assignment_that_no_report_lists_is_asked_for_after_a_second() -> None:
    partition = assigned_partition(agent_report())
    assert timers(partition, NOW + SECOND) == []
    assert timers(partition, NOW + SECOND + 1) == [Check(partition.requests[rid(1)])]


@pytest.mark.parametrize("answer", ["busy", "no_connection"])
def test_a_delivery_that_cannot_be_requeues(answer: Any) -> None:
    partition = assigned_partition(agent_report())
    check = Check(partition.requests[rid(1)])
    assert answered(partition, check, answer, NOW) == Requeue(check.state, answer, started=False)


@pytest.mark.parametrize("answer", ["held", "closed", "silence"])
def test_any_other_answer_to_a_delivery_check_requeues_nothing(answer: str) -> None:
    partition = assigned_partition(agent_report())
    assert answered(partition, Check(partition.requests[rid(1)]), answer, NOW) is None


def test_an_answer_about_a_lease_that_has_ended_changes_nothing() -> None:
    partition = assigned_partition(agent_report())
    check = Check(partition.requests[rid(1)])
    partition.apply(following(Succeeded, 1, 11), 12, NOW, NOW)
    assert answered(partition, check, "no_connection", NOW) is None


def orphaned(*agents: AgentReport) -> Partition:
    """Assigned, and the gateway was gone before it listed the lease: its agent may have it."""
    partition = assigned_partition(*agents)
    partition.fleet.gateway_gone(GATEWAY, NOW)
    assert answered(partition, Check(partition.requests[rid(1)]), "no_responders", NOW) is None
    return partition


def test_a_lease_whose_gateway_is_gone_gets_the_grace_for_its_agent_may_have_it() -> None:
    partition = orphaned(agent_report())
    assert timers(partition, NOW + GRACE) == []
    assert timers(partition, NOW + GRACE + 1) == [Requeue(partition.requests[rid(1)], "no_connection", started=False)]


def test_an_agent_that_comes_back_elsewhere_with_the_lease_goes_on() -> None:
    partition = orphaned(agent_report())
    later = NOW + 5 * SECOND
    partition.fleet.fold(report(agent_report(held(1, 11), conn="conn-2"), gateway="gateway-2"), later)
    assert timers(partition, later + SECOND) == []
    assert timers(partition, NOW + GRACE + 1) != [Requeue(partition.requests[rid(1)], "no_connection", started=False)]


def test_an_agent_that_comes_back_elsewhere_without_the_lease_never_had_it() -> None:
    partition = orphaned(agent_report())
    later = NOW + 2 * SECOND
    partition.fleet.fold(report(agent_report(conn="conn-2"), gateway="gateway-2"), later)
    assert timers(partition, later) == [Requeue(partition.requests[rid(1)], "no_connection", started=False)]


# Lost leases


MOMENT = SECOND + 1
"""So long a lease must have been absent before a connection without it counts."""


def listed_then_gone(now: int = NOW) -> Partition:
    partition = assigned_partition(agent_report(held(1, 11)))
    assert timers(partition, now) == []
    partition.fleet.fold(report(agent_report(gone=True), number=1, full=False), now)
    return partition


def test_a_lease_is_lost_when_nobody_has_listed_it_for_the_grace() -> None:
    partition = listed_then_gone()
    assert timers(partition, NOW + GRACE) == []
    assert timers(partition, NOW + GRACE + 1) == [Requeue(partition.requests[rid(1)], "agent_lost", started=True)]


def test_a_lease_that_another_gateway_lists_within_the_grace_goes_on() -> None:
    partition = listed_then_gone()
    later = NOW + 15 * SECOND
    partition.fleet.fold(report(agent_report(held(1, 11, running_s=1.0), conn="conn-2"), gateway="gateway-2"), later)
    assert timers(partition, later + SECOND) == []


def test_after_a_barrier_the_grace_counts_anew() -> None:
    partition = listed_then_gone()
    partition.fleet.raise_barrier(NOW + 15 * SECOND, frozenset())
    assert timers(partition, NOW + GRACE + SECOND) == []
    assert len(timers(partition, NOW + 15 * SECOND + GRACE + 1)) == 1


@pytest.mark.parametrize("boot", ["boot-1", "boot-2"])
def test_an_agent_that_is_connected_anew_without_the_lease_has_lost_it(boot: str) -> None:
    partition = listed_then_gone()
    partition.fleet.fold(report(agent_report(conn="conn-2", boot_id=boot), number=2), NOW)
    assert timers(partition, NOW + SECOND) == []
    assert timers(partition, NOW + MOMENT) == [Requeue(partition.requests[rid(1)], "agent_lost", started=True)]


def test_an_agent_that_has_not_come_back_has_the_grace() -> None:
    partition = listed_then_gone()
    other = agent_report(conn="conn-2", agent="owner/other")
    partition.fleet.fold(report(other, number=2), NOW)
    assert timers(partition, NOW + MOMENT) == []


def test_a_lease_that_its_gateway_holds_has_the_grace_although_it_was_assigned_before_we_knew_the_agent() -> None:
    partition = a_partition()
    partition.apply(accepted(1), 1, NOW, NOW)
    partition.apply(following(Assigned, 1, 1), 11, NOW, NOW)
    partition.fleet.fold(report(agent_report(), number=1), NOW)
    assert answered(partition, Check(partition.requests[rid(1)]), "held", NOW) is None
    assert timers(partition, NOW + GRACE) == []
    assert timers(partition, NOW + GRACE + 1) == [Requeue(partition.requests[rid(1)], "agent_lost", started=False)]


def test_a_lease_whose_handler_had_not_started_when_it_was_lost_says_so() -> None:
    partition = assigned_partition(agent_report(held(1, 11, state="sent")))
    timers(partition, NOW)
    partition.fleet.fold(report(number=1), NOW)
    assert timers(partition, NOW + GRACE + 1) == [Requeue(partition.requests[rid(1)], "agent_lost", started=False)]


def test_a_request_that_has_cost_too_many_agents_fails() -> None:
    partition = a_partition()
    partition.apply(accepted(1), 1, NOW, NOW)
    seq = 1
    for _ in range(MAX_LOSSES - 1):
        partition.apply(following(Assigned, 1, seq), seq + 1, NOW, NOW)
        partition.apply(following(Requeued, 1, seq + 1), seq + 2, NOW, NOW)
        seq += 2
    partition.apply(following(Assigned, 1, seq), seq + 1, NOW, NOW)
    partition.leases[rid(1)].seen = True
    assert timers(partition, NOW + GRACE + 1) == [Fail(partition.requests[rid(1)], "agent_lost")]


# Overdue handlers


def test_a_handler_is_overdue_by_its_own_running_time() -> None:
    partition = assigned_partition(agent_report(held(1, 11, running_s=9.0)))
    assert timers(partition, NOW + SECOND) == []
    (decision,) = timers(partition, NOW + SECOND + 1)
    assert isinstance(decision, Fail)
    assert decision.code == "execution_timeout"


def test_a_handler_whose_start_nobody_reported_is_overdue_some_time_after_the_assignment() -> None:
    partition = assigned_partition(agent_report(held(1, 11, state="sent")))
    limit = NOW + NEVER_LISTED + 10 * SECOND
    assert timers(partition, limit) == []
    assert timers(partition, limit + 1) == [Fail(partition.requests[rid(1)], "execution_timeout")]


# Folding


def test_folding_an_event_again_or_one_of_a_cut_chain_changes_nothing() -> None:
    partition = assigned_partition(agent_report())
    before = dict(partition.requests)
    assert partition.apply(following(Assigned, 1, 10), 11, NOW, NOW) is None
    assert partition.apply(following(Requeued, 2, 5), 13, NOW, NOW) is None
    assert partition.requests == before


def test_closed_requests_are_forgotten() -> None:
    partition = assigned_partition(agent_report())
    partition.apply(following(Failed, 1, 11), 12, NOW, NOW)
    assert (partition.requests, partition.leases, partition.queues) == ({}, {}, {})


def test_an_assign_decision_carries_what_the_event_needs() -> None:
    partition = a_partition(agent_report())
    partition.apply(accepted(1), 1, NOW, NOW)
    (decision,) = assignments(partition, "demo", NOW)
    assert isinstance(decision, Assign)
    assert decision.state.seq == 1


# What must not pile up, or be forgotten


def test_an_assignment_is_given_back_although_its_queue_has_emptied_meanwhile() -> None:
    partition = a_partition(agent_report(slots=1))
    partition.apply(accepted(1), 1, NOW, NOW)
    (decision,) = assignments(partition, "demo", NOW)
    partition.apply(accepted(2), 2, NOW, NOW)
    partition.apply(following(Canceled, 2, 2, attempt=0), 3, NOW, NOW)
    undo(partition, decision, NOW)
    assert rids(assignments(partition, "demo", NOW)) == [rid(1)]


def test_start_timeouts_of_closed_requests_are_not_kept() -> None:
    partition = a_partition(agent_report())
    for number in range(1, 5000):
        partition.apply(accepted(number, start_timeout_s=3600.0), 2 * number, NOW, NOW)
        partition.apply(following(Canceled, number, 2 * number, attempt=0), 2 * number + 1, NOW, NOW)
    assert len(partition._expiries) < 2000
    partition.apply(accepted(5000, start_timeout_s=1.0), 20_000, NOW, NOW)
    assert rids(timers(partition, NOW + 2 * SECOND)) == [rid(5000)]


def test_a_lease_that_was_listed_while_its_gateway_was_asked_is_left_alone() -> None:
    partition = assigned_partition(agent_report())
    (check,) = timers(partition, NOW + 2 * SECOND)
    assert isinstance(check, Check)
    moved = agent_report(held(1, 11), conn="conn-2")
    partition.fleet.fold(report(moved, gateway="gateway-2"), NOW + 2 * SECOND)
    assert answered(partition, check, "no_connection", NOW + 2 * SECOND) is None
    assert partition.pending == {}


@pytest.mark.parametrize("status", ["queued", "processing"])
def test_a_request_whose_chain_was_trimmed_is_forgotten(status: str) -> None:
    partition = assigned_partition(agent_report(slots=1))
    if status == "queued":
        partition = a_partition(agent_report(slots=1))
        partition.apply(accepted(1), 10, NOW, NOW)
        assignments(partition, "demo", NOW)
        partition.fleet.release(CONN, rid(1), 0, confirmed=False)
    partition.forget(rid(1))
    assert (partition.requests, partition.leases, partition.pending) == ({}, {}, {})
    assert assignments(partition, "demo", NOW) == []
    assert partition.fleet.agents[CONN].free == 1


# Losses that gateways have found


def lost_by_its_gateway(times: int) -> Partition:
    """Request 1, of which the gateway has found so often that its agent was lost."""
    partition = a_partition(agent_report())
    partition.apply(accepted(1), 10, NOW, NOW)
    for seq in range(11, 11 + 2 * times, 2):
        partition.apply(following(Assigned, 1, seq - 1), seq, NOW, NOW)
        partition.apply(following(Requeued, 1, seq, reason="agent_lost", started=True), seq + 1, NOW, NOW)
    return partition


def test_a_request_that_has_cost_too_many_agents_fails_whoever_found_it() -> None:
    partition = lost_by_its_gateway(MAX_LOSSES)
    assert assignments(partition, "demo", NOW) == []
    (failure,) = timers(partition, NOW)
    assert isinstance(failure, Fail)
    assert failure.code == "agent_lost"
    assert timers(partition, NOW) == []
    undo(partition, failure, NOW)
    assert timers(partition, NOW) == [failure]


def test_before_that_it_is_given_to_another_agent() -> None:
    partition = lost_by_its_gateway(MAX_LOSSES - 1)
    assert timers(partition, NOW) == []
    partition.fleet.fold(report(agent_report(), number=1), NOW)
    assert rids(assignments(partition, "demo", NOW)) == [rid(1)]


@pytest.mark.parametrize("reason", ["no_connection", "agent_lost"])
def test_a_connection_that_is_gone_is_left_alone_until_the_next_report(reason: str) -> None:
    partition = assigned_partition(agent_report())
    partition.apply(following(Requeued, 1, 11, reason=reason, conn=CONN), 12, NOW, NOW)
    assert assignments(partition, "demo", NOW) == []
    partition.fleet.fold(report(agent_report(), number=1), NOW)
    assert rids(assignments(partition, "demo", NOW)) == [rid(1)]
