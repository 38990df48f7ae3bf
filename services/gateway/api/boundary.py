"""The outermost layer of the application: gives every HTTP request an id, counts the answers, and lets no exception out."""

import asyncio
import time
from collections.abc import Iterable

from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.gateway.api.responses import RETRY_AFTER, new_request_id, problem_response
from services.gateway.metrics import IN_PROGRESS, RESPONSE_SECONDS, RESPONSES
from services.gateway.problems import ApiProblem
from services.runtime.metrics import OTHER, bounded
from services.runtime.telemetry import request_id

ADDED = "spaces.added_headers"
"""Where in the scope of an HTTP request stands what is added to the headers of its answer, whatever that will be."""


class Boundary:
    """Wraps the application (ASGI 3)."""

    def __init__(self, app: ASGIApp, routes: Iterable[BaseRoute] = ()) -> None:
        """`routes` are those of the application: answers are counted by them."""
        self._app = app
        self._routes: dict[object, Route] = {route.endpoint: route for route in routes if isinstance(route, Route)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request or one WebSocket."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id.set(new_request_id())
        began, started = time.perf_counter(), False
        added: dict[str, str] = {}
        scope[ADDED] = added

        async def counted(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                self._count(scope, message["status"], time.perf_counter() - began)
                message["headers"].append((b"x-request-id", request_id.get().encode()))
                message["headers"].extend((name.encode(), value.encode()) for name, value in added.items())
            await send(message)

        IN_PROGRESS.inc()
        try:
            await self._app(scope, receive, counted)
        except asyncio.CancelledError:
            # Only the server does this, to answers that a drain cannot wait for any longer.
            if not started:
                stopping = ApiProblem("unavailable", "This gateway is stopping. Try again.", headers=RETRY_AFTER)
                await problem_response(stopping)(scope, receive, counted)
        except Exception:
            return  # answered and logged by on_error, after which the framework raises it again
        finally:
            IN_PROGRESS.dec()

    def _count(self, scope: Scope, status: int, took_s: float) -> None:
        """Count an answer under the path of its route as the code has it, never as the client has sent it."""
        route = self._routes.get(scope.get("endpoint"))
        path = OTHER if route is None else route.path
        method = bounded(scope["method"], (route and route.methods) or ())
        RESPONSES.labels(method, path, str(status)).inc()
        RESPONSE_SECONDS.labels(method, path).observe(took_s)
