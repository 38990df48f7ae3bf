"""What the connection to NATS says in the log."""

import logging
from collections.abc import AsyncIterator

import pytest
from prometheus_client import REGISTRY

from services.runtime.bus import connect
from tests.support.bus import until
from tests.support.servers import Servers, running_servers


@pytest.fixture
async def servers() -> AsyncIterator[Servers]:
    async with running_servers(postgres=False) as servers:
        yield servers


def errors() -> float:
    return REGISTRY.get_sample_value("ws_nats_errors_total") or 0.0


async def test_an_end_that_we_want_is_no_loss(servers: Servers, caplog: pytest.LogCaptureFixture) -> None:
    nc = await connect(servers.nats_url("registry"), "registry", "test")
    await nc.close()
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_an_outage_is_told_once_however_often_we_try(servers: Servers, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "services.bus")
    nc = await connect(servers.nats_url("registry"), "registry", "test")
    before = errors()
    servers.nats.stop()
    await until(lambda: errors() >= before + 5, "it has tried again and again")
    servers.nats.start()
    await until(lambda: nc.is_connected, "it is back")
    await nc.close()
    told = [record.getMessage() for record in caplog.records if record.name == "services.bus"]
    assert "connection to NATS lost" in told
    assert told[-1] == "connection to NATS is back"
    assert len(told) == len(set(told))
