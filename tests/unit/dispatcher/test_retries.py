"""Retries of handlers that failed in a way that trying again may help: how many are left, and not before their time."""

import pytest

from services.contracts.events import Assigned, Requeued
from services.contracts.rpc import QueuePlace
from services.dispatcher.decide import Expire, assignments, timers
from services.dispatcher.events import event_of
from services.dispatcher.places import place
from services.dispatcher.state import SECOND, Partition
from tests.unit.dispatcher.given import CONN, NOW, a_partition, accepted, agent_report, following, report, rid


def failed(times: int, max_attempts: int = 3, delay_s: float = 5.0, start_timeout_s: float = 60.0) -> Partition:
    """Request 1, whose handler has failed so often."""
    partition = a_partition(agent_report())
    partition.apply(accepted(1, max_attempts=max_attempts, start_timeout_s=start_timeout_s), 10, NOW, NOW)
    for seq in range(11, 11 + 2 * times, 2):
        partition.apply(following(Assigned, 1, seq - 1), seq, NOW, NOW)
        requeued = following(Requeued, 1, seq, reason="retryable", started=True, conn=CONN, delay_s=delay_s)
        partition.apply(requeued, seq + 1, NOW, NOW)
    partition.fleet.fold(report(agent_report(), number=1), NOW)
    return partition


@pytest.mark.parametrize(("failures", "left", "delay_s"), [(0, 2, 1.0), (1, 1, 2.0), (2, 0, 4.0)])
def test_an_assignment_says_how_many_retries_are_left_and_how_soon(failures: int, left: int, delay_s: float) -> None:
    partition = failed(failures, delay_s=0.0)
    (assign,) = assignments(partition, "demo", NOW)
    event = event_of(assign, "e", "dispatcher:d")
    assert isinstance(event, Assigned)
    assert (event.retries_left, event.retry_delay_s) == (left, delay_s)


def test_retries_wait_a_minute_at_most() -> None:
    partition = failed(9, max_attempts=10, delay_s=0.0)
    (assign,) = assignments(partition, "demo", NOW)
    event = event_of(assign, "e", "dispatcher:d")
    assert isinstance(event, Assigned)
    assert event.retry_delay_s == 60.0


def test_a_retry_is_not_assigned_before_its_time() -> None:
    partition = failed(1, delay_s=5.0)
    before = NOW + 5 * SECOND - 1
    assert timers(partition, before) == []
    assert assignments(partition, "demo", before) == []
    assert place(partition, rid(1), lambda space: False, before) == QueuePlace(position=0, reason="retry_delay")
    assert timers(partition, NOW + 5 * SECOND) == []
    assert place(partition, rid(1), lambda space: False, NOW + 5 * SECOND) == QueuePlace(position=1, reason="waiting_turn")
    assert [assign.state.rid for assign in assignments(partition, "demo", NOW + 5 * SECOND)] == [rid(1)]


def test_a_request_may_expire_while_its_retry_waits() -> None:
    partition = failed(1, delay_s=50.0, start_timeout_s=10.0)
    (expire,) = timers(partition, NOW + 11 * SECOND)
    assert isinstance(expire, Expire)


def test_one_that_is_closed_meanwhile_is_not_woken() -> None:
    partition = failed(1, delay_s=5.0)
    partition.forget(rid(1))
    assert timers(partition, NOW + 5 * SECOND) == []
    assert partition.queues == {}
