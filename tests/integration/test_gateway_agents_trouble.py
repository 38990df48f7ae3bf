"""Agents that do not read, servers that are away, tails that are late: the agents' side of a gateway in trouble."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import msgspec
import pytest

from services.gateway import agents, delivery, socket
from spaces_agent import frames
from tests.support.bus import until
from tests.support.gateway_agents import Platform, running_platform
from tests.support.gateway_sockets import Gateway, about, hello, join, result, running_gateway
from tests.support.servers import Servers


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with Servers(postgres=False, sync_interval="2m") as here:
        yield here


@pytest.fixture
async def platform(servers: Servers) -> AsyncIterator[Platform]:
    async with running_platform(servers) as here:
        yield here


@pytest.fixture
async def gateway(platform: Platform) -> AsyncIterator[Gateway]:
    async with running_gateway(platform.bus, platform.secret) as here:
        yield here


async def test_an_agent_that_does_not_read_is_closed_and_nobody_else_notices(
    platform: Platform, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "SEND_TIMEOUT_S", 1.0)
    slow, quick = await join(gateway, hello(slots=200)), await join(gateway, hello(name="a2"))
    slow.socket.transport.pause_reading()
    large = msgspec.Raw(b'{"x":"' + b"x" * 100_000 + b'"}')
    try:
        for _ in range(120):
            await platform.assign(gateway.id, slow.conn, platform.agent("a1"), input=large)
        await platform.serve_one(gateway, quick, "a2")
        given_up = socket.CLOSE_SLOW_CONSUMER
        await until(lambda: platform.ends().get(slow.conn) == given_up, "the slow one is given up", 15.0)
        await platform.serve_one(gateway, quick, "a2")
    finally:
        slow.cut()


async def test_cut_off_from_nats_the_gateway_sends_agents_elsewhere(
    platform: Platform, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agents, "NATS_GONE_S", 1.0)
    agent = await join(gateway)
    await asyncio.to_thread(platform.bus.servers.nats.stop)
    try:
        assert not (await agent.expect(frames.HeartbeatAck)).routable
        await agent.send(frames.Heartbeat())
        assert not (await agent.expect(frames.HeartbeatAck)).routable
    finally:
        await asyncio.to_thread(platform.bus.servers.nats.start)
    await until(lambda: gateway.process.nc.is_connected, "NATS is back")


async def test_reports_and_deliveries_go_on_after_a_restart_of_nats(platform: Platform, gateway: Gateway) -> None:
    agent = await join(gateway)
    await asyncio.to_thread(platform.bus.servers.nats.stop)
    await asyncio.to_thread(platform.bus.servers.nats.start)
    said = len(platform.said)
    await until(lambda: any(full for _, full, _ in platform.said[said:]), "a full report comes")
    await platform.serve_one(gateway, agent, "a1")


async def test_an_assignment_that_is_tailed_late_is_delivered_by_its_chain(
    platform: Platform, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "LATE_NS", -(10**12))
    agent = await join(gateway, hello(slots=1))
    await platform.assign(gateway.id, agent.conn, platform.agent("a1"))
    assign = await agent.expect(frames.Assign)
    second, _ = await platform.assign(gateway.id, agent.conn, platform.agent("a1"))
    await platform.chain(second.rid, "requeued")
    await agent.send(result(assign))
    await agent.expect(frames.ResultAck)


async def test_what_was_voided_while_the_tail_was_cut_is_stopped(platform: Platform, gateway: Gateway) -> None:
    agent = await join(gateway)
    assigned, lease = await platform.assign(gateway.id, agent.conn, platform.agent("a1"))
    assign = await agent.expect(frames.Assign)
    await platform.requeue(assigned, lease, gateway="gateway-else")  # its own tail does not bring this
    await gateway.recheck()
    assert (await agent.expect(frames.Cancel)).lease == assign.lease


async def test_a_silent_agent_is_closed(platform: Platform, gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "HEARTBEAT_TIMEOUT_S", 0.5)
    agent = await join(gateway)
    await platform.assign(gateway.id, agent.conn, platform.agent("a1"))
    assign = await agent.expect(frames.Assign)
    await agent.send(frames.Accept(**about(assign)))
    assert await agent.closed() == frames.CLOSE_HEARTBEAT_TIMEOUT
    await until(lambda: agent.conn not in platform.listed, "it is delisted")
