"""Numbers over time, the platform, and what needs somebody."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.api.access import Access
from services.gateway.api.responses import json_response
from services.gateway.api.watching_operations import PLATFORM, STATS_SERIES, WARNINGS
from services.gateway.auth import Caller
from services.gateway.lists import Query
from services.gateway.series import window_of
from services.gateway.warnings import WarningsObject, warning_object
from services.gateway.watching import Watching


def router(access: Access, watching: Watching) -> APIRouter:
    """The routes of these."""

    async def series(request: Request, caller: Caller) -> Response:
        query = Query(request.query_params.multi_items(), ("space", "window"), paging=False)
        return json_response(await watching.series(caller, query.one("space"), window_of(query.one("window"))))

    async def platform(request: Request, _: Caller) -> Response:
        Query(request.query_params.multi_items(), (), paging=False)
        return json_response(await watching.platform())

    async def warnings(request: Request, caller: Caller) -> Response:
        Query(request.query_params.multi_items(), (), paging=False)
        platform = await watching.platform() if watching.administers(caller) else None
        found = await watching.findings(caller, platform)
        return json_response(WarningsObject(results=[warning_object(each) for each in found]))

    routes = APIRouter()
    for operation, endpoint in ((STATS_SERIES, series), (PLATFORM, platform), (WARNINGS, warnings)):
        access.add(routes, operation, endpoint)
    return routes
