"""Where a gateway listens for agents, from the address that a user typed."""

from urllib.parse import urlsplit, urlunsplit

from spaces_agent.errors import ConfigError
from spaces_agent.frames import CONNECT_PATH

_WEBSOCKET_SCHEME = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}


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
