"""W3C trace context (https://www.w3.org/TR/trace-context/): carried HTTP -> NATS -> frame -> handler."""

import re

_TRACEPARENT = re.compile(r"00-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})")


def continued(traceparent: str | None, entropy: bytes) -> str:
    """A traceparent of our own span in the caller's trace, or in a new trace when the caller's is absent or malformed.
    `entropy`: at least 24 random bytes."""
    match = _TRACEPARENT.fullmatch(traceparent or "")
    span = entropy[:8].hex()
    if match is None or match["trace"] == "0" * 32 or match["span"] == "0" * 16:
        return f"00-{entropy[8:24].hex()}-{span}-01"
    return f"00-{match['trace']}-{span}-{match['flags']}"
