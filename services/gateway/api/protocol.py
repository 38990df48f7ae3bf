"""HTTP/1.1 and WebSocket as uvicorn speaks them, with bounds on what one peer may make us keep, and problems instead of
plain text."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

from services.gateway.api.responses import new_request_id
from services.gateway.intake import MAX_BODY_BYTES
from services.gateway.problems import MEDIA_TYPE, ApiProblem
from services.gateway.view import encode

MAX_HEAD_BYTES = 64 * 1024
MAX_IGNORED_BYTES = 4 * MAX_BODY_BYTES
"""A client that only reads our answer when it has sent everything is not cut off before that, within reason."""
HEAD_S = 60.0
"""So long a peer may have a connection without coming to the end of a head: until then it has shown us nothing, and each
connection is a file that we may have open."""
FIELD_BYTES = 32
"""What keeping a header field costs beside its text: many empty ones are a large head too."""


class HeadTooLarge(ValueError):
    """The head of a request has no end."""


class Http(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_bytes = 0
        self._unparsed_bytes = 0
        self._ignored_bytes = 0
        self._in_head = False
        self._head_by: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See HttpToolsProtocol."""
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """See HttpToolsProtocol."""
        super().connection_lost(exc)
        self._expect_no_head()

    def data_received(self, data: bytes) -> None:
        """See HttpToolsProtocol. The parser keeps an unfinished header field, however long it gets, and copies it whenever
        more of it comes: a peer that sends nothing else is given up."""
        self._unparsed_bytes += len(data)
        super().data_received(data)
        if self._unparsed_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("")
        upgraded = self.transport.get_protocol() is not self
        if upgraded or self.transport.is_closing() or (self._answering and not self._in_head):
            self._expect_no_head()
        else:
            self._expect_head()

    def on_message_begin(self) -> None:
        """See HttpToolsProtocol."""
        self._head_bytes = self._unparsed_bytes = self._ignored_bytes = 0
        self._in_head = True
        super().on_message_begin()
        # Closing waits until what was written has been read; an endless answer needs another way out.
        self.scope["state"]["abort"] = self.transport.abort

    def on_url(self, url: bytes) -> None:
        """See HttpToolsProtocol. Raises HeadTooLarge, which the parser turns into a 400."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """See HttpToolsProtocol. Raises HeadTooLarge."""
        self._count(len(name) + len(value) + FIELD_BYTES)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """See HttpToolsProtocol."""
        self._unparsed_bytes = 0
        self._in_head = False
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """See HttpToolsProtocol. What comes after the answer is not kept, but neither is it read for ever."""
        self._unparsed_bytes = 0
        super().on_body(body)
        if self.cycle.response_complete:
            self._ignored_bytes += len(body)
            if self._ignored_bytes > MAX_IGNORED_BYTES:
                self.transport.close()

    def on_message_complete(self) -> None:
        """See HttpToolsProtocol."""
        self._unparsed_bytes = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP, and close."""
        problem = ApiProblem("invalid_request", f"Not a valid HTTP request, or its head exceeds {MAX_HEAD_BYTES} bytes.")
        request_id = new_request_id()
        body = encode(problem.body(request_id))
        head = [
            "HTTP/1.1 400 Bad Request",
            f"Content-Type: {MEDIA_TYPE}",
            f"Content-Length: {len(body)}",
            f"X-Request-Id: {request_id}",
            "Connection: close",
            "\r\n",
        ]
        self.transport.write("\r\n".join(head).encode() + body)
        self.transport.close()

    def _should_upgrade(self) -> bool:
        """Only a GET opens a WebSocket (RFC 6455, 4.1); the WebSocket parser would leave others without an answer."""
        return self.scope["method"] == "GET" and super()._should_upgrade()

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _expect_head(self) -> None:
        if self._head_by is None:
            self._head_by = self.loop.call_later(HEAD_S, self._no_head_came)

    def _expect_no_head(self) -> None:
        if self._head_by is not None:
            self._head_by.cancel()
            self._head_by = None

    def _no_head_came(self) -> None:
        self._head_by = None
        if self._answering:  # a request before the one whose head does not come
            self._expect_head()
        else:
            self.transport.close()

    def _count(self, size: int) -> None:
        self._unparsed_bytes = 0
        self._head_bytes += size
        if self._head_bytes > MAX_HEAD_BYTES:
            raise HeadTooLarge


class WebSocketConnection(WebSocketsSansIOProtocol):
    """One agent's connection. The application finds `ping` in the scope's state."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._pong: asyncio.Future[float] | None = None

    async def run_asgi(self) -> None:
        """See WebSocketsSansIOProtocol."""
        self.scope["state"]["ping"] = self.ping
        try:
            await super().run_asgi()
        finally:
            # Closing waits until the peer has read what was written, and one that does not read keeps its socket.
            self.loop.call_later(self.close_timeout, self.transport.abort)

    def ping(self) -> "asyncio.Future[float]":
        """Send a ping: how many seconds later its pong came. One at a time, and none while the peer does not read."""
        if self._pong is None:
            self._pong = self.loop.create_future()
        if self.pending_ping_payload is None and self.writable.is_set():
            self.send_keepalive_ping()
        return self._pong

    def schedule_ping(self) -> None:
        """See WebSocketsSansIOProtocol. A ping is sent when somebody wants to know, and not by the clock."""

    def handle_pong(self, event: Frame) -> None:
        """See WebSocketsSansIOProtocol."""
        waited = self.pending_ping_payload is not None
        super().handle_pong(event)
        if waited and self.pending_ping_payload is None and self._pong is not None:
            pong, self._pong = self._pong, None
            pong.set_result(self.last_ping_rtt)

    def handle_ping(self) -> None:
        """See WebSocketsSansIOProtocol. A peer that does not read gets no pongs: they would pile up here. It may expect
        one for its latest ping only (RFC 6455, 5.5.3)."""
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()
