"""A request may be erased before this dispatcher has come to how it ended."""

import pytest

from services.contracts.events import Assigned, Erased
from services.dispatcher.decide import assignments, timers
from services.dispatcher.state import SECOND
from tests.unit.dispatcher.given import NOW, a_partition, accepted, agent_report, following, rid


@pytest.mark.parametrize("assigned", [False, True])
def test_what_is_erased_is_forgotten_with_its_lease_and_its_place(assigned: bool) -> None:
    partition = a_partition(agent_report(slots=1))
    partition.apply(accepted(1), 10, NOW, NOW)
    if assigned:
        partition.apply(following(Assigned, 1, 10), 11, NOW, NOW)
    assert partition.apply(following(Erased, 1, 12), 13, NOW, NOW) == "demo"
    assert (partition.requests, partition.leases, partition.queues, partition.seq) == ({}, {}, {}, 13)
    assert list(timers(partition, NOW + 3600 * SECOND)) == []
    partition.apply(accepted(2), 20, NOW, NOW)
    assert [decision.state.rid for decision in assignments(partition, "demo", NOW)] == [rid(2)], "its slot is free"
