"""Pages of other origins (WHATWG Fetch, 3.2): what they may ask is said to browsers, and nothing is shown to any but those
that the caller's key lists."""

from collections.abc import Mapping

from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.contracts.accounts import Key
from services.gateway.api.responses import NO_STORE
from services.gateway.problems import ApiProblem
from services.runtime.directory import DirectoryFollower

METHODS = "GET, HEAD, POST, PATCH, DELETE, OPTIONS"
_OF_UPLOADS = "Tus-Resumable, Upload-Length, Upload-Offset"
REQUEST_HEADERS = (
    "Authorization, Content-Type, Accept, Prefer, Idempotency-Key, traceparent, tracestate, Range, If-Range, If-None-Match, "
    f"{_OF_UPLOADS}, Upload-Metadata"
)
EXPOSED = (
    "Location, Retry-After, Idempotent-Replayed, X-Request-Id, WWW-Authenticate, RateLimit, RateLimit-Policy, "
    f"ETag, Content-Range, Content-Disposition, {_OF_UPLOADS}, Tus-Version, Tus-Extension, Tus-Max-Size"
)
MAX_AGE_S = 600
_ALLOWED = "allow_origin"


class Cors:
    """Wraps the application (ASGI 3)."""

    def __init__(self, app: ASGIApp, follower: DirectoryFollower) -> None:
        self._app, self._follower = app, follower

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request or one WebSocket."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        if _is_preflight(scope, headers):
            await self._preflight(headers[b"origin"].decode("latin-1"))(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        origin = headers.get(b"origin", b"").decode("latin-1")
        if scope["method"] == "OPTIONS" and self._is_listed(origin):
            state[_ALLOWED] = origin  # no key comes along here either, and the answer holds nothing of anybody

        async def shown(message: Message) -> None:
            if message["type"] == "http.response.start" and _ALLOWED in state:
                answered = MutableHeaders(scope=message)
                answered["Access-Control-Allow-Origin"] = state[_ALLOWED]
                answered["Access-Control-Expose-Headers"] = EXPOSED
                answered.add_vary_header("Origin")
            await send(message)

        await self._app(scope, receive, shown)

    def _preflight(self, origin: str) -> Response:
        """The key does not come along with this question: yes, when any key lists the origin."""
        headers = {**NO_STORE, "Vary": "Origin"}
        if self._is_listed(origin):
            headers |= {
                "Access-Control-Allow-Origin": origin,
                "Access-Control-Allow-Methods": METHODS,
                "Access-Control-Allow-Headers": REQUEST_HEADERS,
                "Access-Control-Max-Age": str(MAX_AGE_S),
            }
        return Response(status_code=204, headers=headers)

    def _is_listed(self, origin: str) -> bool:
        return any(origin in key.origins for key in self._follower.directory.keys.values())


def let_in(scope: Scope, headers: Mapping[bytes, bytes], key: Key) -> None:
    """Let the page that sent this see the answer, when the key is for pages. Raises ApiProblem when it is not for this
    one."""
    if not key.origins:
        return
    origin = headers.get(b"origin", b"").decode("latin-1")
    if origin not in key.origins:
        detail = "This key is only for pages of its `origins`. Use another key from programs, or make one for this origin."
        raise ApiProblem("forbidden", detail)
    scope.setdefault("state", {})[_ALLOWED] = origin


def _is_preflight(scope: Scope, headers: Mapping[bytes, bytes]) -> bool:
    asked = b"origin" in headers and b"access-control-request-method" in headers
    return scope["method"] == "OPTIONS" and asked and scope["path"].startswith("/v1/")
