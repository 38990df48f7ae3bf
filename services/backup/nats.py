"""The connection to the NATS of a home, for as long as a block lasts."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from nats.aio.client import Client

from services.runtime import bus
from services.runtime.errors import NatsUnavailable

_CONNECT_S = 10.0


@contextlib.asynccontextmanager
async def connected(url: str, user: str) -> AsyncIterator[Client]:
    """A connection as one of its users. Raises NatsUnavailable."""
    try:
        async with asyncio.timeout(_CONNECT_S):  # by itself the client tries for ever
            nc = await bus.connect(url, user, "backup")
    except Exception as error:  # anything from OSError to the client's own errors
        raise NatsUnavailable(f"NATS: {str(error) or 'it does not let us in'}") from error
    try:
        yield nc
    finally:
        await nc.close()
