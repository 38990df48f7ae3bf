"""The gateway's application, wired by hand."""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket

from services.gateway.api import docs
from services.gateway.api.boundary import Boundary
from services.gateway.api.responses import (
    on_client_gone,
    on_error,
    on_file_gone,
    on_http_exception,
    on_problem,
    on_retryable,
)
from services.gateway.problems import ApiProblem
from services.runtime.errors import Retryable
from services.runtime.file_store import FileGone
from services.runtime.health import NotReady, routes
from spaces_agent.frames import CONNECT_PATH

Socket = Callable[[WebSocket], Awaitable[None]]


def application(
    not_ready: NotReady, socket: Socket, *routers: APIRouter, around: Callable[[ASGIApp], ASGIApp] = lambda app: app
) -> ASGIApp:
    """The API's routers, the agents' socket, health and documentation; `around` puts a layer around all of these."""
    every: list[BaseRoute] = [
        # The routers' own routes, not `include_router`: that costs each request a second round of matching.
        *(route for router in routers for route in router.routes),
        WebSocketRoute(CONNECT_PATH, socket),
        *docs.routes(),
        *routes(not_ready),
    ]
    handlers: dict[Any, Any] = {
        ApiProblem: on_problem,
        HTTPException: on_http_exception,
        Retryable: on_retryable,
        FileGone: on_file_gone,
        Exception: on_error,
        ClientDisconnect: on_client_gone,
    }
    app = FastAPI(
        routes=every,
        exception_handlers=handlers,
        redirect_slashes=False,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        # Ours are on /metrics and in the events; the framework's look for a provider costs time on every request.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    return Boundary(around(app))
