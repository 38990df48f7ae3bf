"""How this gateway is seen from outside: its URL, whether there is TLS before it, and which pages are its own."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from services.gateway.problems import ApiProblem

PUBLIC_URL = "spaces.public_url"
"""Where in the scope of a request stands the URL that everybody knows the gateways by; empty: nobody has said."""
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

Headers = Mapping[bytes, bytes]
Scope = Mapping[str, Any]


def base_url(scope: Scope) -> str:
    """Where the browser, or another program, finds this gateway."""
    return str(scope.get(PUBLIC_URL) or f"{scope['scheme']}://{_host(scope)}")


def is_secure(scope: Scope) -> bool:
    """Whether the browser speaks TLS, with us or with a proxy before us. On another host than the public one, say on this
    machine itself, it may not."""
    public = urlsplit(scope.get(PUBLIC_URL, ""))
    return scope["scheme"] == "https" or (public.scheme == "https" and public.netloc == _host(scope).lower())


def check_origin(method: str, headers: Headers, public_url: str = "") -> None:
    """Raises ApiProblem when a browser says that a page of another host has sent this, or one of the public host that came
    without TLS where there is TLS. The host of a page that came through a proxy may be another than that of the request."""
    origin = headers.get(b"origin")
    if method in SAFE or origin is None:
        return
    text = origin.decode("latin-1").lower()
    try:
        netloc = urlsplit(text).netloc
    except ValueError:
        netloc = ""
    public = urlsplit(public_url).netloc
    own = text == public_url if netloc == public else netloc.encode("latin-1") == headers.get(b"host", b"").lower()
    if not netloc or not own:
        raise ApiProblem("forbidden", "This was sent by a page of another host. Pages elsewhere use a key with `origins`.")


def _host(scope: Scope) -> str:
    """The header Host; the last one, should there be several."""
    return str(dict(scope["headers"]).get(b"host", b"localhost").decode("latin-1"))
