"""Spaces: the list, one of them, its settings and members, and a new one."""

from fastapi import APIRouter
from starlette.requests import Request

from services.gateway.auth import Caller, manageable, seen_by, visible
from services.gateway.outside import base_url
from services.gateway.web.console import Console, Page
from services.gateway.web.member_views import members_view
from services.gateway.web.space_views import form_view, space_view, spaces_view
from services.gateway.web.use_views import use_view
from services.runtime.clock import ServerClock
from services.runtime.directory import DirectoryFollower


def router(console: Console, follower: DirectoryFollower, clock: ServerClock, most_bytes: int) -> APIRouter:
    """The routes of these pages; a file may have so many bytes."""

    async def listed(_: Request, caller: Caller) -> Page:
        return Page("spaces.html", spaces_view(seen_by(follower, caller), caller.user))

    async def new(_: Request, caller: Caller) -> Page:
        return Page("space_form.html", form_view(None, caller.user, most_bytes))

    async def used(request: Request, caller: Caller) -> Page:
        space = visible(follower, caller, request.path_params["space"])
        owner = follower.directory.users.get(space.owner)
        return Page("use.html", use_view(space, caller.user, owner, _gateway(request), clock.now_ns(), most_bytes))

    async def agents(request: Request, caller: Caller) -> Page:
        space = visible(follower, caller, request.path_params["space"])
        return Page("space_agents.html", space_view(space, caller.user, _gateway(request)))

    async def settings(request: Request, caller: Caller) -> Page:
        space = manageable(follower, caller, request.path_params["space"])
        return Page("space_form.html", form_view(space, caller.user, most_bytes))

    async def members(request: Request, caller: Caller) -> Page:
        space = manageable(follower, caller, request.path_params["space"])
        return Page("members.html", members_view(space, follower.directory.users))

    routes = APIRouter()
    console.add(routes, "/spaces", listed)
    console.add(routes, "/new-space", new)
    console.add(routes, "/spaces/{space}", used)
    console.add(routes, "/spaces/{space}/agents", agents)
    console.add(routes, "/spaces/{space}/settings", settings)
    console.add(routes, "/spaces/{space}/members", members)
    return routes


def _gateway(request: Request) -> str:
    return base_url(request.scope)
