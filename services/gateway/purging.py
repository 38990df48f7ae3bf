"""Purging a queue: every request of a space that waits is canceled, each by an event of its own. What is assigned in that
very moment runs: the event expects the request as it waited."""

import asyncio
import contextlib
import time

from services.contracts.requests import RequestState
from services.gateway.canceling import Cancellations
from services.gateway.inventory import Inventory
from services.gateway.spaces import PurgedObject

PURGE_S = 30.0
"""A caller is answered after so long, even when there is more to cancel."""
AT_ONCE = 16


class Purges:
    """Purges queues."""

    def __init__(self, inventory: Inventory, cancellations: Cancellations, limit_s: float = PURGE_S) -> None:
        self._inventory, self._cancellations, self._limit_s = inventory, cancellations, limit_s

    async def purge(self, space: str, user: str) -> PurgedObject:
        """Cancel what waits in a space and was accepted before the call. Raises Retryable; what is canceled stays so."""
        ends_at, canceled = time.monotonic() + self._limit_s, 0
        async with contextlib.aclosing(self._inventory.queued(space)) as pages:
            async for page in pages:
                canceled += await self._withdraw(page, user)
                if time.monotonic() >= ends_at:
                    return PurgedObject(canceled=canceled, more=True)
        return PurgedObject(canceled=canceled, more=False)

    async def _withdraw(self, states: list[RequestState], user: str) -> int:
        places = asyncio.Semaphore(AT_ONCE)

        async def one(state: RequestState) -> bool:
            async with places:
                return await self._cancellations.withdraw(state, user)

        outcomes = await asyncio.gather(*map(one, states), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        return outcomes.count(True)
