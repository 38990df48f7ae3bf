"""How many requests are assigned at once, and who is passed over in the queue meanwhile."""

from collections import deque

import pytest

from services.contracts.events import Assigned, Canceled, Failed, Limits, RequestEvent, Requeued, Succeeded
from services.dispatcher.decide import Assign, assignments, give_back, undo
from services.dispatcher.places import place
from services.dispatcher.quotas import NO_LIMITS, Counts, SpaceLimits
from services.dispatcher.state import Partition
from tests.unit.dispatcher.given import NOW, a_partition, accepted, agent_report, following, rid

ONE_EACH = SpaceLimits(per_user=1)


def waiting(*users: str, slots: int = 100, key_limit: int | None = None, keys: dict[int, str] | None = None) -> Partition:
    """Requests 1, 2, … wait, each of the user who is named; their keys are `k`, or these, with this limit."""
    partition = a_partition(agent_report(slots=slots))
    limits = None if key_limit is None else Limits(max_in_flight=key_limit)
    for number, user in enumerate(users, 1):
        key = (keys or {}).get(number, "k")
        partition.apply(accepted(number, user=user, key_id=key, limits=limits), number, NOW, NOW)
    return partition


def assigned(partition: Partition, limits: SpaceLimits = NO_LIMITS) -> list[int]:
    """The numbers of the requests that are assigned now."""
    return [number_of(decision) for decision in assignments(partition, "demo", NOW, limits)]


def number_of(decision: Assign) -> int:
    return decision.state.accepted_seq


def stored(partition: Partition, *events: RequestEvent, seq: int = 1000) -> None:
    """Fold these, one after the other."""
    for at, event in enumerate(events, seq):
        partition.apply(event, at, NOW, NOW)


def ended(number: int, kind: type[RequestEvent]) -> RequestEvent:
    return following(kind, number, 1000)


def test_a_space_has_no_more_requests_assigned_than_it_may() -> None:
    partition = waiting("a", "b", "c", "d")
    assert assigned(partition, SpaceLimits(in_flight=2)) == [1, 2]
    assert assigned(partition, SpaceLimits(in_flight=2)) == []


def test_who_is_at_the_limit_is_passed_over_and_not_waited_for() -> None:
    partition = waiting("greedy", "greedy", "greedy", "modest", "other")
    assert assigned(partition, ONE_EACH) == [1, 4, 5]
    partition.apply(accepted(6, user="late"), 6, NOW, NOW)
    assert assigned(partition, ONE_EACH) == [6], "though the greedy one is the next in the round"


def test_who_is_passed_over_keeps_their_turn() -> None:
    partition = waiting("a", "a", "b", "b", slots=2)
    assert assigned(partition, ONE_EACH) == [1, 3]
    stored(partition, following(Assigned, 1, 1), ended(1, Succeeded))
    assert assigned(partition, SpaceLimits(per_user=2)) == [2]


def test_a_lower_priority_goes_on_when_those_above_are_at_the_limit() -> None:
    partition = a_partition(agent_report())
    partition.apply(accepted(1, user="a", priority=5), 1, NOW, NOW)
    partition.apply(accepted(2, user="a", priority=5), 2, NOW, NOW)
    partition.apply(accepted(3, user="b"), 3, NOW, NOW)
    assert assigned(partition, ONE_EACH) == [1, 3]


def test_a_users_requests_of_different_priorities_count_together() -> None:
    partition = a_partition(agent_report())
    partition.apply(accepted(1, priority=5), 1, NOW, NOW)
    partition.apply(accepted(2), 2, NOW, NOW)
    assert assigned(partition, ONE_EACH) == [1]


def test_of_one_key_no_more_are_assigned_than_its_requests_say_and_others_of_the_user_go_on() -> None:
    partition = waiting("u", "u", "u", "u", key_limit=1, keys={3: "other", 4: "other"})
    assert assigned(partition) == [1, 3]


def test_requests_without_a_limit_of_their_key_go_on_beside_those_that_have_one() -> None:
    partition = waiting("u", "u", key_limit=1)
    partition.apply(accepted(3), 3, NOW, NOW)
    assert assigned(partition) == [1, 3]


def test_a_key_that_several_users_have_counts_for_all_of_them() -> None:
    assert assigned(waiting("a", "b", key_limit=1)) == [1]


def test_all_limits_hold_together() -> None:
    partition = waiting("a", "a", "a", "b", "b", "c", key_limit=1, keys={2: "a2", 3: "a3", 4: "b1", 5: "b1", 6: "c1"})
    limits = SpaceLimits(in_flight=4, per_user=2)
    assert assigned(partition, limits) == [1, 4, 6, 2]
    stored(partition, following(Assigned, 6, 6), ended(6, Succeeded))
    assert assigned(partition, limits) == []  # the user `a` has two, and the key `b1` its one
    stored(partition, following(Assigned, 1, 1), ended(1, Failed), seq=1100)
    assert assigned(partition, limits) == [3]


def test_a_space_counts_only_its_own() -> None:
    partition = waiting("u")
    partition.fleet.agents["conn-1"].report.spaces.append("other")
    elsewhere = accepted(1, space="other")
    partition.apply(elsewhere, 50, NOW, NOW)
    partition.apply(following(Assigned, 1, 50, space="other"), 51, NOW, NOW)
    assert assigned(partition, SpaceLimits(in_flight=1, per_user=1)) == [1]


@pytest.mark.parametrize("kind", [Succeeded, Failed, Canceled])
def test_an_outcome_gives_its_place_to_the_next(kind: type[RequestEvent]) -> None:
    partition = waiting("u", "u", "u")
    assert assigned(partition, ONE_EACH) == [1]
    stored(partition, following(Assigned, 1, 1))
    assert assigned(partition, ONE_EACH) == []
    stored(partition, ended(1, kind), seq=1001)
    assert assigned(partition, ONE_EACH) == [2]


def test_a_requeue_gives_its_place_back_and_may_take_it_again() -> None:
    partition = waiting("u", "u")
    assert assigned(partition, ONE_EACH) == [1]
    stored(partition, following(Assigned, 1, 1), ended(1, Requeued))
    partition.settled(rid(1), 1000)
    partition.fleet.agents["conn-1"].blocked_number = -1
    assert assigned(partition, ONE_EACH) == [1]


def test_an_assignment_that_could_not_be_stored_gives_its_place_back() -> None:
    partition = waiting("u", "u")
    (decision,) = assignments(partition, "demo", NOW, ONE_EACH)
    undo(partition, decision, NOW)
    assert assigned(partition, ONE_EACH) == [1]


def test_an_assignment_that_was_canceled_before_it_could_be_stored_gives_its_place_to_the_next() -> None:
    partition = waiting("u", "u")
    (decision,) = assignments(partition, "demo", NOW, ONE_EACH)
    give_back(partition, decision)
    partition.settled(rid(1), 1000)
    assert assigned(partition, ONE_EACH) == [2]
    stored(partition, following(Canceled, 1, 1))
    assert partition.in_flight.of("demo").users == {"u": 1}


def test_one_that_somebody_else_has_assigned_meanwhile_counts() -> None:
    partition = waiting("u", "u")
    (decision,) = assignments(partition, "demo", NOW, ONE_EACH)
    stored(partition, following(Assigned, 1, 1))
    give_back(partition, decision)
    assert assigned(partition, ONE_EACH) == []


def test_what_has_left_the_stream_unseen_counts_no_more() -> None:
    partition = waiting("u", "u")
    assert assigned(partition, ONE_EACH) == [1]
    stored(partition, following(Assigned, 1, 1))
    partition.forget(rid(1))
    assert assigned(partition, ONE_EACH) == [2]


def test_who_takes_over_counts_what_was_assigned_before() -> None:
    partition = waiting("u", "u", "v", key_limit=2)
    stored(partition, following(Assigned, 1, 1), following(Assigned, 3, 3))
    assert partition.in_flight.of("demo").total == 2
    assert assigned(partition, ONE_EACH) == []
    assert assigned(partition, SpaceLimits(in_flight=2)) == []
    assert assigned(partition) == []  # the key `k` has both
    stored(partition, ended(3, Succeeded), seq=1002)
    assert assigned(partition) == [2]


def test_a_limit_that_is_raised_or_lowered_holds_from_then_on() -> None:
    partition = waiting(*"u" * 6)
    assert assigned(partition, SpaceLimits(per_user=2)) == [1, 2]
    assert assigned(partition, SpaceLimits(per_user=1)) == []
    assert assigned(partition, SpaceLimits(per_user=4)) == [3, 4]
    assert assigned(partition) == [5, 6]


def test_a_canceled_request_of_a_full_lane_is_never_assigned_and_keeps_nobody_from_it() -> None:
    partition = waiting("u", "u", "u", "v", key_limit=1, keys={4: "v"})
    assert assigned(partition) == [1, 4]
    stored(partition, following(Canceled, 2, 2), following(Assigned, 1, 1), following(Succeeded, 1, 1001))
    assert assigned(partition) == [3]


def test_the_count_is_empty_when_everything_has_ended() -> None:
    partition = waiting("a", "b", key_limit=3)
    assigned(partition)
    stored(partition, following(Assigned, 1, 1), following(Assigned, 2, 2), ended(1, Succeeded), ended(2, Failed))
    assert partition.in_flight.of("demo") == Counts()


# Why it waits


def never(space: str) -> bool:
    return False


def reasons(partition: Partition, limits: SpaceLimits, *numbers: int) -> list[str]:
    return [place(partition, rid(number), never, NOW, lambda space: limits).reason for number in numbers]


def test_what_a_limit_keeps_waiting_says_so() -> None:
    partition = waiting("a", "a", "b", "b", slots=2)
    assert assigned(partition, ONE_EACH) == [1, 3]
    assert reasons(partition, ONE_EACH, 2, 4) == ["quota", "quota"]
    assert reasons(partition, SpaceLimits(in_flight=2), 2) == ["quota"]
    assert reasons(partition, NO_LIMITS, 2, 4) == ["agents_busy", "waiting_turn"]


def test_what_its_keys_limit_keeps_waiting_says_so_and_nobody_can_tell_for_how_long() -> None:
    partition = waiting("u", "u", "u", key_limit=1)
    assert assigned(partition) == [1]
    partition.durations["demo"] = deque([2.0])
    blocked = place(partition, rid(2), never, NOW)
    assert (blocked.position, blocked.reason, blocked.eta_s) == (1, "quota", None)


def test_without_an_agent_that_is_why_it_waits() -> None:
    partition = waiting("u", "u")
    assert assigned(partition, ONE_EACH) == [1]
    partition.fleet.gateway_gone("gateway-1", NOW)
    assert reasons(partition, ONE_EACH, 2) == ["no_agent_online"]


def test_when_it_is_assigned_is_reckoned_with_the_slots_that_the_space_may_use() -> None:
    partition = waiting("a", "b", "c", "d", slots=8)
    partition.durations["demo"] = deque([10.0])
    limits = SpaceLimits(in_flight=2)
    assert [place(partition, rid(n), never, NOW, lambda space: limits).eta_s for n in (2, 4)] == [0.0, 10.0]
    assert place(partition, rid(4), never, NOW).eta_s == 0.0
