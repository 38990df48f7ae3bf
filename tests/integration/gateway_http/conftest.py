"""A gateway's HTTP side, on one NATS server and on three; the test is the other services, unless it starts them."""

from collections.abc import AsyncIterator

import pytest

from services.gateway import commands, queues, reading, seen_agents
from tests.support.bus import Bus
from tests.support.elsewhere import Elsewhere
from tests.support.http_gateway import Gateway, fill_directory, running_gateway
from tests.support.topologies import Topology

PATIENCE_S = 10.0


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A question that somebody has heard is answered, however busy the machine is; nobody there is known at once."""
    for name in ("PLACE_TIMEOUT_S", "PROGRESS_TIMEOUT_S", "REFUSED_TIMEOUT_S"):
        monkeypatch.setattr(reading, name, PATIENCE_S)
    monkeypatch.setattr(queues, "ANSWER_S", PATIENCE_S)
    monkeypatch.setattr(seen_agents, "DETAILS_S", PATIENCE_S)
    monkeypatch.setattr(commands, "FOLDED_S", PATIENCE_S)


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
