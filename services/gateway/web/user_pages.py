"""Users, and who did what: for administrators."""

from fastapi import APIRouter
from starlette.requests import Request

from services.gateway.auth import Caller, permit
from services.gateway.key_uses import KeyUses
from services.gateway.problems import ApiProblem
from services.gateway.web.account_views import NoView
from services.gateway.web.audit_views import audit_view
from services.gateway.web.console import Console, Page
from services.gateway.web.user_views import user_view, users_view
from services.runtime.clock import ServerClock
from services.runtime.directory import DirectoryFollower


def router(console: Console, follower: DirectoryFollower, uses: KeyUses, clock: ServerClock) -> APIRouter:
    """The routes of these pages."""

    async def listed(request: Request, caller: Caller) -> Page:
        _check(caller)
        return Page("users.html", users_view(follower.directory, request.query_params.get("q", "")))

    async def new(_: Request, caller: Caller) -> Page:
        _check(caller)
        return Page("new_user.html", NoView())

    async def shown(request: Request, caller: Caller) -> Page:
        _check(caller)
        directory = follower.directory
        user = directory.users.get(request.path_params["id"])
        if user is None:
            raise ApiProblem("not_found", "There is no such user.")
        keys = [(key, uses.last(key.key_id)) for key in directory.keys.values() if key.user == user.user]
        return Page("user.html", user_view(user, directory, keys, clock.now_ns(), caller.user))

    async def audit(request: Request, caller: Caller) -> Page:
        _check(caller)
        return Page("audit.html", audit_view(request.query_params))

    routes = APIRouter()
    console.add(routes, "/users", listed)
    console.add(routes, "/users/new", new)
    console.add(routes, "/users/{id}", shown)
    console.add(routes, "/audit", audit)
    return routes


def _check(caller: Caller) -> None:
    """Raises ApiProblem unless it is an administrator."""
    permit(caller, (), "admin", whole=True)
