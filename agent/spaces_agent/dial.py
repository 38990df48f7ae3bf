"""Open a WebSocket to a gateway."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.typing import Subprotocol

from spaces_agent import frames

_OPEN_TIMEOUT_S = 10.0
_CLOSE_TIMEOUT_S = 2.0


class Addresses:
    """The addresses of gateways, any of which will do: all of them, again and again, each round in another order."""

    def __init__(self, urls: list[str]) -> None:
        self._urls = urls
        self._rounds = self._in_rounds()

    def next(self, in_use: Collection[str]) -> str:
        """Where to connect next: not to one that is in use, if there are others."""
        found = next(self._rounds)
        while found in in_use and not set(self._urls) <= set(in_use):
            found = next(self._rounds)
        return found

    def _in_rounds(self) -> Iterator[str]:
        while True:
            yield from random.sample(self._urls, len(self._urls))


class Unreachable(Exception):
    """No session could be opened; its text says why. Whatever the reason, the agent tries again: what looks final
    (HTTP 401, 403) is often said by a proxy in between."""


class _Dial(connect):
    def process_redirect(self, exc: Exception) -> Exception | str:
        """Follow no redirect: the key belongs to the address that the user has named."""
        return exc


async def dial(url: str, key: str) -> ClientConnection:
    """A WebSocket to the gateway at `url`, speaking `spaces.v1`. Raises Unreachable."""
    try:
        socket = await _Dial(
            url,
            subprotocols=[Subprotocol(frames.SUBPROTOCOL)],
            additional_headers={"Authorization": f"Bearer {key}"},
            compression=None,
            max_size=frames.MAX_FRAME_BYTES,
            open_timeout=_OPEN_TIMEOUT_S,
            close_timeout=_CLOSE_TIMEOUT_S,
            ping_interval=None,  # heartbeats are frames of the protocol: they prove more than a pong does
        )
    except InvalidStatus as error:
        raise Unreachable(_refusal(error)) from error
    # ImportError: a SOCKS proxy is configured on this machine, and the library for it is missing.
    except (OSError, WebSocketException, ImportError) as error:
        raise Unreachable(str(error) or type(error).__name__) from error
    if socket.subprotocol != frames.SUBPROTOCOL:
        await socket.close()
        raise Unreachable(f"the server does not speak {frames.SUBPROTOCOL}")
    return socket


def _refusal(error: InvalidStatus) -> str:
    location = error.response.headers.get("Location")
    said = f"the server answered HTTP {error.response.status_code}"
    return f"{said}, redirecting to {location!r}: give the agent that address" if location else said


def close_reason(error: ConnectionClosed) -> tuple[str, int | None]:
    """Why a socket has closed, in words, and the code that the gateway sent, if it sent one."""
    if error.rcvd is None:
        return "the connection was lost", None
    text = error.rcvd.reason or "the gateway closed the connection"
    return f"{text} (code {error.rcvd.code})", error.rcvd.code
