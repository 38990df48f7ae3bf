"""Agents: those that are connected, one of them, and the history of connections."""

from fastapi import APIRouter
from starlette.requests import Request

from services.gateway.auth import Caller, seen_by
from services.gateway.problems import ApiProblem
from services.gateway.web.agent_views import AgentsView, ConnectionsView, agent_view
from services.gateway.web.console import Console, Page
from services.runtime.directory import DirectoryFollower


def router(console: Console, follower: DirectoryFollower) -> APIRouter:
    """The routes of these pages."""

    async def listed(_: Request, caller: Caller) -> Page:
        return Page("agents.html", AgentsView(caller.user.role == "admin"))

    async def shown(request: Request, caller: Caller) -> Page:
        view = agent_view(request.path_params["owner"], request.path_params["name"], caller.user)
        if view is None:
            raise ApiProblem("not_found", "There is no such agent.")
        return Page("agent.html", view)

    async def connections(request: Request, caller: Caller) -> Page:
        asked = request.query_params
        spaces = tuple(sorted(space.space for space in seen_by(follower, caller)))
        return Page("connections.html", ConnectionsView(asked.get("agent", ""), asked.get("space", ""), spaces))

    routes = APIRouter()
    console.add(routes, "/agents", listed)
    console.add(routes, "/agents/{owner}/{name}", shown)
    console.add(routes, "/connections", connections)
    return routes
