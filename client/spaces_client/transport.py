"""HTTP as both clients speak it, by httpx."""

from __future__ import annotations

import os
import random
import re
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import httpx

from spaces_client.address import api_key, base_url, on_this_machine
from spaces_client.errors import ConfigError, Unreachable
from spaces_client.sending import World
from spaces_client.steps import Exchange, Lost
from spaces_client.version import __version__

CONNECT_S = 5.0
SILENCE_S = 45.0
"""A stream that has said nothing for so long is given up: the gateway sends a ping every 15 s."""

_ERRNO = re.compile(r"^\[Errno -?[0-9]+\] ")
_T = TypeVar("_T")

Waiting = Callable[[str, float], None]
"""Told why a stream was interrupted, and in how many seconds it will be opened again."""


def opened(http: Callable[..., _T], direct: Callable[[], Any], url: str, key: str | None, **options: Any) -> _T:
    """The HTTP client of a gateway, made by `http` of httpx; without a key for what needs none. `direct` makes its transport
    to this machine, which no proxy of the environment (HTTP_PROXY and the like) would reach. Raises ConfigError."""
    headers = {"User-Agent": f"spaces-client/{__version__}"}
    if key is not None:
        headers["Authorization"] = f"Bearer {api_key(key)}"
    base = base_url(url)
    try:
        transport = direct() if on_this_machine(base) else None
        return http(base_url=base, headers=headers, transport=transport, **options)
    except (ImportError, ValueError, httpx.InvalidURL) as error:
        raise ConfigError(
            f"the proxy that the environment names (ALL_PROXY and the like) cannot be used: {error}"
        ) from error
    except OSError as error:
        raise ConfigError(f"the certificates that SSL_CERT_FILE names cannot be read: {error.strerror or error}") from error


def world() -> World:
    """The clock and the randomness of this machine."""
    return World(time.monotonic, random.random, lambda: uuid.uuid4().hex)


def arguments(exchange: Exchange) -> dict[str, Any]:
    """What a request of httpx is made with, beside its body."""
    return {
        "method": exchange.method,
        "url": exchange.path,
        "headers": exchange.headers,
        "params": exchange.query or None,
        "timeout": timeout(exchange.answer_s),
    }


def timeout(read_s: float) -> httpx.Timeout:
    """So long between two parts of an answer."""
    return httpx.Timeout(read_s, connect=CONNECT_S, pool=None)


def lost(error: httpx.RequestError, url: httpx.URL) -> Lost:
    """An exchange that ended without an answer."""
    arrived = not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
    return Lost(Unreachable(f"cannot reach {str(url).rstrip('/')}: {reason(error)}"), arrived)


def reason(error: httpx.RequestError) -> str:
    """One line: the deepest text that the libraries give, without the number of an error."""
    if isinstance(error, httpx.RemoteProtocolError):
        return "the connection was closed before the answer was complete"
    return next(_causes(error), "") or _ERRNO.sub("", str(error)) or type(error).__name__


def _causes(error: BaseException | None) -> Iterator[str]:
    """What the system says, where it stands behind an error: of several addresses that were tried, of the first one."""
    while error is not None:
        error = error.exceptions[0] if isinstance(error, BaseExceptionGroup) else error
        if isinstance(error, OSError) and error.errno is not None and error.strerror:
            of_the_system = type(error) is OSError or isinstance(error, ConnectionError | TimeoutError)
            yield os.strerror(error.errno) if of_the_system else error.strerror  # asyncio writes texts of its own
        error = error.__cause__ or error.__context__
