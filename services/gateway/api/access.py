"""Who calls, and what of it they may see."""

from starlette.requests import Request

from services.contracts.ids import is_request_id
from services.contracts.requests import RequestState, fold
from services.gateway.auth import Caller, Scope, authenticate, may_read, scope_of
from services.gateway.problems import ApiProblem
from services.gateway.reading import Link, Reader, ignored
from services.runtime import telemetry
from services.runtime.directory import DirectoryFollower


class Access:
    """The callers of this gateway, and the requests as they may see them."""

    def __init__(self, follower: DirectoryFollower, reader: Reader) -> None:
        self._follower, self._reader = follower, reader

    def caller(self, request: Request) -> Caller:
        """Who calls. Raises ApiProblem."""
        return authenticate(self._follower, request.headers.get("authorization", "").encode("latin-1") or None)

    def scope(self, caller: Caller, space: str | None, user: str | None) -> Scope:
        """What of a list the caller may see, and asks for. Raises ApiProblem."""
        return scope_of(self._follower, caller, space, user)

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
