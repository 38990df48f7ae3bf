"""The handler by which the first chunk is timed."""

import time
from collections.abc import AsyncIterator
from typing import Any


async def handle(_: Any) -> AsyncIterator[str]:
    """The time of its first yield, in nanoseconds of the machine's monotonic clock, which all processes share."""
    yield str(time.monotonic_ns())
