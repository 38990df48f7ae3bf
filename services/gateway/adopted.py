"""Follows the chains of leases that agents brought along from other gateways.

The events of those chains name the gateway that the request was assigned to, so this gateway's own tail does not see them.
All of them share one consumer, which is made again when chains are added."""

import asyncio

from nats.aio.client import Client

from services.contracts import subjects
from services.gateway.delivery import Delivery, end_of_stream
from services.gateway.leases import LeaseTable
from services.runtime.loops import cancel
from services.runtime.tail import Tail, TailTooOld, TailTrimmed

_GATHER_S = 0.02
"""An agent, and after a gateway's death many agents, bring all their leases at once."""


class Adopted:
    """The chains of adopted leases, each followed from its lease to the next event."""

    def __init__(self, nc: Client, table: LeaseTable, delivery: Delivery, keep_s: float) -> None:
        self._nc, self._table, self._delivery, self._keep_s = nc, table, delivery, keep_s
        self._chains: dict[int, str] = {}
        self._added = asyncio.Event()

    def follow(self, rid: str, lease: int) -> None:
        """Watch what comes after this lease."""
        self._chains[lease] = rid
        self._added.set()

    async def run(self) -> None:
        """Follow for ever."""
        while True:
            await self._added.wait()
            await asyncio.sleep(_GATHER_S)
            self._added.clear()
            following = asyncio.create_task(self._follow())
            added = asyncio.create_task(self._added.wait())
            try:
                await asyncio.wait({following, added}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                await cancel((following, added))
            if not following.cancelled():
                following.result()

    async def _follow(self) -> None:
        """Until each of the chains has moved on."""
        start = min(self._chains, default=0) + 1
        while self._chains:
            filters = [subjects.chain(rid) for rid in sorted(set(self._chains.values()))]
            tail = Tail(self._nc, subjects.REQUESTS, filters, start, keep_s=self._keep_s, name="adopted")
            try:
                async for batch in tail.batches():
                    for stored in batch.messages:
                        self._delivery.voided(stored)
                        self._moved_on(subjects.parse_request_event(stored.subject).rid, stored.seq)
                    if not self._chains:
                        return
            except (TailTrimmed, TailTooOld):
                start = await end_of_stream(self._nc) + 1
                held = [lease for number in self._chains if (lease := self._table.get(number)) is not None]
                await self._delivery.recheck(held)
                self._chains = {lease: rid for lease, rid in self._chains.items() if self._goes_on(lease)}

    def _goes_on(self, number: int) -> bool:
        lease = self._table.get(number)
        return lease is not None and lease.state != "stopping"

    def _moved_on(self, rid: str, seq: int) -> None:
        for lease in [lease for lease, of in self._chains.items() if of == rid and lease < seq]:
            del self._chains[lease]
