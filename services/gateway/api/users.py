"""Users: list, make, disable, enable, give a role."""

import msgspec
from fastapi import APIRouter
from nats.aio.client import Client
from starlette.requests import Request
from starlette.responses import Response

from services.contracts.accounts import User
from services.contracts.rpc import CreateUser, DisableUser, EnableUser, SetRole
from services.gateway import intake
from services.gateway.api.access import Access
from services.gateway.api.account_operations import CREATE_USER, DISABLE_USER, ENABLE_USER, ME, SET_ROLE, USERS
from services.gateway.api.requests import body_of
from services.gateway.api.responses import json_response
from services.gateway.auth import Caller
from services.gateway.commands import command
from services.gateway.granting import RoleBody, UserBody, UserObject, UsersObject, user_object
from services.gateway.problems import ApiProblem
from services.runtime.directory import DirectoryFollower


def router(nc: Client, access: Access, follower: DirectoryFollower) -> APIRouter:
    """The routes of users."""

    async def listed(_: Request, __: Caller) -> Response:
        users = sorted(follower.directory.users.values(), key=lambda user: user.email)
        return json_response(UsersObject(results=[user_object(user) for user in users]))

    async def me(_: Request, caller: Caller) -> Response:
        return json_response(user_object(caller.user))

    async def make(request: Request, caller: Caller) -> Response:
        body = intake.parsed(await body_of(request), UserBody)
        asked = CreateUser(email=body.email, password=body.password, role=body.role, actor=caller.actor)
        made = await command(nc, follower, "create_user", asked)
        return json_response(UserObject(id=made.id, email=body.email, role=body.role, disabled=False), 201)

    async def disable(request: Request, caller: Caller) -> Response:
        user = await found(request)
        if user.user == caller.user.user:
            raise ApiProblem("forbidden", "Nobody can disable themselves: there might be no administrator left.")
        await command(nc, follower, "disable_user", DisableUser(user=user.user, actor=caller.actor))
        return json_response(user_object(msgspec.structs.replace(user, disabled=True)))

    async def enable(request: Request, caller: Caller) -> Response:
        user = await found(request)
        await command(nc, follower, "enable_user", EnableUser(user=user.user, actor=caller.actor))
        return json_response(user_object(msgspec.structs.replace(user, disabled=False)))

    async def give_role(request: Request, caller: Caller) -> Response:
        user = await found(request)
        body = intake.parsed(await body_of(request), RoleBody)
        if user.user == caller.user.user:
            raise ApiProblem("forbidden", "Nobody changes their own role: another administrator may.")
        await command(nc, follower, "set_role", SetRole(user=user.user, role=body.role, actor=caller.actor))
        return json_response(user_object(msgspec.structs.replace(user, role=body.role)))

    async def found(request: Request) -> User:
        await follower.catch_up()  # the caller may have made the user at another gateway just now
        user = follower.directory.users.get(request.path_params["id"])
        if user is None:
            raise ApiProblem("not_found", "There is no such user.")
        return user

    routes = APIRouter()
    offered = ((USERS, listed), (ME, me), (CREATE_USER, make), (SET_ROLE, give_role))
    for operation, endpoint in (*offered, (DISABLE_USER, disable), (ENABLE_USER, enable)):
        access.add(routes, operation, endpoint)
    return routes
