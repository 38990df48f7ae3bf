"""Members of spaces: list, set and remove them."""

from fastapi import APIRouter
from nats.aio.client import Client
from starlette.requests import Request
from starlette.responses import Response

from services.contracts.accounts import Space
from services.contracts.rpc import RemoveMember, SetMember
from services.gateway import intake
from services.gateway.api.access import Access
from services.gateway.api.member_operations import MEMBERS, REMOVE_MEMBER, SET_MEMBER
from services.gateway.api.requests import body_of
from services.gateway.api.responses import NO_STORE, json_response
from services.gateway.auth import Caller, manageable
from services.gateway.commands import command
from services.gateway.spaces import MemberBody, MemberObject, MembersObject
from services.runtime.directory import DirectoryFollower


def router(nc: Client, access: Access, follower: DirectoryFollower) -> APIRouter:
    """The routes of members."""

    async def listed(request: Request, caller: Caller) -> Response:
        members = (await managed(request, caller)).members
        return json_response(
            MembersObject(results=[MemberObject(user=user, role=members[user]) for user in sorted(members)])
        )

    async def put(request: Request, caller: Caller) -> Response:
        space, user = await managed(request, caller), named(request)
        body = intake.parsed(await body_of(request), MemberBody)
        asked = SetMember(space=space.space, user=user, role=body.role, actor=caller.actor)
        await command(nc, follower, "set_member", asked)
        return json_response(MemberObject(user=user, role=body.role))

    async def remove(request: Request, caller: Caller) -> Response:
        space, user = await managed(request, caller), named(request)
        asked = RemoveMember(space=space.space, user=user, actor=caller.actor)
        await command(nc, follower, "remove_member", asked)
        return Response(status_code=204, headers=NO_STORE)

    async def managed(request: Request, caller: Caller) -> Space:
        await follower.catch_up()  # the caller may have made space or user at another gateway just now
        return manageable(follower, caller, request.path_params["space"])

    def named(request: Request) -> str:
        """The id of the user whom the path names, by it or by e-mail address. The registry refuses what names nobody."""
        name: str = request.path_params["user"]
        found = follower.directory.user_named(name)
        return name if found is None else found.user

    routes = APIRouter()
    for operation, endpoint in ((MEMBERS, listed), (SET_MEMBER, put), (REMOVE_MEMBER, remove)):
        access.add(routes, operation, endpoint)
    return routes
