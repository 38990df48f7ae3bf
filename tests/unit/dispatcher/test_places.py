"""Where a request stands and why it waits."""

from typing import Any

import pytest

from services.contracts.reports import AgentReport
from services.contracts.rpc import QueuePlace, SpaceQueue
from services.dispatcher.decide import assignments
from services.dispatcher.places import place, queue
from services.dispatcher.state import Partition
from tests.unit.dispatcher.given import NOW, a_partition, accepted, agent_report, rid


def never(space: str) -> bool:
    return False


def waiting(*agents: AgentReport, count: int = 1) -> Partition:
    """Requests 1 to `count` wait."""
    partition = a_partition(*agents)
    for number in range(1, count + 1):
        partition.apply(accepted(number), number, NOW, NOW)
    return partition


@pytest.mark.parametrize(
    ("agents", "reason"),
    [
        ([], "no_agent_online"),
        ([agent_report(spaces=["else"])], "no_agent_online"),
        ([agent_report(state="loading")], "agent_loading"),
        ([agent_report(state="draining")], "agent_draining"),
        ([agent_report(state="draining"), agent_report(state="loading", conn="conn-2")], "agent_loading"),
        ([agent_report(state="loading"), agent_report(conn="conn-2")], "waiting_turn"),
    ],
)
def test_the_reason_is_what_its_agents_are_doing(agents: list[AgentReport], reason: Any) -> None:
    assert place(waiting(*agents), rid(1), never, NOW) == QueuePlace(position=1, reason=reason)


def test_behind_others_it_waits_for_its_turn_and_first_in_the_queue_for_a_slot() -> None:
    partition = waiting(agent_report(slots=1), count=3)
    assignments(partition, "demo", NOW)
    assert place(partition, rid(2), never, NOW) == QueuePlace(position=1, reason="agents_busy")
    assert place(partition, rid(3), never, NOW) == QueuePlace(position=2, reason="waiting_turn")


def test_what_does_not_wait_has_no_place() -> None:
    partition = waiting(agent_report(), count=1)
    assignments(partition, "demo", NOW)
    assert place(partition, rid(7), never, NOW) == QueuePlace(position=0)


def test_what_waits_in_a_paused_space_says_so() -> None:
    partition = waiting(agent_report(), count=2)
    assert place(partition, rid(2), lambda space: space == "demo", NOW) == QueuePlace(position=2, reason="space_paused")
    assert place(partition, rid(2), lambda space: space == "other", NOW) == QueuePlace(position=2, reason="waiting_turn")


def test_a_queue_counts_what_waits_and_not_what_is_being_assigned() -> None:
    partition = waiting(agent_report(slots=1), count=3)
    assert queue(partition, "demo") == SpaceQueue(waiting=3, online=True)
    assignments(partition, "demo", NOW)
    assert queue(partition, "demo") == SpaceQueue(waiting=2, online=True)
    assert queue(partition, "empty") == SpaceQueue(waiting=0, online=False)


def test_an_agent_is_online_whatever_its_state() -> None:
    assert queue(waiting(agent_report(state="loading")), "demo").online
    assert not queue(waiting(agent_report(spaces=["else"])), "demo").online
