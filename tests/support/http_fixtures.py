"""Fixtures of tests that play the rest of the product around one gateway of the HTTP API."""

from collections.abc import AsyncIterator

import pytest

from tests.support.bus import Bus
from tests.support.elsewhere import Elsewhere
from tests.support.http_gateway import Gateway, fill_directory, running_gateway
from tests.support.topologies import Topology


@pytest.fixture
async def bus(topology: Topology) -> AsyncIterator[Bus]:
    async with topology.bus() as here:
        await fill_directory(here)
        yield here


@pytest.fixture
async def gateway(bus: Bus) -> AsyncIterator[Gateway]:
    async with running_gateway(bus) as here:
        yield here


@pytest.fixture
async def elsewhere(bus: Bus) -> Elsewhere:
    return await Elsewhere.connect(bus)
