"""/healthz (the process lives), /readyz (it can do its work), /metrics (Prometheus)."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import msgspec
import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

log = logging.getLogger("services.health")

NotReady = Callable[[], list[str]]
Spawn = Callable[[str, Coroutine[Any, Any, None]], asyncio.Task[None]]


class Server(uvicorn.Server):
    """uvicorn inside our process: signals are ours to handle."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def routes(not_ready: NotReady) -> list[Route]:
    """The three routes, for the gateway's application as well."""

    async def healthz(_: Request) -> Response:
        return Response(b'{"status":"alive"}', media_type="application/json")

    async def readyz(_: Request) -> Response:
        waiting = not_ready()
        body = msgspec.json.encode({"status": "waiting" if waiting else "ready", "waiting_for": waiting})
        return Response(body, status_code=503 if waiting else 200, media_type="application/json")

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]


async def serve_health(spawn: Spawn, host: str, port: int, not_ready: NotReady) -> None:
    """Serve the three routes on a port of their own until the process ends."""
    config = uvicorn.Config(
        Starlette(routes=routes(not_ready)),
        host=host,
        port=port,
        log_config=None,
        log_level="warning",
        access_log=False,
        lifespan="off",
    )
    log.info("health and metrics on %s port %d", host, port)
    spawn("health", Server(config).serve())
