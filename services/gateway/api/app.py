"""The gateway's application, wired by hand."""

from collections.abc import Awaitable, Callable

from fastapi import APIRouter, FastAPI
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket

from services.gateway.api import docs
from services.gateway.api.boundary import Boundary
from services.gateway.api.responses import AsPage, as_problem, handlers
from services.gateway.api.traced import traced
from services.runtime.health import NotReady, routes
from spaces_agent.frames import CONNECT_PATH

Socket = Callable[[WebSocket], Awaitable[None]]


def application(
    not_ready: NotReady,
    socket: Socket,
    *routers: APIRouter,
    as_page: AsPage = as_problem,
    around: Callable[[ASGIApp], ASGIApp] = lambda app: app,
) -> ASGIApp:
    """The routers of API and console, the agents' socket, health and documentation; `as_page` shows people their errors,
    `around` puts a layer around all of these."""
    every: list[BaseRoute] = [
        # The routers' own routes, not `include_router`: that costs each request a second round of matching.
        *(route for router in routers for route in router.routes),
        WebSocketRoute(CONNECT_PATH, socket),
        *docs.routes(),
        *routes(not_ready),
    ]
    app = FastAPI(
        routes=every,
        exception_handlers=handlers(as_page),
        redirect_slashes=False,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        # Ours are on /metrics and in the events; the framework's look for a provider costs time on every request.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    return Boundary(traced(around(app), every), every)
