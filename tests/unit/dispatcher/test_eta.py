"""How long will a request wait?"""

import pytest

from services.contracts.events import Assigned, Failed, Succeeded
from services.contracts.rpc import QueuePlace
from services.dispatcher.decide import assignments
from services.dispatcher.eta import REMEMBERED, eta_s
from services.dispatcher.places import place
from services.dispatcher.state import Partition
from tests.unit.dispatcher.given import NOW, a_partition, accepted, agent_report, following, rid


def paused(_: str) -> bool:
    return True


def going(_: str) -> bool:
    return False


@pytest.mark.parametrize(
    ("position", "free", "slots", "recent", "expected"),
    [
        (1, 0, 1, [10.0], 10.0),
        (3, 0, 1, [10.0], 30.0),
        (3, 0, 2, [10.0], 15.0),
        (3, 2, 2, [10.0], 5.0),
        (2, 2, 2, [10.0], 0.0),
        (1, -1, 2, [10.0], 5.0),
        (1, 0, 1, [1.0, 2.0, 600.0], 2.0),
    ],
)
def test_runs_of_the_median_length_go_through_all_slots(
    position: int, free: int, slots: int, recent: list[float], expected: float
) -> None:
    assert eta_s(position, free, slots, recent) == expected


@pytest.mark.parametrize(("position", "slots", "recent"), [(0, 1, [1.0]), (1, 0, [1.0]), (1, 1, [])])
def test_without_place_slots_or_runs_nothing_is_known(position: int, slots: int, recent: list[float]) -> None:
    assert eta_s(position, 0, slots, recent) is None


def after_runs(*outcomes: tuple[type, float]) -> Partition:
    """Requests that ran one after the other so long, after which one more runs in the only slot, and three wait."""
    partition = a_partition(agent_report(slots=1))
    seq = 0
    for number, (kind, run_s) in enumerate(outcomes, 1):
        for event in (
            accepted(number),
            following(Assigned, number, seq + 1),
            following(kind, number, seq + 2, run_s=run_s),
        ):
            seq += 1
            partition.apply(event, seq, NOW, NOW)
    for number in range(101, 105):
        seq += 1
        partition.apply(accepted(number), seq, NOW, NOW)
    assignments(partition, "demo", NOW)
    return partition


def eta(partition: Partition, number: int) -> float | None:
    return place(partition, rid(number), going, NOW).eta_s


def test_it_is_told_from_the_runs_of_the_space() -> None:
    partition = after_runs((Succeeded, 4.0), (Failed, 6.0))
    assert [eta(partition, number) for number in (102, 103, 104)] == [5.0, 10.0, 15.0]


def test_what_never_ran_tells_nothing() -> None:
    assert eta(after_runs((Failed, 0.0)), 102) is None
    assert eta(after_runs(), 102) is None


def test_only_the_latest_runs_count() -> None:
    runs = [(Succeeded, 100.0)] * REMEMBERED + [(Succeeded, 1.0)] * REMEMBERED
    assert eta(after_runs(*runs), 102) == 1.0


def test_nobody_knows_how_long_a_space_stays_paused() -> None:
    assert place(after_runs((Succeeded, 4.0)), rid(102), paused, NOW) == QueuePlace(position=1, reason="space_paused")


def test_slots_of_agents_that_are_not_ready_are_none() -> None:
    partition = a_partition(agent_report(slots=1, state="loading"))
    partition.durations["demo"] = after_runs((Succeeded, 4.0)).durations["demo"]
    partition.apply(accepted(1), 1, NOW, NOW)
    assert place(partition, rid(1), going, NOW) == QueuePlace(position=1, reason="agent_loading")
