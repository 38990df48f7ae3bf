"""Lists and numbers, as history has them."""

from fastapi import APIRouter
from nats.aio.client import Client
from starlette.requests import Request
from starlette.responses import Response

from services.contracts import subjects
from services.contracts.lists import (
    ConnectionsPage,
    GetStats,
    ListConnections,
    ListRequests,
    Place,
    RequestsPage,
    Stats,
)
from services.gateway.api.access import Access
from services.gateway.api.operations import CONNECTIONS, LIST, STATS
from services.gateway.api.responses import json_response
from services.gateway.auth import Caller
from services.gateway.lists import Query, around
from services.gateway.monitoring import ConnectionsObject, connection_object, stats_object, window_s
from services.gateway.reading import Reader
from services.gateway.view import RequestsObject, listed_request
from services.runtime import rpc

_NS = 1_000_000_000


def router(nc: Client, access: Access, reader: Reader) -> APIRouter:
    """The routes of lists."""

    async def requests(request: Request, caller: Caller) -> Response:
        query = Query(request.query_params.multi_items(), ("space", "status", "user", "created_after", "created_before"))
        reach = access.reach(caller, query.one("space"), query.one("user"))
        paging = query.paging()
        wanted = ListRequests(
            limit=paging.limit,
            user=reach.user,
            spaces=reach.spaces,
            statuses=query.statuses(),
            since=query.instant("created_after"),
            until=query.instant("created_before"),
            beside=paging.beside,
            direction=paging.direction,
            # So a client finds in a list what it was told before, here or elsewhere.
            recorded=(await reader.end_of_stream()).position,
        )
        page = await rpc.call(nc, subjects.history_rpc("requests"), wanted, RequestsPage)
        places = [Place(state.accepted_at, state.rid) for state in page.requests]
        older, newer = around(paging, places, page.more)
        return json_response(RequestsObject(results=list(map(listed_request, page.requests)), next=older, previous=newer))

    async def connections(request: Request, caller: Caller) -> Response:
        query = Query(request.query_params.multi_items(), ("agent", "space"))
        space, paging = query.one("space"), query.paging()
        # An agent is its owner's, not a space's: a space only chooses among those that the caller may see.
        access.reach(caller, space, None)
        within = access.reach(caller, None, None)
        wanted = ListConnections(
            limit=paging.limit,
            owner=within.user,
            agent=query.one("agent") or "",
            space=space or "",
            within=within.spaces,
            beside=paging.beside,
            direction=paging.direction,
        )
        page = await rpc.call(nc, subjects.history_rpc("connections"), wanted, ConnectionsPage)
        older, newer = around(paging, [each.place for each in page.connections], page.more)
        return json_response(
            ConnectionsObject(results=list(map(connection_object, page.connections)), next=older, previous=newer)
        )

    async def stats(request: Request, caller: Caller) -> Response:
        query = Query(request.query_params.multi_items(), ("space", "window"), paging=False)
        space, window = query.one("space"), window_s(query.one("window"))
        reach = access.reach(caller, space, None)
        end = await reader.end_of_stream()
        wanted = GetStats(
            since=end.at - window * _NS, until=end.at, user=reach.user, spaces=reach.spaces, recorded=end.position
        )
        found = await rpc.call(nc, subjects.history_rpc("stats"), wanted, Stats)
        return json_response(stats_object(found, space, window, end.at))

    routes = APIRouter()
    for operation, endpoint in ((LIST, requests), (CONNECTIONS, connections), (STATS, stats)):
        access.add(routes, operation, endpoint)
    return routes
