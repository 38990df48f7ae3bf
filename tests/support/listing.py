"""A gateway with a directory in a `World`, and history's answers beside it."""

import contextlib
from collections.abc import AsyncIterator

from services.history.queries import Queries
from services.runtime.rpc import serve
from tests.support.bus import Bus
from tests.support.history import World
from tests.support.http_gateway import Gateway, fill_directory, running_gateway


@contextlib.asynccontextmanager
async def gateway_in(world: World) -> AsyncIterator[Gateway]:
    """The gateway, ready; whether anything is recorded is the test's affair."""
    bus = Bus(world.servers)
    answers = await serve(world.history, "history", "lists", Queries(world.pool).operations())
    try:
        await fill_directory(bus)
        async with running_gateway(bus) as gateway:
            yield gateway
    finally:
        await bus.close()
        await answers.stop()
