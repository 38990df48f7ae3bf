"""Who owns which partition."""

import pytest

from services.contracts.ids import PARTS
from services.dispatcher.ownership import LeaseView, candidates, shares, step, strikes_after

TWO = frozenset({"dispatcher-a", "dispatcher-b"})
FREE = LeaseView("", 0)
NONE: frozenset[str] = frozenset()


def parts_of(me: str, live: frozenset[str]) -> set[int]:
    return {part for part, owner in shares(live).items() if owner == me}


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 16, 20])
def test_every_partition_has_one_owner_and_all_have_equal_shares(count: int) -> None:
    live = frozenset(f"dispatcher-{n:x}{n * n:03x}" for n in range(count))
    sizes = [len(parts_of(id, live)) for id in live]
    assert shares(live).keys() == set(range(PARTS))
    assert sum(sizes) == PARTS
    assert max(sizes) <= -(-PARTS // count)


@pytest.mark.parametrize("count", [1, 2, 4, 8, 16])
def test_shares_that_can_be_equal_are(count: int) -> None:
    live = frozenset(f"dispatcher-{n:x}{n * n:03x}" for n in range(count))
    assert {len(parts_of(id, live)) for id in live} == {PARTS // count}


def test_a_second_dispatcher_takes_its_share_and_moves_nothing_else() -> None:
    alone = parts_of("dispatcher-a", frozenset({"dispatcher-a"}))
    assert alone == set(range(PARTS))
    assert parts_of("dispatcher-a", TWO) | parts_of("dispatcher-b", TWO) == alone


def test_the_death_of_one_of_four_moves_few_partitions_of_the_others() -> None:
    four = frozenset(f"dispatcher-{n}" for n in range(4))
    for dead in four:
        before, after = shares(four), shares(four - {dead})
        moved = [part for part in range(PARTS) if before[part] not in (dead, after[part])]
        assert len(moved) <= PARTS // 4


def test_a_free_partition_is_claimed_by_its_wanted_owner_only() -> None:
    assert step("dispatcher-a", "dispatcher-a", FREE, NONE, settled=False) == "claim"
    assert step("dispatcher-b", "dispatcher-a", FREE, NONE, settled=False) == "nothing"


def test_a_living_owner_is_left_alone() -> None:
    assert step("dispatcher-a", "dispatcher-a", LeaseView("dispatcher-b", 7), NONE, settled=True) == "nothing"


def test_a_dead_owners_partitions_are_claimed_though_its_key_has_not_expired() -> None:
    dead = frozenset({"dispatcher-b"})
    wanted = shares(candidates("dispatcher-a", TWO, dead))
    assert set(wanted.values()) == {"dispatcher-a"}
    assert step("dispatcher-a", wanted[0], LeaseView("dispatcher-b", 7), dead, settled=False) == "claim"


def test_an_owner_hands_over_only_when_the_live_set_has_settled() -> None:
    lease = LeaseView("dispatcher-a", 7)
    assert step("dispatcher-a", "dispatcher-b", lease, NONE, settled=False) == "renew"
    assert step("dispatcher-a", "dispatcher-b", lease, NONE, settled=True) == "release"


def test_one_is_its_own_candidate_before_its_key_is_seen_and_whatever_its_peers_hear() -> None:
    assert candidates("dispatcher-a", frozenset({"dispatcher-b"}), NONE) == TWO
    assert candidates("dispatcher-a", TWO, TWO) == {"dispatcher-a"}


def test_only_no_responders_is_a_strike_and_an_answer_clears_them() -> None:
    strikes = strikes_after({}, {"a": False, "b": None, "c": True})
    assert strikes == {"a": 1, "b": 0, "c": 0}
    strikes = strikes_after(strikes, {"a": False, "b": False, "c": False})
    assert strikes == {"a": 2, "b": 1, "c": 1}
    assert strikes_after(strikes, {"a": True}) == {"a": 0}
