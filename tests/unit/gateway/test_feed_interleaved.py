"""Nothing is missing and nothing comes twice, however chain and output interleave and wherever a reader is cut off."""

import random
from typing import Any

import pytest

from services.gateway.cursor import parse
from services.gateway.feed import Feed
from services.gateway.items import Item
from tests.unit.gateway.given_feed import Life, feed

RECORDS = ("output", "progress", "log")


class World:
    """A life as it goes on, and one reader of it: every connection gets the chain so far, then both streams in any order."""

    def __init__(self, life: Life, chance: random.Random) -> None:
        self._life, self._chance = life, chance
        self._now = chance.randint(1, len(life.stored))
        self.seen: list[Item] = []

    def connect(self) -> bool:
        """One connection until it is cut; whether the reader has seen the end."""
        here = feed(parse(self.seen[-1].id) if self.seen else None)
        patience = self._chance.choice([1, 2, 3, 5, 100])
        if not self._show(here.events(self._so_far(3)), patience):
            return False
        read = {3: len(self._so_far(3)), 2: 0}
        for _ in range(10_000):
            if here.ended:
                return True
            if not self._show(self._step(here, read), patience):
                return False
        raise AssertionError("the feed did not end")

    def _step(self, here: Feed, read: dict[int, int]) -> list[Item]:
        what = self._chance.choice(["goes on", "chain", "output", "stored"])
        if what == "goes on":
            self._now = min(len(self._life.stored), self._now + 1)
            return []
        if what == "stored":
            last = self._so_far(2)
            return here.stored(last[-1][1] if last else 0) if here.finishing else []
        arity = 3 if what == "chain" else 2
        batch = self._so_far(arity)[read[arity] :][: self._chance.randint(1, 4)]
        read[arity] += len(batch)
        return here.events(batch) if arity == 3 else here.records(batch)

    def _so_far(self, arity: int) -> list[Any]:
        return [each for each in self._life.stored[: self._now] if len(each) == arity]

    def _show(self, items: list[Item], patience: int) -> bool:
        for item in items:
            self.seen.append(item)
            if self._chance.randrange(patience) == 0 and patience < 100:
                return False
        return True


def check(seen: list[Item], life: Life) -> None:
    assert len({item.id for item in seen}) == len(seen), "something was shown twice"
    chain = [item for item in seen if item.name not in (*RECORDS, "output_reset")]
    kinds = {"Accepted": "queued", "Assigned": "assigned", "Requeued": "requeued"}
    assert [item.name for item in chain] == [kinds.get(type(event).__name__, "completed") for event, _, _ in life.links]
    current: list[int] = []
    attempt = 0
    for before, item in zip([None, *seen], seen, strict=False):
        if item.name == "assigned":
            assert current == [], "the output of a void attempt was not taken back"
            attempt = item.data.attempt  # type: ignore[attr-defined]
        elif item.name in RECORDS:
            assert (item.data.attempt, item.data.index) == (attempt, len(current) + 1)  # type: ignore[attr-defined]
            current.append(item.data.index)  # type: ignore[attr-defined]
        elif item.name == "output_reset":
            assert before is not None
            assert before.name == "requeued"
            assert current, "nothing was shown that could be taken back"
            current = []
        elif item.name == "requeued":
            attempt = 0
    assert seen[-1].name == "completed"
    last = life.lease if life.links[-2][1] == life.lease else None
    assert len(current) == len([record for record, _ in life.records if record.lease == last])


@pytest.mark.parametrize("hundred", range(8))
def test_however_it_interleaves_and_is_cut_nothing_is_missing_and_nothing_comes_twice(hundred: int) -> None:
    for seed in range(100 * hundred, 100 * (hundred + 1)):
        life = Life(seed).random()
        world = World(life, random.Random(seed))
        while not world.connect():
            assert len(world.seen) < 1000
        check(world.seen, life)
        here = feed(parse(world.seen[-1].id))
        assert (here.events(life.links), here.ended) == ([], True)
