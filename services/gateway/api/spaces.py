"""Spaces: list, create, edit, switch and delete them."""

from collections.abc import Awaitable, Callable

import msgspec
from fastapi import APIRouter
from nats.aio.client import Client
from starlette.requests import Request
from starlette.responses import Response

from services.contracts import subjects
from services.contracts.rpc import DeleteSpace, Recorded, Switch, SwitchSpace
from services.gateway import bodies
from services.gateway.api import space_operations as offered
from services.gateway.api.access import Access
from services.gateway.api.body import whole
from services.gateway.api.operation import Operation
from services.gateway.api.responses import NO_STORE, json_response
from services.gateway.auth import manageable, owner_of_new, submittable, usable
from services.gateway.problems import ApiProblem
from services.gateway.spaces import (
    CreateSpaceBody,
    EditSpaceBody,
    SpacesObject,
    creation,
    edition,
    space_object,
    space_url,
)
from services.runtime import rpc
from services.runtime.directory import DirectoryFollower
from services.runtime.errors import NatsUnavailable

_CODES = {"exists": "exists", "not_found": "not_found", "invalid": "input_invalid"}
_SWITCHES: tuple[tuple[Operation, Switch], ...] = (
    (offered.PAUSE_SPACE, "pause"),
    (offered.RESUME_SPACE, "resume"),
    (offered.ENABLE_SPACE, "enable"),
    (offered.DISABLE_SPACE, "disable"),
)
Endpoint = Callable[[Request], Awaitable[Response]]


class Spaces:
    """Carries out what callers want of spaces. Each change is answered when this gateway has seen it itself, so that its
    clients read their own writes; the others see it within a second."""

    def __init__(self, nc: Client, follower: DirectoryFollower, access: Access) -> None:
        self._nc, self._follower, self._access = nc, follower, access

    def router(self) -> APIRouter:
        """The routes of spaces."""
        routes = APIRouter()
        endpoints: list[tuple[Operation, Endpoint]] = [
            (offered.SPACES, self._list),
            (offered.SPACE, self._read),
            (offered.CREATE_SPACE, self._create),
            (offered.EDIT_SPACE, self._edit),
            (offered.DELETE_SPACE, self._delete),
            *((operation, self._switching(to)) for operation, to in _SWITCHES),
        ]
        for operation, endpoint in endpoints:
            routes.add_route(operation.path, endpoint, methods=[operation.method])
        return routes

    async def _list(self, request: Request) -> Response:
        spaces = usable(self._follower, self._access.caller(request))
        return json_response(SpacesObject(results=[space_object(space) for space in spaces]))

    async def _read(self, request: Request) -> Response:
        return json_response(space_object(submittable(self._follower, self._access.caller(request), _slug(request))))

    async def _create(self, request: Request) -> Response:
        caller = self._access.caller(request)
        body = bodies.parsed(await whole(request, dict(request.scope["headers"])), CreateSpaceBody)
        owner = owner_of_new(caller, body.owner or "")
        await self._command("create_space", creation(body, owner, f"user:{caller.user.user}"))
        return self._shown(body.id, 201, {"Location": space_url(body.id)})

    async def _edit(self, request: Request) -> Response:
        actor, slug = self._manager(request)
        body = bodies.parsed(await whole(request, dict(request.scope["headers"])), EditSpaceBody)
        await self._command("edit_space", edition(body, slug, actor))
        return self._shown(slug)

    async def _delete(self, request: Request) -> Response:
        actor, slug = self._manager(request)
        await self._command("delete_space", DeleteSpace(space=slug, actor=actor))
        return Response(status_code=204, headers=NO_STORE)

    def _switching(self, to: Switch) -> Endpoint:
        async def switch(request: Request) -> Response:
            actor, slug = self._manager(request)
            await self._command("switch_space", SwitchSpace(space=slug, to=to, actor=actor))
            return self._shown(slug)

        return switch

    def _manager(self, request: Request) -> tuple[str, str]:
        """Who changes which space, if they may. Raises ApiProblem."""
        caller, slug = self._access.caller(request), _slug(request)
        manageable(self._follower, caller, slug)
        return f"user:{caller.user.user}", slug

    async def _command(self, operation: str, command: msgspec.Struct) -> None:
        """Have the registry record it, and fold what it recorded. Raises ApiProblem, NatsUnavailable."""
        try:
            recorded = await rpc.call(self._nc, subjects.registry_rpc(operation), command, Recorded)
            await self._follower.wait_for(recorded.seq)
        except rpc.Refused as error:
            raise ApiProblem(_CODES[error.code], f"{error.message[:1].upper()}{error.message[1:]}.") from error
        except TimeoutError as error:
            raise NatsUnavailable("it is recorded, but this gateway's directory is not up to date") from error

    def _shown(self, slug: str, status: int = 200, headers: dict[str, str] | None = None) -> Response:
        space = self._follower.directory.spaces.get(slug)
        if space is None:
            raise ApiProblem("not_found", "The space has been deleted meanwhile.")
        return json_response(space_object(space), status, headers)


def _slug(request: Request) -> str:
    slug: str = request.path_params["space"]
    return slug
