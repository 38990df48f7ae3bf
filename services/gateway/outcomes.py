"""Appends what agents' sessions decide, and does not give up: an outcome is decided, or the process ends."""

import asyncio
from collections.abc import Awaitable, Callable, Collection

from nats.aio.client import Client

from services.contracts.events import Succeeded
from services.gateway.background import Background, Fail
from services.gateway.decisions import Append
from services.gateway.leases import Outcome
from services.gateway.metrics import VETTING_RETRIES
from services.runtime import telemetry, tracing
from services.runtime.append import ChainClosed, Record, Superseded, append, request_record
from services.runtime.errors import Retryable
from services.runtime.jetstream import ApiError

TRY_S = 60.0
PAUSE_S = 1.0

Decided = Callable[[Outcome, bool], None]
Vet = Callable[[Succeeded, Collection[str]], Awaitable[Outcome]]


class Outcomes:
    """Appends under way. `decided` is told each event and whether it was recorded; never is there more than one under way
    for a lease that an agent holds, so slots bound their number. `vet` says what is to be recorded of an outcome with files,
    which the files of the request's input may be among."""

    def __init__(self, nc: Client, vet: Vet, decided: Decided, fail: Fail) -> None:
        self._nc, self._vet, self._decided = nc, vet, decided
        self._under_way = Background(fail)

    def submit(self, decision: Append) -> None:
        """Append this event, in the background."""
        self._under_way.spawn(self._run(decision))

    async def settle(self, timeout_s: float) -> None:
        """Wait until all are decided, or the time is over."""
        await self._under_way.settle(timeout_s)

    async def _run(self, decision: Append) -> None:
        telemetry.request_id.set(decision.event.rid)
        event = await self._vetted(decision)
        with tracing.appending(event, decision.traceparent) as span:
            recorded = await self._until_decided(request_record(event, span.traceparent))
            if not recorded:
                span.failed("superseded")
        self._decided(event, recorded)

    async def _vetted(self, decision: Append) -> Outcome:
        event = decision.event
        while isinstance(event, Succeeded) and (event.files or event.output_file):
            try:
                return await self._vet(event, decision.files)
            except (Retryable, ApiError):  # it is tried again as an append is
                VETTING_RETRIES.inc()
                await asyncio.sleep(PAUSE_S)
        return event

    async def _until_decided(self, record: Record) -> bool:
        while True:
            try:
                await append(self._nc, record, TRY_S)
                return True
            except (Superseded, ChainClosed):
                return False
            except (Retryable, ApiError):
                # The agent keeps the result until it is decided, so there is nothing better than to try again; if time
                # runs out for the request, the dispatcher's event ends this.
                await asyncio.sleep(PAUSE_S)
