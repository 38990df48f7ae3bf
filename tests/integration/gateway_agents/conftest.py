"""Gateways with their agents' side, on one NATS server and on three."""

from collections.abc import AsyncIterator, Iterator

import pytest

from spaces_agent import frames
from tests.support.gateway_agents import Platform, running_platform
from tests.support.gateway_sockets import Gateway, running_gateway
from tests.support.servers import Servers
from tests.support.topologies import Topology


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The agents of these tests send no heartbeats."""
    monkeypatch.setattr(frames, "HEARTBEAT_TIMEOUT_S", 1000.0)


@pytest.fixture(scope="module")
def servers(topology: Topology) -> Iterator[Servers]:
    with topology.servers(postgres=False) as here:
        yield here


@pytest.fixture
async def platform(servers: Servers) -> AsyncIterator[Platform]:
    async with running_platform(servers) as here:
        yield here


@pytest.fixture
async def gateway(platform: Platform) -> AsyncIterator[Gateway]:
    async with running_gateway(platform.bus, platform.secret) as here:
        yield here


@pytest.fixture
async def other(platform: Platform) -> AsyncIterator[Gateway]:
    async with running_gateway(platform.bus, platform.secret) as here:
        yield here
