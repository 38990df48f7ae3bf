"""Where a gateway listens for agents, from the address that a user typed."""

import re
from urllib.parse import urlsplit, urlunsplit

from spaces_agent.errors import ConfigError, FileFailed
from spaces_agent.frames import CONNECT_PATH, FILES_PATH

_WEBSOCKET_SCHEME = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
_FILE_URL = re.compile(rf"{FILES_PATH}(/[A-Za-z0-9._-]+)*(\?[!-~]*)?")


def connect_url(address: str) -> str:
    """The WebSocket address for a gateway given as `http(s)://host[:port][/prefix]` or with `ws(s)`.

    Raises ConfigError when the address is none of these, or carries a user name, a query or a fragment."""
    try:
        parts = urlsplit(address.strip())
        host, port = parts.hostname, parts.port
        (host or "").encode("idna")
    except ValueError as error:
        raise ConfigError(f"{address!r} is not an address of a gateway: {error}") from error
    scheme = _WEBSOCKET_SCHEME.get(parts.scheme.lower())
    if scheme is None or not host or port == 0:
        raise ConfigError(f"{address!r} is not an address of a gateway: write it like https://spaces.example.com")
    if any(character.isspace() or not character.isprintable() for character in address.strip()):
        raise ConfigError(f"{address!r} is not an address of a gateway: it contains spaces or control characters")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ConfigError("an address of a gateway has no user name, query or fragment; the key is given by itself")
    path = parts.path.rstrip("/").removesuffix(CONNECT_PATH)
    return urlunsplit((scheme, parts.netloc, path + CONNECT_PATH, "", ""))


def file_url(connected: str, url: str) -> str:
    """The HTTP address of a file, whose `url` is relative to the gateway, for a WebSocket address made by `connect_url`.

    Raises FileFailed when `url` is something else: a gateway must not send an agent to places in the agent's own network."""
    if not _FILE_URL.fullmatch(url) or "/.." in url:
        raise FileFailed(f"the gateway named {url[:100]!r}, which is no address of a file", retryable=False)
    return "http" + connected.removeprefix("ws").removesuffix(CONNECT_PATH) + url
