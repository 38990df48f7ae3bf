"""The outermost layer of a gateway: who really calls, when proxies stand between, and under which URL we are known."""

import ipaddress
from collections.abc import Sequence
from typing import Any, cast

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from services.gateway.outside import PUBLIC_URL

_PEER = "spaces.peer"


class Front:
    """Wraps the application (ASGI 3). Of X-Forwarded-For and X-Forwarded-Proto only what peers in these networks add is
    believed: the client is the last address that is not in them."""

    def __init__(self, app: ASGIApp, trusted: Sequence[str], public_url: str) -> None:
        self._app, self._public_url = app, public_url
        checked = cast(Any, self._checked)
        self._next = cast(ASGIApp, ProxyHeadersMiddleware(checked, list(trusted))) if trusted else app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request or one WebSocket."""
        scope[PUBLIC_URL], scope[_PEER] = self._public_url, scope.get("client")
        await self._next(scope, receive, send)

    async def _checked(self, scope: Scope, receive: Receive, send: Send) -> None:
        """What a trusted peer says is taken as it is: it need not be an address."""
        if scope["client"] is not None and not _is_address(scope["client"][0]):
            scope["client"] = scope[_PEER]
        await self._app(scope, receive, send)


def _is_address(text: str) -> bool:
    """Whether it is one, without a zone: that is any text, and of this machine only."""
    try:
        return "%" not in text and bool(ipaddress.ip_address(text))
    except ValueError:
        return False
