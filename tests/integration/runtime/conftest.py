"""NATS with our streams and buckets: one server, and three."""

from collections.abc import AsyncIterator

import pytest

from tests.support.bus import Bus
from tests.support.topologies import Topology


@pytest.fixture
async def bus(topology: Topology) -> AsyncIterator[Bus]:
    async with topology.bus() as here:
        yield here
