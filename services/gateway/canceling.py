"""Canceling: `canceled` is appended after whatever the chain ends with. A dispatcher forgets the request then, and the
gateway that holds its agent stops the handler."""

import contextlib
import os

from nats.aio.client import Client

from services.contracts.events import Canceled
from services.contracts.requests import RequestState
from services.gateway.problems import ApiProblem
from services.gateway.reading import Reader
from services.runtime.append import ChainClosed, Superseded, append, request_record
from services.runtime.errors import NatsUnavailable

APPEND_S = 10.0
TRIES = 10
"""So many other events may be first before the client is told to try again."""


class Cancellations:
    """Cancels requests."""

    def __init__(self, nc: Client, reader: Reader) -> None:
        self._nc, self._reader = nc, reader

    async def cancel(self, state: RequestState, user: str) -> RequestState:
        """The request, canceled by now. Raises ApiProblem when it has ended in another way, Retryable."""
        rid = state.rid
        for _ in range(TRIES):
            if state.status == "canceled":
                return state
            if not state.open:
                raise ApiProblem("already_done", f"The request has {state.status} already.")
            with contextlib.suppress(Superseded, ChainClosed):  # assigned, requeued or ended meanwhile: look again
                await append(self._nc, request_record(_canceled(state, user), state.traceparent), APPEND_S)
            state = await self._reader.read_again(rid)
        raise NatsUnavailable(f"{rid} changes too quickly to be canceled")

    async def withdraw(self, state: RequestState, user: str) -> bool:
        """Cancel the request unless it has been assigned, or has ended, meanwhile; whether this did it. Raises Retryable."""
        for _ in range(TRIES):
            if state.status != "queued":
                return False
            with contextlib.suppress(Superseded, ChainClosed):
                await append(self._nc, request_record(_canceled(state, user), state.traceparent), APPEND_S)
                return True
            state = await self._reader.read_again(state.rid)
        raise NatsUnavailable(f"{state.rid} changes too quickly to be canceled")


def _canceled(state: RequestState, user: str) -> Canceled:
    return Canceled(
        id=os.urandom(16).hex(),
        rid=state.rid,
        space=state.space,
        prev_seq=state.seq,
        attempt=state.attempt,
        actor=f"user:{user}",
        origin=state.origin,
        gateway=state.gateway,
    )
