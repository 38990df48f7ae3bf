"""Lists, as history has them."""

from fastapi import APIRouter
from nats.aio.client import Client
from starlette.requests import Request
from starlette.responses import Response

from services.contracts import subjects
from services.contracts.lists import ListRequests, Place, RequestsPage
from services.gateway.api.access import Access
from services.gateway.api.operations import LIST
from services.gateway.api.responses import json_response
from services.gateway.lists import Query, around
from services.gateway.reading import Reader
from services.gateway.view import RequestsObject, listed_request
from services.runtime import rpc


def router(nc: Client, access: Access, reader: Reader) -> APIRouter:
    """The routes of lists."""

    async def requests(request: Request) -> Response:
        caller = access.caller(request)
        query = Query(request.query_params.multi_items(), ("space", "status", "user", "created_after", "created_before"))
        scope = access.scope(caller, query.one("space"), query.one("user"))
        paging = query.paging()
        wanted = ListRequests(
            limit=paging.limit,
            user=scope.user,
            spaces=scope.spaces,
            statuses=query.statuses(),
            since=query.instant("created_after"),
            until=query.instant("created_before"),
            beside=paging.beside,
            direction=paging.direction,
            # So a client finds in a list what it was told before, here or elsewhere.
            recorded=await reader.end_of_stream(),
        )
        page = await rpc.call(nc, subjects.history_rpc("requests"), wanted, RequestsPage)
        places = [Place(state.accepted_at, state.rid) for state in page.requests]
        older, newer = around(paging, places, page.more)
        return json_response(RequestsObject(results=list(map(listed_request, page.requests)), next=older, previous=newer))

    routes = APIRouter()
    for operation, endpoint in ((LIST, requests),):
        routes.add_route(operation.path, endpoint, methods=[operation.method])
    return routes
