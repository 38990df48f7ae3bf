"""Spaces: list, create, edit, switch and delete them."""

import asyncio

import msgspec
from fastapi import APIRouter
from nats.aio.client import Client
from starlette.requests import Request
from starlette.responses import Response

from services.contracts.rpc import DeleteSpace, Switch, SwitchSpace
from services.gateway import intake
from services.gateway.api import space_operations as offered
from services.gateway.api.access import Access, Endpoint
from services.gateway.api.operation import Operation
from services.gateway.api.requests import body_of
from services.gateway.api.responses import NO_STORE, json_response
from services.gateway.auth import Caller, deletable, manageable, owner_of_new, seen_by, visible
from services.gateway.commands import command
from services.gateway.inventory import Inventory
from services.gateway.problems import ApiProblem
from services.gateway.purging import Purges
from services.gateway.spaces import (
    CreateSpaceBody,
    EditSpaceBody,
    SpacesObject,
    creation,
    edited,
    edition,
    listed_space,
    space_object,
    space_url,
)
from services.gateway.validators import check_schemas
from services.runtime.directory import DirectoryFollower
from services.runtime.errors import NatsUnavailable

_SWITCHES: tuple[tuple[Operation, Switch], ...] = (
    (offered.PAUSE_SPACE, "pause"),
    (offered.RESUME_SPACE, "resume"),
    (offered.ENABLE_SPACE, "enable"),
    (offered.DISABLE_SPACE, "disable"),
)
_IN_USE = (
    "Requests of the space are queued or processing. Disable it, so that no more come in; purge its queue; let "
    "those that run come to their end, or cancel them too. Then delete it."
)


def router(nc: Client, access: Access, follower: DirectoryFollower, inventory: Inventory, purges: Purges) -> APIRouter:
    """The routes of spaces."""

    async def listed(_: Request, caller: Caller) -> Response:
        return json_response(SpacesObject(results=[listed_space(space) for space in seen_by(follower, caller)]))

    async def read(request: Request, caller: Caller) -> Response:
        return json_response(space_object(visible(follower, caller, request.path_params["space"])))

    async def create(request: Request, caller: Caller) -> Response:
        body = intake.parsed(await body_of(request), CreateSpaceBody)
        owner = owner_of_new(caller, body.owner or "")
        asked = creation(body, owner, caller.actor)
        await asyncio.to_thread(check_schemas, asked.features, asked.input_schema, asked.example_input)
        await carry_out("create_space", asked)
        return shown(body.id, 201, {"Location": space_url(body.id)})

    async def edit(request: Request, caller: Caller) -> Response:
        slug = await managed(request, caller)
        body = intake.parsed(await body_of(request), EditSpaceBody)
        if (space := follower.directory.spaces.get(slug)) is not None:
            wanted = edited(space, body)
            await asyncio.to_thread(check_schemas, wanted.features, wanted.input_schema, wanted.example_input)
        await carry_out("edit_space", edition(body, slug, caller.actor))
        return shown(slug)

    async def delete(request: Request, caller: Caller) -> Response:
        await follower.catch_up()
        slug = deletable(follower, caller, request.path_params["space"]).space
        if await inventory.any_open(slug):
            raise ApiProblem("space_in_use", _IN_USE)
        await carry_out("delete_space", DeleteSpace(space=slug, actor=caller.actor))
        return Response(status_code=204, headers=NO_STORE)

    async def purge(request: Request, caller: Caller) -> Response:
        slug = await managed(request, caller)
        return json_response(await purges.purge(slug, caller.user.user))

    def switching(to: Switch) -> Endpoint:
        async def switch(request: Request, caller: Caller) -> Response:
            slug = await managed(request, caller)
            await carry_out("switch_space", SwitchSpace(space=slug, to=to, actor=caller.actor))
            return shown(slug)

        return switch

    async def managed(request: Request, caller: Caller) -> str:
        """The name of the space, if the caller may change it. Raises ApiProblem, NatsUnavailable."""
        await follower.catch_up()  # the caller may have made it at another gateway just now
        return manageable(follower, caller, request.path_params["space"]).space

    async def carry_out(operation: str, asked: msgspec.Struct) -> None:
        """Raises ApiProblem, and NatsUnavailable when it is done, but not seen here: then to repeat it does no harm."""
        recorded = await command(nc, follower, operation, asked)
        if follower.seq < recorded.seq:
            raise NatsUnavailable("it is recorded, but this gateway's directory is not up to date")

    def shown(slug: str, status: int = 200, headers: dict[str, str] | None = None) -> Response:
        space = follower.directory.spaces.get(slug)
        if space is None:
            raise ApiProblem("not_found", "The space has been deleted meanwhile.")
        return json_response(space_object(space), status, headers)

    routes = APIRouter()
    endpoints: list[tuple[Operation, Endpoint]] = [
        (offered.SPACES, listed),
        (offered.SPACE, read),
        (offered.CREATE_SPACE, create),
        (offered.EDIT_SPACE, edit),
        (offered.DELETE_SPACE, delete),
        (offered.PURGE_QUEUE, purge),
        *((operation, switching(to)) for operation, to in _SWITCHES),
    ]
    for operation, endpoint in endpoints:
        access.add(routes, operation, endpoint)
    return routes
