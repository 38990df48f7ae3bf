"""Where an agent connects next."""

from __future__ import annotations

import pytest

from spaces_agent.dial import Addresses


def test_each_round_tries_all_of_them() -> None:
    addresses = Addresses(["a", "b", "c"])
    for _ in range(20):
        assert {addresses.next([]) for _ in range(3)} == {"a", "b", "c"}


@pytest.mark.parametrize("in_use", [["a"], ["a", "b"], ["a", "a"]], ids=str)
def test_one_in_use_is_not_chosen_while_there_are_others(in_use: list[str]) -> None:
    addresses = Addresses(["a", "b", "c"])
    assert {addresses.next(in_use) for _ in range(30)} == {"a", "b", "c"} - set(in_use)


@pytest.mark.parametrize("in_use", [["a", "b"], ["b", "a", "a"]], ids=str)
def test_when_all_are_in_use_any_will_do(in_use: list[str]) -> None:
    addresses = Addresses(["a", "b"])
    assert {addresses.next(in_use) for _ in range(2)} == {"a", "b"}
