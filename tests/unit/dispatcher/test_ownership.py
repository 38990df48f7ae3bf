"""Who owns which partition."""

from services.contracts.ids import PARTS
from services.dispatcher.ownership import LeaseView, preferred, step, strikes_after

TWO = frozenset({"dispatcher-a", "dispatcher-b"})
FREE = LeaseView("", 0)


def parts_of(me: str, live: frozenset[str]) -> list[int]:
    return [part for part in range(PARTS) if preferred(part, live) == me]


def test_every_partition_has_exactly_one_preferred_owner_and_each_dispatcher_gets_some():
    shares = [parts_of(id, TWO) for id in TWO]
    assert sorted(part for share in shares for part in share) == list(range(PARTS))
    assert all(shares)


def test_a_dispatcher_that_joins_takes_partitions_only_for_itself():
    three = TWO | {"dispatcher-c"}
    moved = [part for part in range(PARTS) if preferred(part, TWO) != preferred(part, three)]
    assert moved == parts_of("dispatcher-c", three)


def test_a_free_partition_is_claimed_by_its_preferred_owner_only():
    part = parts_of("dispatcher-a", TWO)[0]
    assert step("dispatcher-a", part, FREE, TWO, frozenset(), settled=False) == "claim"
    assert step("dispatcher-b", part, FREE, TWO, frozenset(), settled=False) == "nothing"


def test_a_living_owner_is_left_alone():
    part = parts_of("dispatcher-a", TWO)[0]
    lease = LeaseView("dispatcher-b", 7)
    assert step("dispatcher-a", part, lease, TWO, frozenset(), settled=True) == "nothing"


def test_a_dead_owners_partitions_are_claimed_though_its_key_has_not_expired():
    lease, dead = LeaseView("dispatcher-b", 7), frozenset({"dispatcher-b"})
    assert all(step("dispatcher-a", part, lease, TWO, dead, settled=False) == "claim" for part in range(PARTS))


def test_an_owner_hands_over_only_when_the_live_set_has_settled():
    part = parts_of("dispatcher-b", TWO)[0]
    lease = LeaseView("dispatcher-a", 7)
    assert step("dispatcher-a", part, lease, TWO, frozenset(), settled=False) == "renew"
    assert step("dispatcher-a", part, lease, TWO, frozenset(), settled=True) == "release"


def test_only_no_responders_is_a_strike_and_an_answer_clears_them():
    strikes = strikes_after({}, {"a": False, "b": None, "c": True})
    assert strikes == {"a": 1, "b": 0, "c": 0}
    strikes = strikes_after(strikes, {"a": False, "b": False, "c": False})
    assert strikes == {"a": 2, "b": 1, "c": 1}
    assert strikes_after(strikes, {"a": True}) == {"a": 0}


def test_a_dead_dispatcher_is_handed_nothing_though_its_key_has_not_expired():
    mine = LeaseView("dispatcher-a", 7)
    assert all(
        step("dispatcher-a", part, mine, TWO, frozenset({"dispatcher-b"}), settled=True) == "renew" for part in range(PARTS)
    )
