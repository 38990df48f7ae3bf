"""A gateway's HTTP side with the real registry."""

from collections.abc import AsyncIterator

import pytest

from tests.support.bus import Bus, running_bus
from tests.support.http_gateway import fill_directory, serve_registry_at


@pytest.fixture
async def bus() -> AsyncIterator[Bus]:
    async with running_bus() as here:
        await fill_directory(here)
        await serve_registry_at(here)
        yield here
