"""Who did what, as history has it from the directory's events."""

from fastapi import APIRouter
from nats.aio.client import Client
from starlette.requests import Request
from starlette.responses import Response

from services.contracts import subjects
from services.contracts.audit import TYPES, AuditPage, ListAudit
from services.contracts.rpc import Position
from services.gateway.api.access import Access
from services.gateway.api.audit_operations import AUDIT
from services.gateway.api.responses import json_response
from services.gateway.audit import SYSTEM, AuditsObject, actor_of, audit_object
from services.gateway.auth import Caller
from services.gateway.lists import Query, around
from services.gateway.problems import ApiProblem
from services.gateway.reading import epoch_of
from services.runtime import rpc
from services.runtime.directory import DirectoryFollower
from services.runtime.jetstream import stream_info


def router(nc: Client, access: Access, follower: DirectoryFollower) -> APIRouter:
    """The route of the audit."""

    async def listed(request: Request, _: Caller) -> Response:
        query = Query(request.query_params.multi_items(), ("actor", "user", "space", "type", "since", "until"))
        actor, user, space, paging = query.one("actor"), query.one("user"), query.one("space"), query.paging()
        wanted = ListAudit(
            limit=paging.limit,
            actor="" if actor is None else SYSTEM if actor == SYSTEM else actor_of(found(actor)),
            user="" if user is None else found(user),
            space="" if space is None else there(space),
            types=query.several("type", TYPES),
            since=query.instant("since"),
            until=query.instant("until"),
            beside=paging.beside,
            direction=paging.direction,
            recorded=await end_of_directory(),
        )
        page = await rpc.call(nc, subjects.history_rpc("audit"), wanted, AuditPage)
        older, newer = around(paging, [each.place for each in page.entries], page.more)
        shown = [audit_object(each, follower.directory) for each in page.entries]
        return json_response(AuditsObject(results=shown, next=older, previous=newer))

    async def end_of_directory() -> Position:
        """So an administrator finds in it what they have just done, here or elsewhere."""
        info = await stream_info(nc, subjects.DIRECTORY)
        return Position(stream=subjects.DIRECTORY, epoch=epoch_of(info), seq=info.state.last_seq)

    def found(name: str) -> str:
        user = follower.directory.user_named(name)
        if user is None:
            raise ApiProblem("not_found", "There is no such user.")
        return user.user

    def there(slug: str) -> str:
        if follower.directory.serviceable(slug) is None:
            raise ApiProblem("not_found", "There is no such space, and never was.")
        return slug

    routes = APIRouter()
    access.add(routes, AUDIT, listed)
    return routes
