"""Instants: nanoseconds since 1970 inside, RFC 3339 in events, in answers, and from the server."""

from datetime import UTC, datetime
from functools import lru_cache

_NS = 1_000_000_000


def nanoseconds(rfc3339: str) -> int:
    """An instant with up to nanosecond digits, and `Z` or an offset, in nanoseconds since 1970."""
    seconds, rest = rfc3339[:19], rfc3339[19:].removesuffix("Z")
    fraction, sign, offset = rest, "", ""
    for mark in "+-":
        if mark in rest:
            fraction, sign, offset = rest.partition(mark)
    whole = int(datetime.fromisoformat(f"{seconds}{sign or '+'}{offset or '00:00'}").timestamp())
    return whole * _NS + int(fraction.removeprefix(".").ljust(9, "0")[:9])


def rfc3339(at: int) -> str:
    """Nanoseconds since 1970 as a UTC instant with microseconds."""
    seconds, rest = divmod(at, _NS)
    return f"{_second(seconds)}.{rest // 1000:06d}Z"


def exact(at: int) -> str:
    """The same with nanoseconds: what `nanoseconds` makes of it is the instant again."""
    seconds, rest = divmod(at, _NS)
    return f"{_second(seconds)}.{rest:09d}Z"


@lru_cache(maxsize=256)
def _second(seconds: int) -> str:
    # Cached: the instants of one request mostly share a second, and this is the costly half of showing it (measured).
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
