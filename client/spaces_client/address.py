"""The address of a gateway and a key, as a user gives them. Pure."""

from __future__ import annotations

from urllib.parse import urlsplit

from spaces_client.errors import ConfigError


def base_url(address: str) -> str:
    """`http(s)://host[:port][/prefix]`, without a slash at the end. Raises ConfigError."""
    try:
        parts = urlsplit(address.strip())
        host, port = parts.hostname, parts.port
        (host or "").encode("idna")
    except ValueError as error:
        raise ConfigError(f"{address!r} is not an address of a gateway: {error}") from error
    if parts.scheme not in {"http", "https"} or not host or port == 0:
        raise ConfigError(f"{address!r} is not an address of a gateway: write it like https://spaces.example.com")
    if any(character.isspace() or not character.isprintable() for character in address.strip()):
        raise ConfigError(f"{address!r} is not an address of a gateway: it contains spaces or control characters")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ConfigError("an address of a gateway has no user name, query or fragment; the key is given by itself")
    return address.strip().rstrip("/")


def on_this_machine(url: str) -> bool:
    """Whether a gateway is where its caller is."""
    return urlsplit(url).hostname in {"127.0.0.1", "localhost", "::1"}


def api_key(text: str) -> str:
    """The key without the white space around it. Raises ConfigError, which does not show it."""
    key = text.strip()
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigError("this is no API key: it is empty, or holds spaces or characters that no key has")
    return key
