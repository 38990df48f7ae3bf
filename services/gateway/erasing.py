"""Erasing: `erased` is appended after a request's outcome. From then on nobody is shown what it was given and came to, and
history removes it."""

import contextlib
import os

import msgspec
from nats.aio.client import Client

from services.contracts import subjects
from services.contracts.erasure import erasure
from services.contracts.requests import RequestState
from services.contracts.rpc import GetPositions, Positions
from services.gateway.problems import ApiProblem
from services.gateway.reading import Reader
from services.runtime import rpc
from services.runtime.append import ChainClosed, Superseded, append_late, request_record
from services.runtime.errors import NatsUnavailable

APPEND_S = 10.0
TRIES = 5


class Erasures:
    """Erases requests."""

    def __init__(self, nc: Client, reader: Reader) -> None:
        self._nc, self._reader = nc, reader

    async def erase(self, state: RequestState, user: str) -> RequestState:
        """The request, erased by now. Raises ApiProblem when it has not ended, Retryable."""
        for _ in range(TRIES):
            if state.open:
                raise ApiProblem("not_done", "Only a request that has ended can be erased; cancel it first.")
            if state.erased:
                return state
            with contextlib.suppress(Superseded, ChainClosed):  # erased, or trimmed, meanwhile: look again
                event = erasure(state, os.urandom(16).hex(), f"user:{user}")
                await append_late(self._nc, request_record(event, state.traceparent), APPEND_S)
            state = await self._reader.read_again(state.rid)
        raise NatsUnavailable(f"{state.rid} cannot be erased just now")

    async def recorded(self, state: RequestState) -> bool:
        """Whether history has recorded that a request is erased, and so has removed its data; it is waited for a little."""
        try:
            wanted = msgspec.structs.replace((await self._reader.end_of_stream()).position, seq=state.seq)
            answer = await rpc.call(self._nc, subjects.history_rpc("positions"), GetPositions(wanted=wanted), Positions)
        except NatsUnavailable:
            return False
        known = [each for each in answer.positions if each.stream == wanted.stream]
        return any((each.epoch, each.seq) >= (wanted.epoch, wanted.seq) for each in known)
