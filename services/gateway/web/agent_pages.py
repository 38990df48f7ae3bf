"""Agents: those that are connected, one of them, and the history of connections."""

from fastapi import APIRouter
from starlette.requests import Request

from services.gateway.auth import Caller, seen_by
from services.gateway.problems import ApiProblem
from services.gateway.web.agent_views import AgentsView, ConnectionsView, agent_view, owners_for
from services.gateway.web.console import Console, Page
from services.runtime.directory import DirectoryFollower


def router(console: Console, follower: DirectoryFollower) -> APIRouter:
    """The routes of these pages."""

    async def listed(_: Request, caller: Caller) -> Page:
        return Page("agents.html", AgentsView(owners(caller)))

    async def shown(request: Request, caller: Caller) -> Page:
        path, users = request.path_params, follower.directory.users
        view = agent_view(path["owner"], path["name"], caller.user, users)
        if view is None:
            raise ApiProblem("not_found", "There is no such agent.")
        return Page("agent.html", view)

    async def connections(request: Request, caller: Caller) -> Page:
        asked = request.query_params
        spaces = tuple(sorted(space.space for space in seen_by(follower, caller)))
        agent, space = asked.get("agent", ""), asked.get("space", "")
        return Page("connections.html", ConnectionsView(agent, space, spaces, owners(caller)))

    def owners(caller: Caller) -> dict[str, str]:
        directory = follower.directory
        return owners_for(caller.user, directory.keys.values(), directory.users)

    routes = APIRouter()
    console.add(routes, "/agents", listed)
    console.add(routes, "/agents/{owner}/{name}", shown)
    console.add(routes, "/connections", connections)
    return routes
