"""Who calls, and what of it they may see."""

import time
from collections.abc import Awaitable, Callable

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.contracts.ids import is_request_id
from services.contracts.requests import RequestState, fold
from services.gateway.api.boundary import ADDED
from services.gateway.api.operation import Operation
from services.gateway.auth import Caller, Reach, authenticate, may_read, permit, reach_of
from services.gateway.limits import Limits
from services.gateway.problems import ApiProblem
from services.gateway.reading import Link, Reader, ignored
from services.runtime import telemetry
from services.runtime.clock import ServerClock
from services.runtime.directory import DirectoryFollower

Endpoint = Callable[[Request, Caller], Awaitable[Response]]


def _nothing() -> None:
    """Where nothing comes before the key."""


class Access:
    """The callers of this gateway, and the requests as they may see them."""

    def __init__(self, follower: DirectoryFollower, reader: Reader, clock: ServerClock, limits: Limits) -> None:
        self._follower, self._reader, self._clock, self._limits = follower, reader, clock, limits

    def add(self, routes: APIRouter, operation: Operation, endpoint: Endpoint, first: Callable[[], None] = _nothing) -> None:
        """Offer an operation to those who may call it: nothing but this decides who does. `first` is looked at before
        the key, and raises ApiProblem."""

        async def answer(request: Request) -> Response:
            first()
            return await endpoint(request, self._caller(request, operation))

        routes.add_route(operation.path, answer, methods=[operation.method])

    def _caller(self, request: Request, operation: Operation) -> Caller:
        caller = self._counted(request)
        permit(caller, operation.scopes, operation.role, whole=operation.whole)
        return caller

    def _counted(self, request: Request) -> Caller:
        """Who calls, if they have not called too often. Raises ApiProblem."""
        headers = dict(request.scope["headers"])
        address, now = request.client.host if request.client else "", time.monotonic_ns()
        try:
            caller = authenticate(self._follower, headers.get(b"authorization"), self._clock.now_ns())
        except ApiProblem as problem:
            if problem.code != "unavailable":
                self._limits.unknown(address, now)
            raise
        request.scope[ADDED].update(self._limits.known(caller.key.key_id, address, now))
        return caller

    def reach(self, caller: Caller, space: str | None, user: str | None) -> Reach:
        """What of a list the caller may see, and asks for. Raises ApiProblem."""
        return reach_of(self._follower, caller, space, user)

    async def request(self, caller: Caller, rid: str) -> RequestState:
        """A request, if the caller may see it; whether another's exists is not told. Raises ApiProblem,
        NatsUnavailable."""
        return _visible(caller, await self._reader.read(rid) if is_request_id(rid) else None)

    async def chain(self, caller: Caller, rid: str) -> list[Link]:
        """The same with all of its events. Raises ApiProblem, NatsUnavailable."""
        links = await self._reader.chain(rid) if is_request_id(rid) else []
        _visible(caller, fold(links, ignored))
        return links


def _visible(caller: Caller, state: RequestState | None) -> RequestState:
    if state is None or not may_read(caller, state):
        raise ApiProblem("not_found", "There is no such request.")
    telemetry.request_id.set(state.rid)
    return state
