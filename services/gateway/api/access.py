"""Who calls, and what of it they may see."""

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.contracts.ids import is_request_id
from services.contracts.requests import RequestState, fold
from services.gateway.api.boundary import ADDED
from services.gateway.api.cors import let_in
from services.gateway.api.operation import Operation
from services.gateway.auth import Caller, Reach, authenticate, check_fresh, may_read, permit, reach_of, signed_in
from services.gateway.key_uses import KeyUses
from services.gateway.limits import Limits
from services.gateway.outside import PUBLIC_URL, check_origin
from services.gateway.problems import ApiProblem
from services.gateway.reading import Link, Reader, ignored
from services.gateway.sessions import Ended, Sessions
from services.gateway.signing import BadToken
from services.gateway.web_sessions import SessionFlaw, check_page, token_of
from services.runtime import telemetry
from services.runtime.clock import ServerClock
from services.runtime.directory import DirectoryFollower
from services.runtime.errors import NatsUnavailable

T = TypeVar("T")
Endpoint = Callable[[Request, Caller], Awaitable[Response]]
OpenEndpoint = Callable[[Request], Awaitable[Response]]
SignedEndpoint = Callable[[Request, T], Awaitable[Response]]


def _nothing() -> None:
    """Where nothing comes before the key."""


class Access:
    """The callers of this gateway, and the requests as they may see them."""

    def __init__(
        self,
        follower: DirectoryFollower,
        sessions: Sessions,
        uses: KeyUses,
        limits: Limits,
        reader: Reader,
        clock: ServerClock,
    ) -> None:
        self._follower, self._sessions, self._uses, self._limits = follower, sessions, uses, limits
        self._reader, self._clock = reader, clock

    def add(self, routes: APIRouter, operation: Operation, endpoint: Endpoint, first: Callable[[], None] = _nothing) -> None:
        """Offer an operation to those who may call it: nothing but this decides who does. `first` is looked at before
        the key, and raises ApiProblem."""

        async def answer(request: Request) -> Response:
            first()
            return await endpoint(request, await self._caller(request, operation))

        routes.add_route(operation.path, answer, methods=[operation.method])

    def add_signed(
        self,
        routes: APIRouter,
        operation: Operation,
        endpoint: Endpoint,
        granted: Callable[[str], T],
        signed: SignedEndpoint[T],
    ) -> None:
        """Offer an operation to those who may call it, and, with what it grants, to whoever shows a token in the query that
        is good: `granted` raises BadToken when it is not."""

        async def answer(request: Request) -> Response:
            token = request.query_params.get("token")
            if token is None:
                return await endpoint(request, await self._caller(request, operation))
            try:
                grant = granted(token)
            except BadToken as error:
                self._limits.unknown(_address(request), time.monotonic_ns())
                raise ApiProblem("forbidden", str(error)) from None
            return await signed(request, grant)

        routes.add_route(operation.path, answer, methods=[operation.method])

    def add_open(self, routes: APIRouter, operation: Operation, endpoint: OpenEndpoint) -> None:
        """Offer an operation to everybody, but not to pages of other hosts, and to no address too often."""

        async def answer(request: Request) -> Response:
            check_origin(request.method, dict(request.scope["headers"]), request.scope[PUBLIC_URL])
            self._limits.unknown(_address(request), time.monotonic_ns())
            return await endpoint(request)

        routes.add_route(operation.path, answer, methods=[operation.method])

    async def visitor(self, request: Request) -> Caller | None:
        """Who is signed in and looks at a page; None: nobody is. Raises ApiProblem when they have called too often or
        nobody can tell, NatsUnavailable."""
        if token_of(dict(request.scope["headers"])) is None:
            return None
        try:
            caller = await self._counted(request)
        except ApiProblem as problem:
            if problem.code == "unauthenticated":
                return None
            raise
        return None if caller.session is None else caller

    async def ended(self, request: Request) -> Ended | SessionFlaw:
        """Why the session is worth nothing whose cookie a browser still has; empty: it has none, or nobody can tell now."""
        token = token_of(dict(request.scope["headers"]))
        try:
            return "" if token is None else await self._sessions.flaw(token, self._follower.directory, self._clock.now_ns())
        except NatsUnavailable:
            return ""

    async def _caller(self, request: Request, operation: Operation) -> Caller:
        caller = await self._counted(request)
        if operation.callers == "session" and caller.session is None:
            raise ApiProblem("forbidden", "This is about a sign-in session, and needs its cookie instead of a key.")
        permit(caller, operation.scopes, operation.role, whole=operation.whole)
        return caller

    async def _counted(self, request: Request) -> Caller:
        """Who calls, if they have not called too often. Raises ApiProblem, NatsUnavailable."""
        address, now = _address(request), time.monotonic_ns()
        try:
            caller = await self._known(request)
        except ApiProblem as problem:
            if problem.code != "unavailable":
                self._limits.unknown(address, now)
            raise
        request.scope[ADDED].update(self._limits.known(caller.counted_as, address, now))
        return caller

    async def _known(self, request: Request) -> Caller:
        headers, now = dict(request.scope["headers"]), self._clock.now_ns()
        authorization = headers.get(b"authorization")
        token = token_of(headers) if authorization is None else None
        if token is None:
            caller = authenticate(self._follower, authorization, now)
            let_in(request.scope, headers, caller.key)
            self._uses.used(caller.key.key_id)
            return caller
        check_fresh(self._follower)
        session = await self._sessions.find(token, self._follower.directory, now)
        check_page(request.method, headers, token, request.scope[PUBLIC_URL])
        return signed_in(self._follower, session)

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


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _visible(caller: Caller, state: RequestState | None) -> RequestState:
    if state is None or not may_read(caller, state):
        raise ApiProblem("not_found", "There is no such request.")
    telemetry.request_id.set(state.rid)
    return state
