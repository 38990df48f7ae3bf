"""Following the chains of adopted leases when the stream was trimmed behind the tail."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest

from services.contracts import subjects
from services.gateway import adopted
from services.gateway.adopted import Adopted
from services.gateway.leases import Lease, LeaseTable
from services.runtime.tail import Batch, TailTrimmed
from tests.support.bus import until
from tests.unit.gateway.agent_session import assigned


class Tails:
    """The first tail finds the stream trimmed; the others wait for ever. `filters` are theirs."""

    def __init__(self) -> None:
        self.filters: list[list[str]] = []

    def __call__(self, _: Any, __: str, filters: list[str], *___: Any, **____: Any) -> "Tails":
        self.filters.append(filters)
        return self

    async def batches(self) -> AsyncIterator[Batch]:
        if len(self.filters) == 1:
            raise TailTrimmed("REQUESTS", 1, 100)
        await asyncio.Event().wait()
        yield Batch([], 0)


async def test_a_chain_that_is_added_while_the_others_are_read_anew_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    table = LeaseTable()
    rids = [f"{number:032x}05" for number in range(3)]
    for number, rid in enumerate(rids, 5):
        table.hold(Lease.of(assigned(rid=rid), number, "c1"))

    class Delivery:
        async def recheck(self, leases: Iterable[Lease]) -> None:
            for lease in leases:
                if lease.lease == 6:
                    lease.state = "stopping"
            following.follow(rids[2], 7)

    async def end(_: Any) -> int:
        return 99

    delivery: Any = Delivery()
    following = Adopted(None, table, delivery, 60.0)  # type: ignore[arg-type]
    tails = Tails()
    monkeypatch.setattr(adopted, "Tail", tails)
    monkeypatch.setattr(adopted, "end_of_stream", end)
    following.follow(rids[0], 5)
    following.follow(rids[1], 6)
    running = asyncio.create_task(following.run())
    await until(lambda: len(tails.filters) == 3, "all are followed again")
    running.cancel()
    assert tails.filters[-1] == [subjects.chain(rids[0]), subjects.chain(rids[2])]
