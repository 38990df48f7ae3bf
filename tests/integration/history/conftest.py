"""History on real servers, and a gateway that asks it."""

from collections.abc import AsyncIterator, Iterator

import pytest

from services.history import lists
from tests.support.history import World, world_on
from tests.support.http_gateway import Gateway
from tests.support.listing import gateway_in
from tests.support.servers import Servers


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with Servers(sync_interval="2m") as servers:
        yield servers


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list waits for what was just written, however busy the machine is; whoever asks waits 5 s for the list."""
    monkeypatch.setattr(lists, "RECORDED_S", 4.0)


@pytest.fixture
async def world(servers: Servers) -> AsyncIterator[World]:
    async with world_on(servers) as world:
        yield world


@pytest.fixture
async def gateway(world: World) -> AsyncIterator[Gateway]:
    async with gateway_in(world) as gateway:
        yield gateway
