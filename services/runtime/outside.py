"""What a gateway is told of the world before it: under which URL it is known, and whose word it takes for who calls."""

import ipaddress
import re
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")


def public_origin(text: str) -> str:
    """A public URL as browsers write it in the header Origin (RFC 6454, 6.2); empty: there is none. Raises ValueError, whose
    text says what is wrong."""
    if not text:
        return ""
    try:
        parts = urlsplit(text.lower())
        scheme, host, port = parts.scheme, parts.hostname or "", parts.port
        shown = f"[{ipaddress.IPv6Address(host)}]" if ":" in host else host
    except ValueError as error:
        raise ValueError(f"{text!r} is no URL: {error}") from error
    if scheme not in _DEFAULT_PORTS or not (shown.startswith("[") or _NAME.fullmatch(host)):
        raise ValueError(f"{text!r} is no URL like https://spaces.example.com")
    if parts.path not in ("", "/") or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError(f"{text!r} has more than scheme, host and port")
    return f"{scheme}://{shown}" if port in (None, _DEFAULT_PORTS[scheme]) else f"{scheme}://{shown}:{port}"


def networks(text: str) -> list[str]:
    """Addresses and networks (CIDR), separated by commas, as networks. Raises ValueError, whose text says what is wrong."""
    entries = [entry.strip() for entry in text.split(",") if entry.strip()]
    return [str(ipaddress.ip_network(entry)) for entry in entries]
