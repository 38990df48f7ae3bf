"""The embedded nats-server as a process: it keeps its data, and survives what happens to processes."""

import os
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from nats.js.api import StreamConfig

from services.local.errors import PortInUse
from services.local.memory import nats_memory, total_memory
from services.local.nats_server import USERS, NatsServer
from tests.support.own_ports import own_port
from tests.support.servers import Servers


@pytest.fixture
def servers() -> Iterator[Servers]:
    with Servers(postgres=False) as servers:
        yield servers


async def publish(servers: Servers, connection: str) -> int:
    """Append one event; the sequence that it got."""
    nc = await servers.connect("registry")
    ack = await nc.jetstream().publish(f"ws.conn.{connection}.connected", b"{}")
    await nc.close()
    return ack.seq


async def declare(servers: Servers) -> None:
    nc = await servers.connect("provisioner")
    await nc.jetstream().add_stream(StreamConfig(name="CONNECTIONS", subjects=["ws.conn.>"]))
    await nc.close()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_a_restarted_server_has_its_streams_on_the_same_port(servers: Servers, how: signal.Signals) -> None:
    await declare(servers)
    assert await publish(servers, "a") == 1
    os.kill(servers.server.pid, how)
    servers.nats.stop()
    url = servers.nats_url("registry")
    servers.nats.start()
    assert servers.nats_url("registry") == url
    assert await publish(servers, "b") == 2


def test_a_server_left_by_a_killed_parent_is_ended_first(servers: Servers) -> None:
    left = servers.server
    again = NatsServer(left.directory, left.port, dict.fromkeys(USERS, "p"), servers.directory / "again.log")
    again.start()
    try:
        assert left.poll() is not None
        assert again.poll() is None
    finally:
        again.stop()


def test_a_taken_port_is_named(servers: Servers, tmp_path: Path) -> None:
    other = NatsServer(tmp_path, servers.server.port, dict.fromkeys(USERS, "p"), tmp_path / "log")
    with pytest.raises(PortInUse, match=str(servers.server.port)):
        other.start()
    assert other.poll() is not None


def test_a_taken_monitoring_port_is_named(servers: Servers, tmp_path: Path) -> None:
    taken = servers.server.port
    other = NatsServer(tmp_path, own_port(), dict.fromkeys(USERS, "p"), tmp_path / "log", monitor_port=taken)
    with pytest.raises(PortInUse, match=str(taken)):
        other.start()


@pytest.mark.parametrize(("set", "limit"), [("", nats_memory(total_memory(), 1)), ("300MiB", 300 << 20)])
def test_it_keeps_to_a_part_of_the_memory_or_what_the_operator_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, set: str, limit: int
) -> None:
    monkeypatch.setenv("GOMEMLIMIT", set)
    monitor = own_port()
    server = NatsServer(tmp_path, own_port(), dict.fromkeys(USERS, "p"), tmp_path / "log", monitor_port=monitor)
    server.start()
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{monitor}/varz") as answer:
            assert msgspec.json.decode(answer.read())["gomemlimit"] == limit
    finally:
        server.stop()
