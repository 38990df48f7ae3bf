"""A span for each HTTP request, in the trace of its caller. Path and query do not stand in it, since secrets may stand in
those: the route does."""

import asyncio
from collections.abc import Iterable

from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.contracts.trace import carried_state
from services.runtime import spans
from services.runtime.telemetry import request_id

METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_UNTRACED = frozenset({"/healthz", "/readyz", "/metrics"})
_UNKNOWN = "_OTHER"


def traced(app: ASGIApp, routes: Iterable[BaseRoute]) -> ASGIApp:
    """The application with its spans, named by its routes; itself when none are recorded."""
    return Traced(app, routes) if spans.on() else app


class Traced:
    """Wraps the application (ASGI 3)."""

    def __init__(self, app: ASGIApp, routes: Iterable[BaseRoute]) -> None:
        self._app = app
        # The framework tells the endpoint that it has chosen, and not by which of its routes.
        self._paths: dict[object, str] = {route.endpoint: route.path for route in routes if isinstance(route, Route)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request or one WebSocket."""
        if scope["type"] != "http" or scope["path"] in _UNTRACED:
            await self._app(scope, receive, send)
            return
        before = request_id.get()
        method = scope["method"] if scope["method"] in METHODS else _UNKNOWN
        with _span(scope, method) as span:

            async def noted(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.note(http__response__status_code=message["status"])
                    if message["status"] >= 500:
                        span.failed(str(message["status"]))
                await send(message)

            try:
                await self._app(scope, receive, noted)
            except asyncio.CancelledError:
                span.failed("canceled")
                raise
            finally:
                if (route := self._paths.get(scope.get("endpoint"))) is not None:
                    span.rename(f"{method} {route}")
                    span.note(http__route=route)
                if (of := request_id.get()) != before:
                    span.note(ws__request_id=of)


def _span(scope: Scope, method: str) -> spans.Span:
    given: dict[bytes, list[bytes]] = {}
    for name, value in scope["headers"]:
        if name in (b"traceparent", b"tracestate"):
            given.setdefault(name, []).append(value)
    parents = given.get(b"traceparent", [])
    traceparent = parents[0].decode("latin-1") if len(parents) == 1 else ""
    tracestate = carried_state(traceparent, b",".join(given.get(b"tracestate", [])).decode("latin-1"))
    attributes = {"http.request.method": method, "url.scheme": scope["scheme"]}
    return spans.begin(method, "SERVER", attributes, (traceparent, tracestate))
