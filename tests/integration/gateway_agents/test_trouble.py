"""Agents that do not read, servers that are away, tails that are late: the agents' side of a gateway in trouble."""

import asyncio
from typing import Any

import msgspec
import pytest

from services.contracts import subjects
from services.contracts.reports import Ping, ReportAll
from services.contracts.rpc import Attach
from services.gateway import agents, delivery, endings, reports, socket
from services.runtime import jetstream, rpc
from services.runtime.errors import NatsUnavailable
from spaces_agent import frames
from tests.support.bus import until
from tests.support.gateway_agents import Platform
from tests.support.gateway_sockets import Gateway, about, dial, hello, join, result
from tests.support.processes import holds_socket


def unchecked_hello(work: list[frames.InFlight]) -> bytes:
    """A hello as no agent of ours would write it."""
    said = msgspec.structs.replace(hello(), in_flight=work)
    return msgspec.json.encode(said)


async def test_whoever_may_have_missed_reports_is_told_everything_when_it_asks(
    platform: Platform, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "FULL_REPORT_S", 3600.0)
    agent = await join(gateway)

    def listed() -> int:
        return sum(id == gateway.id and full and said.conn == agent.conn for id, full, said in platform.said)

    for _ in range(4):
        heard = listed()
        await platform.dispatcher.publish(subjects.control(gateway.id), msgspec.json.encode(ReportAll()))
        await until(lambda heard=heard: listed() > heard, "it is answered by a full report")  # type: ignore[misc]


async def test_an_agent_that_does_not_read_is_closed_and_nobody_else_notices(
    platform: Platform, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "SEND_TIMEOUT_S", 1.0)
    slow, quick = await join(gateway, hello(slots=200)), await join(gateway, hello(name="a2"))
    slow.socket.transport.pause_reading()
    ports = slow.socket.remote_address[1], slow.socket.local_address[1]
    assert holds_socket(*ports)
    large = msgspec.Raw(b'{"x":"' + b"x" * 100_000 + b'"}')
    try:
        for _ in range(120):
            await platform.assign(gateway.id, slow.conn, platform.agent("a1"), input=large)
        await platform.serve_one(gateway, quick, "a2")
        given_up = endings.CLOSE_SLOW_CONSUMER
        await until(lambda: platform.ends().get(slow.conn) == given_up, "the slow one is given up")
        await platform.serve_one(gateway, quick, "a2")
        await until(lambda: not holds_socket(*ports), "the gateway has let go of its socket", 60.0)
    finally:
        slow.cut()


async def test_cut_off_from_nats_the_gateway_sends_agents_elsewhere(
    platform: Platform, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agents, "NATS_GONE_S", 1.0)
    agent = await join(gateway)
    await platform.bus.stop()
    try:
        assert not (await agent.expect(frames.HeartbeatAck)).routable
        await agent.send(frames.Heartbeat())
        assert not (await agent.expect(frames.HeartbeatAck)).routable
    finally:
        await platform.bus.start()
    await until(lambda: gateway.process.nc.is_connected, "NATS is back")


async def test_reports_and_deliveries_go_on_after_a_restart_of_nats(platform: Platform, gateway: Gateway) -> None:
    agent = await join(gateway)
    await platform.bus.stop()
    await platform.bus.start()
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
    agent = await join(gateway)
    await platform.assign(gateway.id, agent.conn, platform.agent("a1"))
    assign = await agent.expect(frames.Assign)
    await agent.send(frames.Accept(**about(assign)))
    monkeypatch.setattr(frames, "HEARTBEAT_TIMEOUT_S", 0.5)
    assert await agent.closed() == frames.CLOSE_HEARTBEAT_TIMEOUT
    await until(lambda: agent.conn not in platform.listed, "it is delisted")


async def test_an_attach_whose_answer_is_lost_is_undone(
    platform: Platform, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    attached: list[str] = []
    call = rpc.call

    async def deaf(nc: Any, subject: str, message: Any, answer: Any, timeout_s: float = 5.0) -> Any:
        answered = await call(nc, subject, message, answer, timeout_s)
        if isinstance(message, Attach):
            attached.append(message.conn)
            raise NatsUnavailable("the answer was lost")
        return answered

    monkeypatch.setattr(rpc, "call", deaf)
    agent = await dial(gateway)
    await agent.send(hello())
    assert await agent.closed() == frames.CLOSE_GOAWAY
    await until(lambda: attached[0] in platform.ends(), "the registry is told that the connection has ended")


async def test_a_flood_of_frames_from_an_agent_that_reads_is_answered(platform: Platform, gateway: Gateway) -> None:
    flooding, quiet = await join(gateway), await join(gateway, hello(name="a2"))
    count, text = 10_000, frames.encode(frames.Heartbeat())
    # Written at once, so that all of them stand in the gateway's queue together.
    flooding.socket.transport.write((b"\x81" + bytes([0x80 | len(text)]) + bytes(4) + text) * count)
    for _ in range(count):
        await flooding.expect(frames.HeartbeatAck)
    await platform.serve_one(gateway, quiet, "a2")


@pytest.mark.parametrize(("count", "welcome"), [(frames.MAX_IN_FLIGHT, True), (9_000, False)])
async def test_a_hello_names_only_so_much_work(platform: Platform, gateway: Gateway, count: int, welcome: bool) -> None:
    await platform.answer_history([])
    agent = await dial(gateway)
    work = [frames.InFlight(request_id=f"{n:032x}05", attempt=1, lease=n, state="running") for n in range(1, count + 1)]
    await agent.socket.send(unchecked_hello(work), text=True)
    if welcome:
        assert {verdict.verdict for verdict in (await agent.expect(frames.Welcome)).verdicts} == {"stop"}
    else:
        assert (await agent.expect(frames.Error)).fatal
        assert await agent.closed() == 1008


async def test_the_same_lease_twice_in_a_hello_counts_once(platform: Platform, gateway: Gateway) -> None:
    agent = await join(gateway)
    await platform.assign(gateway.id, agent.conn, platform.agent("a1"))
    assign = await agent.expect(frames.Assign)
    agent.cut()
    work = [frames.InFlight(**about(assign), state=state) for state in ("result_pending", "running")]
    again = await join(gateway, hello(in_flight=work))
    assert again.welcome is not None
    assert [verdict.verdict for verdict in again.welcome.verdicts] == ["continue"]
    await until(lambda: platform.held(again.conn) == [assign.lease], "it is listed once")
    await again.send(result(assign))
    assert (await again.expect(frames.ResultAck)).outcome == "accepted"


async def test_a_delivery_that_read_the_chain_just_before_it_moved_on_delivers_nothing(
    platform: Platform, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "LATE_NS", -(10**12))
    read, moved = asyncio.Event(), asyncio.Event()

    async def slow(*args: Any, **named: Any) -> Any:
        found = await jetstream.get(*args, **named)
        read.set()
        await moved.wait()
        return found

    monkeypatch.setattr(delivery, "get", slow)
    agent = await join(gateway)
    assigned, lease = await platform.assign(gateway.id, agent.conn, platform.agent("a1"))
    await read.wait()
    await platform.requeue(assigned, lease, gateway.id)
    await until(lambda: gateway.agents._table.known(lease) is not None, "the tail has brought the requeue")
    moved.set()
    await agent.in_sync()
    assert await platform.ask(gateway.id, Ping()) == "pong"
    await agent.in_sync()
