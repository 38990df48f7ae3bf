"""The logs of requests."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.api.access import Access
from services.gateway.api.operations import REQUEST_LOG
from services.gateway.api.responses import json_response
from services.gateway.auth import Caller
from services.gateway.reading import Reader
from services.gateway.request_log import log_object


def router(access: Access, reader: Reader) -> APIRouter:
    """The route of logs."""

    async def show(request: Request, caller: Caller) -> Response:
        rid = request.path_params["id"]
        links = await access.chain(caller, rid)
        return json_response(log_object(links, await reader.refused(rid)))

    routes = APIRouter()
    access.add(routes, REQUEST_LOG, show)
    return routes
