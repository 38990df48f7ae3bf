"""W3C trace context (https://www.w3.org/TR/trace-context/): carried HTTP -> NATS -> frame -> handler."""

import re
from typing import NamedTuple

MAX_STATE = 512
"""Of a tracestate as many characters are carried as everybody must carry; a longer one is left behind (3.3.1.5)."""
_TRACEPARENT = re.compile(r"00-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})")
_STATE = re.compile(r"[\x20-\x7e\t]*")


class Parsed(NamedTuple):
    """The fields of a traceparent, in hexadecimal."""

    trace: str
    span: str
    flags: str


def parsed(traceparent: str | None) -> Parsed | None:
    """The fields of a traceparent; None when it is absent or malformed."""
    match = _TRACEPARENT.fullmatch(traceparent or "")
    if match is None or match["trace"] == "0" * 32 or match["span"] == "0" * 16:
        return None
    return Parsed(match["trace"], match["span"], match["flags"])


def continued(traceparent: str | None, entropy: bytes) -> str:
    """A traceparent of our own span in the caller's trace, or in a new trace when the caller's is absent or malformed.
    `entropy`: at least 24 random bytes."""
    found, span = parsed(traceparent), entropy[:8].hex()
    if found is None:
        return f"00-{entropy[8:24].hex()}-{span}-01"
    return f"00-{found.trace}-{span}-{found.flags}"


def carried_state(traceparent: str | None, tracestate: str | None) -> str:
    """The tracestate that goes on with the caller's trace: none without a good traceparent (3.3), or one that is no header
    or too long."""
    if not tracestate or parsed(traceparent) is None:
        return ""
    return tracestate if len(tracestate) <= MAX_STATE and _STATE.fullmatch(tracestate) else ""
