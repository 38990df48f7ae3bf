"""Requests: the list, and one of them."""

from fastapi import APIRouter
from starlette.requests import Request

from services.contracts.requests import fold
from services.gateway.api.access import Access
from services.gateway.auth import Caller, seen_by
from services.gateway.reading import Reader, ignored
from services.gateway.web.console import Console, Page
from services.gateway.web.request_views import request_view, requests_view
from services.runtime.clock import ServerClock
from services.runtime.directory import DirectoryFollower


def router(console: Console, follower: DirectoryFollower, access: Access, reader: Reader, clock: ServerClock) -> APIRouter:
    """The routes of these pages."""

    async def listed(_: Request, caller: Caller) -> Page:
        return Page("requests.html", requests_view(seen_by(follower, caller), caller.user, follower.directory.users))

    async def shown(request: Request, caller: Caller) -> Page:
        # As `GET /v1/requests/{id}/log` reads it, for the timeline is drawn here.
        links = await access.chain(caller, request.path_params["id"])
        state = fold(links, ignored)
        assert state is not None, "a chain that may be seen has a state"
        refused = await reader.refused(state.rid)
        view = request_view(state, links, refused, clock.now_ns(), caller.user, follower.directory.users)
        return Page("request.html", view)

    routes = APIRouter()
    console.add(routes, "/requests", listed)
    console.add(routes, "/requests/{id}", shown)
    return routes
