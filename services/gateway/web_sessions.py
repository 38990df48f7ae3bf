"""What a browser shows for being signed in, and what keeps other sites from using it: cookie, CSRF token, Origin."""

import hashlib
import hmac
from typing import Literal

from services.contracts.accounts import Directory
from services.contracts.sign_in import SessionRecord
from services.gateway.outside import SAFE, Headers, check_origin
from services.gateway.problems import ApiProblem

COOKIE, CSRF_HEADER = "ws_session", "X-CSRF-Token"
SESSION_S = 14 * 86400
_NS = 1_000_000_000

SessionFlaw = Literal["", "expired", "unknown", "disabled", "password"]
"""Why a session is worth nothing; empty: it is not so."""


def token_of(headers: Headers) -> str | None:
    """The session's token in the Cookie header (RFC 6265, 4.2.1), if there is one."""
    found = ""
    # Every other site on this host, on any port, has cookies here as well: whatever stands in them, ours is to be found.
    for pair in headers.get(b"cookie", b"").decode("latin-1").split(";"):
        name, _, value = pair.partition("=")
        if name.strip() == COOKIE:
            found = value.strip()
    return found or None


def csrf_token(token: str) -> str:
    """What a page must show beside the cookie: it follows from the session's token, which no script can read."""
    return hashlib.sha256(b"csrf\0" + token.encode()).hexdigest()[:40]


def check_page(method: str, headers: Headers, token: str, public_url: str = "") -> None:
    """Raises ApiProblem unless what was sent with a session's cookie was meant by a page of ours: a cookie goes along with
    what other sites send, too."""
    if method in SAFE:
        return
    check_origin(method, headers, public_url)
    shown = headers.get(CSRF_HEADER.lower().encode(), b"")
    if not hmac.compare_digest(shown, csrf_token(token).encode()):
        detail = f"With a session's cookie send `{CSRF_HEADER}` too: its value is `csrf_token` of GET /v1/session."
        raise ApiProblem("forbidden", detail)


def cookie(token: str, *, secure: bool) -> str:
    """The value of Set-Cookie; an empty token takes the cookie away."""
    parts = [f"{COOKIE}={token}", "Path=/", "HttpOnly", "SameSite=Lax", f"Max-Age={SESSION_S if token else 0}"]
    return "; ".join([*parts, "Secure"] if secure else parts)


def flaw(record: SessionRecord, directory: Directory, now: int) -> SessionFlaw:
    """Why a session is worth nothing now (nanoseconds since 1970)."""
    user = directory.users.get(record.user)
    if user is None:
        return "unknown"
    if now - record.made_at >= SESSION_S * _NS:
        return "expired"
    # A newer password than the one we know of was told to us by the registry itself.
    if record.password_seq < directory.password_seqs[user.user]:
        return "password"
    return "disabled" if user.disabled else ""
