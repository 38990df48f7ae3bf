"""The HTTP server of a gateway: uvicorn on a socket that is bound early, so that a port in use is known at once."""

import asyncio
import os
import socket

import uvicorn
from starlette.types import ASGIApp

from services.gateway.api.protocol import Http, WebSocketConnection
from services.runtime.errors import Final
from services.runtime.health import Server
from spaces_agent.frames import MAX_FRAME_BYTES

BACKLOG = 2048
KEEP_ALIVE_S = 75
"""Longer than the usual 60 s of load balancers: the side that reuses connections must be the one that closes them."""
GRACE_S = 10
"""How long a drain waits for answers that are on their way."""


class PortInUse(Final):
    """The address cannot be listened on."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises PortInUse."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise PortInUse(f"cannot listen on {host} port {port}: {reason}") from error


class HttpServer:
    """Serves the application until it is told to stop."""

    def __init__(self, app: ASGIApp, listener: socket.socket) -> None:
        self._listener = listener
        self._stopped = asyncio.Event()
        self._server = Server(
            uvicorn.Config(
                app,
                loop="none",
                http=Http,
                ws=WebSocketConnection,
                ws_max_size=MAX_FRAME_BYTES,
                ws_per_message_deflate=False,
                ws_ping_interval=None,  # the agents' protocol has heartbeats of its own
                ws_ping_timeout=None,  # what is pinged for the round trip need not answer
                lifespan="off",
                log_config=None,
                log_level="warning",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                headers=[("X-Content-Type-Options", "nosniff")],
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=GRACE_S,
            )
        )

    async def serve(self) -> None:
        """Serve until stopped."""
        try:
            await self._server.serve(sockets=[self._listener])
        finally:
            self._stopped.set()

    async def stop(self) -> None:
        """Take no more connections, answer what has been asked, and return when that is done."""
        self._server.should_exit = True
        await self._stopped.wait()
