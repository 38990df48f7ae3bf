"""HTTP/1.1 as uvicorn parses it, with a bound on the head of a request and problems instead of plain text."""

from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from services.gateway.api.responses import new_request_id
from services.gateway.problems import MEDIA_TYPE, ApiProblem
from services.gateway.view import encode

MAX_HEAD_BYTES = 64 * 1024


class HeadTooLarge(ValueError):
    """The head of a request has no end."""


class Http(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_bytes = 0

    def on_message_begin(self) -> None:
        """See HttpToolsProtocol."""
        self._head_bytes = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """See HttpToolsProtocol. Raises HeadTooLarge, which the parser turns into a 400."""
        self._head_bytes += len(url)
        if self._head_bytes > MAX_HEAD_BYTES:
            raise HeadTooLarge
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """See HttpToolsProtocol. Raises HeadTooLarge."""
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > MAX_HEAD_BYTES:
            raise HeadTooLarge
        super().on_header(name, value)

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP, and close."""
        problem = ApiProblem("invalid_request", f"Not a valid HTTP request, or its head exceeds {MAX_HEAD_BYTES} bytes.")
        body = encode(problem.body(new_request_id()))
        head = [
            "HTTP/1.1 400 Bad Request",
            f"Content-Type: {MEDIA_TYPE}",
            f"Content-Length: {len(body)}",
            "Connection: close",
            "\r\n",
        ]
        self.transport.write("\r\n".join(head).encode() + body)
        self.transport.close()
