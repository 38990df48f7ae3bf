"""Keys: list, make, revoke, and which is this?"""

import secrets

import msgspec
from fastapi import APIRouter
from nats.aio.client import Client
from starlette.requests import Request
from starlette.responses import Response

from services.contracts.ids import secret_hash
from services.contracts.rpc import RevokeKey
from services.gateway import intake
from services.gateway.api.access import Access
from services.gateway.api.account_operations import CREATE_KEY, KEYS, MY_KEY, REVOKE_KEY
from services.gateway.api.requests import body_of
from services.gateway.api.responses import NO_STORE, json_response
from services.gateway.auth import Caller
from services.gateway.commands import command
from services.gateway.granting import KeyBody, KeysObject, MadeKeyObject, grant, key_object, may_see_key
from services.gateway.key_uses import KeyUses
from services.gateway.problems import ApiProblem
from services.runtime.clock import ServerClock
from services.runtime.directory import DirectoryFollower

SECRET_BYTES = 20
_PREFIX = {"api": "wsk", "agent": "wsa"}


def router(nc: Client, access: Access, follower: DirectoryFollower, uses: KeyUses, clock: ServerClock) -> APIRouter:
    """The routes of keys."""

    async def listed(request: Request, caller: Caller) -> Response:
        asked = request.query_params.get("user", caller.user.user)
        if asked != caller.user.user and caller.user.role != "admin":
            raise ApiProblem("forbidden", "Only an administrator may list the keys of others.")
        seen = [key for key in follower.directory.keys.values() if may_see_key(caller.key, caller.user, key)]
        shown = [key_object(key, uses.last(key.key_id)) for key in seen if asked in ("", key.user)]
        return json_response(KeysObject(results=shown))

    async def mine(_: Request, caller: Caller) -> Response:
        key = caller.key
        if caller.session is not None:  # keys that it makes outlive it
            key = msgspec.structs.replace(key, expires_at=caller.session.expires_at)
        return json_response(key_object(key, uses.last(key.key_id)))

    async def make(request: Request, caller: Caller) -> Response:
        body = intake.parsed(await body_of(request), KeyBody)
        await follower.catch_up()  # the caller may have made a user or a space at another gateway just now
        secret = f"{_PREFIX[body.kind]}_{secrets.token_hex(SECRET_BYTES)}"
        key_id, hashed = secrets.token_hex(8), secret_hash(secret)
        asked = grant(body, caller.key, caller.user, follower.directory, clock.now_ns(), key_id, hashed)
        await command(nc, follower, "create_key", asked)
        made = MadeKeyObject(
            id=key_id,
            kind=asked.kind,
            name=asked.name,
            user=asked.user,
            scopes=sorted(asked.scopes) if asked.kind == "api" else [],
            spaces=sorted(asked.spaces),
            origins=sorted(asked.origins),
            max_in_flight=asked.max_in_flight,
            expires_at=asked.expires_at or None,
            last_used_at=None,
            secret=secret,
        )
        return json_response(made, 201)

    async def revoke(request: Request, caller: Caller) -> Response:
        await follower.catch_up()
        key = follower.directory.keys.get(request.path_params["id"])
        if key is None or not may_see_key(caller.key, caller.user, key):
            raise ApiProblem("not_found", "There is no such key, or it is not the caller's.")
        await command(nc, follower, "revoke_key", RevokeKey(key_id=key.key_id, actor=caller.actor))
        return Response(status_code=204, headers=NO_STORE)

    routes = APIRouter()
    for operation, endpoint in ((KEYS, listed), (MY_KEY, mine), (CREATE_KEY, make), (REVOKE_KEY, revoke)):
        access.add(routes, operation, endpoint)
    return routes
