"""What clients of tus may know before they upload, and before they have a key."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.gateway import tus
from services.gateway.api.access import Access
from services.gateway.api.discovery_operations import DISCOVERY_OPERATIONS
from services.gateway.api.responses import NO_STORE


def router(access: Access, max_bytes: int) -> APIRouter:
    """The routes that say how files of at most `max_bytes` are uploaded."""
    headers = {**NO_STORE, **tus.ANSWERED, **tus.known(max_bytes)}

    async def discover(_: Request) -> Response:
        return Response(status_code=204, headers=headers)

    routes = APIRouter()
    for operation in DISCOVERY_OPERATIONS:
        access.add_open(routes, operation, discover)
    return routes
