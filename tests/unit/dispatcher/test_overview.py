"""What waits and runs of a space, and who is next."""

from collections import deque

from services.contracts.reports import AgentReport
from services.contracts.rpc import WaitingRequest
from services.dispatcher.overview import NEXT, overview
from services.dispatcher.state import SECOND, Partition
from tests.unit.dispatcher.given import NOW, a_partition, accepted, agent_report, rid


def waiting(count: int, *agents: AgentReport) -> Partition:
    partition = a_partition(*agents)
    for number in range(1, count + 1):
        partition.apply(accepted(number, user=f"u{number % 2}"), number, NOW, NOW)
    return partition


def test_the_first_are_named_in_the_order_in_which_they_go() -> None:
    found = overview(waiting(3), "demo", paused=False, now=NOW + 4 * SECOND)
    assert found.next == [WaitingRequest(rid=rid(n), user=f"u{n % 2}") for n in (1, 2, 3)]
    assert (found.waiting, found.processing, found.agents, found.slots, found.oldest_s) == (3, 0, {}, 0, 4.0)


def test_only_the_first_are_named_but_all_are_counted() -> None:
    found = overview(waiting(NEXT + 5), "demo", paused=False, now=NOW)
    assert (found.waiting, len(found.next)) == (NEXT + 5, NEXT)


def test_a_new_request_would_be_behind_those_that_wait_unless_the_space_is_paused() -> None:
    partition = waiting(3, agent_report(slots=2))
    partition.durations["demo"] = deque([4.0])
    assert overview(partition, "demo", paused=False, now=NOW).eta_s == 4.0
    assert overview(partition, "demo", paused=True, now=NOW).eta_s is None


def test_agents_are_counted_by_state() -> None:
    agents = [agent_report(), agent_report(conn="b", agent="owner/b", state="loading")]
    found = overview(waiting(0, *agents), "demo", paused=False, now=NOW)
    assert (found.agents, found.slots, found.free) == ({"ready": 1, "loading": 1}, 4, 4)


def test_an_unknown_space_is_empty() -> None:
    found = overview(waiting(2), "other", paused=False, now=NOW)
    assert (found.waiting, found.delayed, found.processing, found.oldest_s, found.next) == (0, 0, 0, None, [])
