"""Looking at a gateway from outside, once and without trying again: what it answers, and why it does not."""

import contextlib
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

import httpx

from services.commands.checks import Door, Trouble
from spaces_agent.address import connect_url
from spaces_agent.frames import SUBPROTOCOL
from spaces_client import transport
from spaces_client.address import on_this_machine

PATIENCE_S = 10.0
"""Who has not answered by then does not."""
_DAY_S = 24 * 3600


class Answer(NamedTuple):
    """What it answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Probe:
    """Asks a gateway, with a key. Close it, or use it as a context manager."""

    def __init__(self, url: str, key: str) -> None:
        """Raises ConfigError when URL or key cannot be one."""
        self._url = url.strip()
        self._http = transport.opened(httpx.Client, httpx.HTTPTransport, url, key, timeout=PATIENCE_S)

    def __enter__(self) -> "Probe":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._http.close()

    def ask(self, path: str) -> Answer | Trouble:
        """What there is at a path."""
        try:
            response = self._http.get(path)
        except httpx.RequestError as error:
            return Trouble(_kind(error), transport.reason(error))
        return Answer(response.status_code, response.headers, response.content)

    def certificate_days(self) -> float | None:
        """How many days the certificate is still good; None when that cannot be seen, behind a proxy for example."""
        parts = urlsplit(self._url)
        with contextlib.suppress(OSError, KeyError):
            context = ssl.create_default_context()
            with (
                socket.create_connection((parts.hostname, parts.port or 443), PATIENCE_S) as plain,
                context.wrap_socket(plain, server_hostname=parts.hostname) as secured,
            ):
                shown = secured.getpeercert() or {}
                return (ssl.cert_time_to_seconds(str(shown["notAfter"])) - time.time()) / _DAY_S
        return None

    def knock(self) -> Door:
        """What becomes of a WebSocket that is opened as agents do, without a key."""
        from websockets.exceptions import InvalidStatus, WebSocketException
        from websockets.sync.client import connect
        from websockets.typing import Subprotocol

        proxy: Literal[True] | None = None if on_this_machine(self._url) else True
        try:
            with connect(
                connect_url(self._url), subprotocols=[Subprotocol(SUBPROTOCOL)], open_timeout=PATIENCE_S, proxy=proxy
            ) as door:
                first = door.recv(PATIENCE_S)
                return Door(text=first if isinstance(first, str) else "")
        except InvalidStatus as error:
            return Door(status=error.response.status_code)
        # ImportError: a SOCKS proxy is set, and the library for it is missing.
        except (OSError, WebSocketException, ImportError) as error:
            return Door(trouble=str(error) or type(error).__name__)


def _kind(error: httpx.RequestError) -> str:
    found = list(_causes(error))
    if any(isinstance(each, ssl.SSLError) for each in found):
        return "certificate"
    if any(isinstance(each, socket.gaierror) for each in found):
        return "name"
    if any(isinstance(each, ConnectionRefusedError) for each in found):
        return "refused"
    return "silent" if isinstance(error, httpx.TimeoutException) else "other"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
