"""Ends the connections whose gateway does not: because it is gone, or because it could not tell the registry in time.

The janitor folds the events of connections, so it also finds those that have lost their claims to a newer connection. Every
replica has one; that an end is recorded once is the append's doing.
"""

import asyncio
import logging

import msgspec
from nats.aio.client import Client

from services.contracts import codec, subjects
from services.contracts.connections import Connected, Disconnected
from services.contracts.reports import Report
from services.registry.attaching import Attaching
from services.registry.connections import OpenConnections
from services.registry.gateways import Gateways
from services.runtime.errors import Retryable
from services.runtime.jetstream import ApiError
from services.runtime.tail import Tail

log = logging.getLogger("services.registry.janitor")

SWEEP_S = 1.0
_decoder = msgspec.json.Decoder(Report)


class Janitor:
    """Detaches what gateways have left behind."""

    def __init__(self, nc: Client, attaching: Attaching, gateways: Gateways) -> None:
        self._nc, self._attaching, self._gateways = nc, attaching, gateways
        self._connections = OpenConnections()
        self._caught_up = False

    async def follow(self) -> None:
        """Fold the connections' events for ever."""
        filters = [subjects.BEGUN_CONNECTIONS, subjects.ENDED_CONNECTIONS]
        async for batch in Tail(self._nc, subjects.CONNECTIONS, filters, name="janitor", lasting=True).batches():
            for stored in batch.messages:
                event = codec.connections.decode(stored.data)
                assert isinstance(event, Connected | Disconnected)
                self._connections.apply(event)
            self._caught_up = self._caught_up or batch.pending == 0

    async def follow_reports(self) -> None:
        """Fold the gateways' reports for ever. A report that is missed only makes it later."""
        subscription = await self._nc.subscribe(subjects.ALL_REPORTS)
        async for message in subscription.messages:
            self._connections.reported(_decoder.decode(message.data))

    async def keep_sweeping(self) -> None:
        """Detach for ever what is to be detached; without NATS, or room there, try again."""
        while True:
            await asyncio.sleep(SWEEP_S)
            if self._caught_up:
                await self._sweep()

    async def _sweep(self) -> None:
        for request in self._connections.abandoned(self._gateways.is_lost):
            try:
                await self._attaching.detach(request)
            except (Retryable, ApiError) as error:  # also when NATS has no room left
                log.warning("a connection that has ended cannot be recorded yet: %s", error)
                return
