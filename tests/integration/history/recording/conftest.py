"""History that records all the time."""

from collections.abc import AsyncIterator

import pytest

from tests.support.collecting import Shelf
from tests.support.history import World, world_on
from tests.support.servers import Servers


@pytest.fixture
async def world(servers: Servers) -> AsyncIterator[World]:
    async with world_on(servers) as world:
        world.record()
        yield world


@pytest.fixture
def shelf(world: World) -> Shelf:
    return Shelf(world)
