"""API keys: the list, and a new one."""

from fastapi import APIRouter
from starlette.requests import Request

from services.gateway.auth import Caller, seen_by
from services.gateway.key_uses import KeyUses
from services.gateway.web.console import Console, Page
from services.gateway.web.key_views import LIFETIMES_DAYS, SCOPES, NewKeyView, keys_view
from services.runtime.clock import ServerClock
from services.runtime.directory import DirectoryFollower


def router(console: Console, follower: DirectoryFollower, uses: KeyUses, clock: ServerClock) -> APIRouter:
    """The routes of these pages."""

    async def listed(_: Request, caller: Caller) -> Page:
        own = [key for key in follower.directory.keys.values() if key.user == caller.user.user]
        return Page("keys.html", keys_view([(key, uses.last(key.key_id)) for key in own], clock.now_ns()))

    async def new(_: Request, caller: Caller) -> Page:
        return Page("new_key.html", NewKeyView(SCOPES, tuple(seen_by(follower, caller)), LIFETIMES_DAYS))

    routes = APIRouter()
    console.add(routes, "/keys", listed)
    console.add(routes, "/keys/new", new)
    return routes
