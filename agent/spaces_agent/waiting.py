"""Wait for something, but not forever."""

from __future__ import annotations

import asyncio


async def happens(event: asyncio.Event, within_s: float) -> bool:
    """Wait for the event; false when it has not come `within_s`.

    Not `asyncio.wait_for`, which before Python 3.12 loses a cancellation that comes together with the event."""
    try:
        async with asyncio.timeout(within_s):
            await event.wait()
    except TimeoutError:
        return False
    return True
