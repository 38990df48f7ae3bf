"""One HTTP connection to a gateway. The only module that needs an HTTP library, which takes a tenth of a second and some
10 MB to import: most handlers use no files."""

from __future__ import annotations

import socket
import ssl
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import httpx

from spaces_agent.errors import FileFailed
from spaces_agent.transfer_steps import Again, Answer, Interrupted

_CONNECT_S = 10.0
_STALL_S = 30.0
"""A connection through which nothing has passed for so long is given up."""
_MAX_PROBLEM_BYTES = 64 * 1024


class HttpClient:
    """To the gateway at this WebSocket address. TLS and proxies are those of the WebSocket; redirects are not followed, and
    no key is sent. `opened` is told each socket."""

    def __init__(self, address: str, opened: Callable[[socket.socket], None]) -> None:
        self._opened = opened
        try:
            self._client = httpx.Client(verify=_tls(), proxy=proxy_for(address), trust_env=False, follow_redirects=False)
        except (ValueError, ImportError) as error:  # a SOCKS proxy, for which httpx needs one library more
            raise FileFailed(f"the proxy of this machine cannot be used: {error}", retryable=True) from error

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    @contextmanager
    def exchange(
        self, method: str, url: str, headers: Mapping[str, str], content: Iterator[bytes] | None, within_s: float
    ) -> Iterator[tuple[Answer, Iterator[bytes]]]:
        """One exchange. Where it has succeeded, the body of the answer is still to be read. No step may take longer than
        `within_s`. Raises Interrupted, in the block as well."""
        timeout = httpx.Timeout(min(_STALL_S, within_s), connect=min(_CONNECT_S, within_s))
        extensions = {"trace": self._trace}
        try:
            with self._client.stream(
                method, url, headers=dict(headers), content=content, timeout=timeout, extensions=extensions
            ) as response:
                body = response.iter_raw()
                yield _answer(response, body), body
        except httpx.TransportError as error:
            raise Interrupted(Again(str(error) or type(error).__name__)) from error

    def _trace(self, event: str, info: dict[str, Any]) -> None:
        if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            self._opened(info["return_value"].get_extra_info("socket"))


@cache
def _tls() -> ssl.SSLContext:
    # One for the process: to read the certificates of the machine takes 30 ms.
    return ssl.create_default_context()


def _answer(response: httpx.Response, body: Iterator[bytes]) -> Answer:
    said = b""
    while not response.is_success and len(said) < _MAX_PROBLEM_BYTES and (piece := next(body, b"")):
        said += piece
    return Answer(response.status_code, {name.lower(): value for name, value in response.headers.items()}, said)


def proxy_for(address: str) -> str | None:
    """The proxy through which a WebSocket to this address goes, as the library that opens it chooses one."""
    parts = urlsplit(address)
    port = parts.port or (443 if parts.scheme == "wss" else 80)
    if urllib.request.proxy_bypass(f"{parts.hostname}:{port}"):
        return None
    configured = urllib.request.getproxies()
    choices = ("wss", "socks", "https") if parts.scheme == "wss" else ("ws", "socks", "https", "http")
    chosen = next((scheme for scheme in choices if scheme in configured), None)
    if chosen is None:
        return None
    proxy = configured[chosen]
    return "socks5h://" + proxy.removeprefix("http://") if chosen == "socks" and proxy.startswith("http://") else proxy
