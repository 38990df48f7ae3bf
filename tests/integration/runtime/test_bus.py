"""The connection to NATS: where it goes when its server does, and what it says in the log."""

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator

import nats
import pytest
from nats.aio.client import Client
from prometheus_client import REGISTRY

from services.runtime.bus import connect
from services.runtime.settings import SettingsError
from tests.support.bus import until
from tests.support.cluster import Cluster, kill
from tests.support.servers import Servers, running_servers


@pytest.fixture
async def servers() -> AsyncIterator[Servers]:
    async with running_servers(postgres=False) as servers:
        yield servers


def errors() -> float:
    return REGISTRY.get_sample_value("ws_nats_errors_total") or 0.0


def port_of(nc: Client) -> int | None:
    return nc.connected_url.port if nc.connected_url else None


async def test_an_end_that_we_want_is_no_loss(servers: Servers, caplog: pytest.LogCaptureFixture) -> None:
    nc = await connect(servers.nats_url("registry"), "registry", "test")
    await nc.close()
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("unsent", [False, True])
@pytest.mark.parametrize("steps", range(8))
async def test_it_can_be_closed_at_any_moment_of_a_loss(servers: Servers, steps: int, unsent: bool) -> None:
    nc = await connect(servers.nats_url("registry"), "registry", "test")
    await nc.force_reconnect()
    for _ in range(steps):  # of the event loop, not of time
        await asyncio.sleep(0)
    if unsent:
        await nc.publish("ws.test", b"")
    await nc.close()
    assert nc.is_closed


async def test_a_cancel_while_it_is_closed_is_heard(servers: Servers) -> None:
    nc = await connect(servers.nats_url("registry"), "registry", "test")
    closing = asyncio.create_task(nc.close())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing


async def test_an_outage_is_told_once_however_often_we_try(servers: Servers, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "services.bus")
    nc = await connect(servers.nats_url("registry"), "registry", "test")
    before = errors()
    servers.nats.stop()
    await until(lambda: errors() >= before + 5, "it has tried again and again")
    servers.nats.start()
    await until(lambda: "connection to NATS is back" in caplog.messages, "it says that it is back")
    await nc.close()
    told = [record.getMessage() for record in caplog.records if record.name == "services.bus"]
    assert "connection to NATS lost" in told
    assert told[-1] == "connection to NATS is back"
    assert len(told) == len(set(told))


async def test_when_its_server_dies_it_goes_to_one_that_it_was_never_told_of(
    three_servers: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    first = three_servers.servers[0]
    nc = await connect(first.url("registry"), "registry", "test")
    await until(lambda: len(nc.discovered_servers) == 2, "the other two have been named")
    kill(first)
    await until(lambda: nc.is_connected and port_of(nc) != first.port, "it is with another one")
    await nc.flush()
    await nc.close()
    first.start()
    assert not [record for record in caplog.records if "uthorization" in record.getMessage()]


async def test_it_leaves_a_server_that_is_about_to_stop_before_that_lets_it_go(three_servers: Cluster) -> None:
    nc = await connect(three_servers.url("registry"), "registry", "test")
    here = next(server for server in three_servers.servers if server.port == port_of(nc))
    staying = await nats.connect(here.url("registry"), allow_reconnect=False)
    os.kill(here.pid, signal.SIGUSR2)
    await until(lambda: nc.is_connected and port_of(nc) != here.port, "it is with another one")
    assert staying.is_connected
    await staying.close()
    await nc.close()
    kill(here)
    here.start()


async def test_servers_with_different_users_are_no_cluster(servers: Servers) -> None:
    url = f"{servers.nats_url('registry')},{servers.nats_url('gateway')}"
    with pytest.raises(SettingsError, match="same user"):
        await connect(url, "registry", "test")
