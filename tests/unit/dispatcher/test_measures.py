"""How queues and agents are, in numbers."""

from services.contracts.events import Assigned
from services.contracts.reports import AgentReport
from services.dispatcher.measures import Measures, measure
from services.dispatcher.state import SECOND, Partition
from tests.unit.dispatcher.given import NOW, a_partition, accepted, agent_report, following, held


def waiting(count: int, *agents: AgentReport) -> Partition:
    """A request more each second."""
    partition = a_partition(*agents)
    for number in range(1, count + 1):
        partition.apply(accepted(number), number, NOW + number * SECOND, NOW)
    return partition


def measured(partition: Partition, *, paused: bool = False) -> Measures:
    return measure([partition], partition.fleet, lambda _: paused, NOW + 10 * SECOND)


def test_the_one_that_waits_longest_counts_and_those_that_run_do_not() -> None:
    partition = waiting(3, agent_report())
    assert measured(partition).oldest_s == 9.0
    partition.apply(following(Assigned, 1, 1), 4, NOW, NOW)
    assert measured(partition).oldest_s == 8.0
    assert measured(waiting(0)).oldest_s == 0.0


def test_a_request_is_unserved_when_nobody_is_there_unless_that_is_wanted() -> None:
    assert measured(waiting(2)).unserved == 2
    assert measured(waiting(2), paused=True).unserved == 0
    assert measured(waiting(2, agent_report(state="loading"))).unserved == 0


def test_agents_are_counted_by_state_and_slots_of_those_that_are_ready() -> None:
    agents = [agent_report(held(1, 7), slots=4), agent_report(conn="b", agent="owner/b", state="loading", slots=9)]
    found = measured(waiting(0, *agents))
    assert found.agents == {"ready": 1, "loading": 1, "draining": 0}
    assert (found.slots, found.free) == (4, 3)


def test_an_agent_that_has_come_back_is_counted_once() -> None:
    agents = [agent_report(slots=4), agent_report(conn="newer", slots=4)]
    assert measured(waiting(0, *agents)).slots == 4
