"""Sockets come and go, leases stay: the agents' side of gateways when connections break, move and end."""

import asyncio

import msgspec
import pytest

from services.contracts.events import Requeued, Succeeded, type_of
from services.contracts.reports import Deliver
from services.gateway import agents
from spaces_agent import frames
from tests.support.bus import until
from tests.support.gateway_agents import Platform
from tests.support.gateway_sockets import Agent, Gateway, about, dial, hello, join, result


async def running(platform: Platform, gateway: Gateway, agent: Agent) -> frames.Assign:
    """Work that the agent has accepted."""
    await platform.assign(gateway.id, agent.conn, platform.agent("a1"))
    assign = await agent.expect(frames.Assign)
    await agent.send(frames.Accept(**about(assign)))
    await until(lambda: platform.states(agent.conn).get(assign.lease) == "running", "it is listed as running")
    return assign


def in_flight(assign: frames.Assign, state: str = "running") -> list[frames.InFlight]:
    return [frames.InFlight(**about(assign), state=state)]  # type: ignore[arg-type]


async def test_a_lost_socket_delists_but_holds_through_the_grace(platform: Platform, gateway: Gateway) -> None:
    agent = await join(gateway)
    assign = await running(platform, gateway, agent)
    agent.cut()
    await until(lambda: agent.conn not in platform.listed, "it is reported gone")
    assert platform.said[-1][2].gone
    assert await platform.ask(gateway.id, Deliver(rid=assign.request_id, lease=assign.lease)) == "held"
    await until(lambda: agent.conn in platform.ends(), "the end is recorded")


async def test_work_goes_on_after_a_reconnect_and_is_recorded_once(platform: Platform, gateway: Gateway) -> None:
    agent = await join(gateway)
    assign = await running(platform, gateway, agent)
    agent.cut()
    again = await join(gateway, hello(in_flight=in_flight(assign)))
    assert again.welcome is not None
    assert [verdict.verdict for verdict in again.welcome.verdicts] == ["continue"]
    await until(lambda: platform.states(again.conn) == {assign.lease: "running"}, "it is listed again")
    first = next(said for _, _, said in platform.said if said.conn == again.conn)
    assert [held.lease for held in first.held] == [assign.lease]  # it appears together with what it holds
    await again.send(result(assign))
    assert (await again.expect(frames.ResultAck)).outcome == "accepted"
    assert [type_of(e) for e in await platform.chain(assign.request_id, "succeeded")] == [
        "accepted",
        "assigned",
        "succeeded",
    ]


async def test_a_result_recorded_just_before_the_cut_is_already_done(platform: Platform, gateway: Gateway) -> None:
    agent = await join(gateway)
    assign = await running(platform, gateway, agent)
    await agent.send(result(assign))
    await platform.chain(assign.request_id, "succeeded")
    agent.cut()
    again = await join(gateway, hello(in_flight=in_flight(assign, "result_pending")))
    assert again.welcome is not None
    assert [verdict.verdict for verdict in again.welcome.verdicts] == ["already_done"]
    await again.send(result(assign))
    assert (await again.expect(frames.ResultAck)).outcome == "duplicate"


async def test_work_moves_to_another_gateway_which_stops_it_when_it_is_void(
    platform: Platform, gateway: Gateway, other: Gateway
) -> None:
    agent = await join(gateway)
    assign = await running(platform, gateway, agent)
    moved = await join(other, hello(in_flight=in_flight(assign)))
    assert await agent.closed() == frames.CLOSE_GOAWAY
    await until(lambda: platform.held(moved.conn) == [assign.lease], "the new gateway lists it")
    assert await platform.ask(other.id, Deliver(rid=assign.request_id, lease=assign.lease)) == "held"
    # The event names the gateway that the request was assigned to, not the one that holds it now.
    await platform.requeue_last(assign.request_id, gateway=gateway.id)
    assert (await moved.expect(frames.Cancel)).lease == assign.lease
    await moved.send(frames.Stopped(**about(assign), outcome="stopped"))
    await until(lambda: platform.held(moved.conn) == [], "the slot is free")


async def test_a_result_is_recorded_through_another_gateway(platform: Platform, gateway: Gateway, other: Gateway) -> None:
    agent = await join(gateway)
    assign = await running(platform, gateway, agent)
    moved = await join(other, hello(in_flight=in_flight(assign, "result_pending")))
    await moved.send(result(assign))
    assert (await moved.expect(frames.ResultAck)).outcome == "accepted"
    assert len(await platform.chain(assign.request_id, "succeeded")) == 3


async def test_void_work_is_stopped_at_the_hello(platform: Platform, gateway: Gateway) -> None:
    agent = await join(gateway, hello(slots=1))
    assign = await running(platform, gateway, agent)
    agent.cut()
    await until(lambda: agent.conn not in platform.listed, "it is reported gone")
    await platform.requeue_last(assign.request_id, gateway=gateway.id)
    again = await join(gateway, hello(slots=1, in_flight=in_flight(assign)))
    assert again.welcome is not None
    assert [verdict.verdict for verdict in again.welcome.verdicts] == ["stop"]
    await until(lambda: platform.states(again.conn) == {assign.lease: "stopping"}, "its slot is taken until it has stopped")
    await again.send(frames.Stopped(**about(assign), outcome="stopped"))
    await until(lambda: platform.held(again.conn) == [], "the slot is free")


async def test_work_of_somebody_else_is_stopped_and_stays_with_its_holder(platform: Platform, gateway: Gateway) -> None:
    agent = await join(gateway)
    assign = await running(platform, gateway, agent)
    liar = await join(gateway, hello(name="a2", in_flight=in_flight(assign)))
    assert liar.welcome is not None
    assert [verdict.verdict for verdict in liar.welcome.verdicts] == ["stop"]
    await until(lambda: liar.conn in platform.listed, "it is listed")
    assert platform.held(liar.conn) == []
    liar.cut()
    await until(lambda: liar.conn not in platform.listed, "it is gone")
    await agent.send(result(assign))
    assert (await agent.expect(frames.ResultAck)).outcome == "accepted"


async def test_a_new_boot_frees_what_it_does_not_list(platform: Platform, gateway: Gateway) -> None:
    agent = await join(gateway)
    assign = await running(platform, gateway, agent)
    await join(gateway, hello(boot="boot2"))
    assert await agent.closed() == frames.CLOSE_SUPERSEDED
    requeued = (await platform.chain(assign.request_id, "requeued"))[-1]
    assert isinstance(requeued, Requeued)
    assert (requeued.reason, requeued.started) == ("agent_lost", True)


async def test_a_goodbye_frees_at_once(platform: Platform, gateway: Gateway) -> None:
    agent = await join(gateway)
    assign = await running(platform, gateway, agent)
    await agent.send(frames.Goodbye(reason="upgrade"))
    assert await agent.closed() == 1000
    requeued = (await platform.chain(assign.request_id, "requeued"))[-1]
    assert isinstance(requeued, Requeued)
    assert requeued.reason == "agent_lost"
    await until(lambda: agent.conn not in platform.listed, "it is reported gone")


async def test_the_same_identity_from_another_process_supersedes_across_gateways(
    platform: Platform, gateway: Gateway, other: Gateway
) -> None:
    agent = await join(gateway)
    await join(other, hello(boot="boot2"))
    assert await agent.closed() == frames.CLOSE_SUPERSEDED
    await until(lambda: agent.conn not in platform.listed, "it is delisted")


async def test_a_drain_sends_agents_away_and_records_what_is_under_way(
    platform: Platform, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agents, "DRAIN_SOCKETS_S", 1000.0)  # nobody is closed because time is over
    agent = await join(gateway)
    assign = await running(platform, gateway, agent)
    draining = asyncio.create_task(gateway.agents.drain())
    await agent.expect(frames.Goaway)
    await until(lambda: platform.listed[agent.conn].state == "draining", "it is reported draining")
    late, _ = await platform.assign(gateway.id, agent.conn, platform.agent("a1"))
    await platform.chain(late.rid, "requeued")
    newcomer = await dial(gateway)
    await newcomer.expect(frames.Goaway)
    assert await newcomer.closed() == frames.CLOSE_GOAWAY
    await agent.send(result(assign))
    assert (await agent.expect(frames.ResultAck)).outcome == "accepted"
    await agent.socket.close()
    await draining
    assert gateway.agents.connection_count() == 0


async def test_an_agent_that_does_not_leave_is_closed_by_the_drain(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agents, "DRAIN_SOCKETS_S", 0.2)
    agent = await join(gateway)
    await asyncio.gather(gateway.agents.drain(), agent.closed())
    assert agent.socket.close_code == frames.CLOSE_GOAWAY


# What the stream does not hold any more, history is asked for


def unknown(rid: str = "0" * 32 + "05") -> list[frames.InFlight]:
    return [frames.InFlight(request_id=rid, attempt=1, lease=1, state="running")]


async def test_without_an_explicit_answer_no_verdict_is_given(platform: Platform, gateway: Gateway) -> None:
    agent = await dial(gateway)
    await agent.send(hello(in_flight=unknown()))
    await agent.expect(frames.Goaway)
    assert await agent.closed() == frames.CLOSE_GOAWAY
    await join(gateway)  # it has given the claims back, or at least does not hold them against the agent


async def test_work_that_nobody_knows_is_stopped(platform: Platform, gateway: Gateway) -> None:
    await platform.answer_history([])
    agent = await join(gateway, hello(in_flight=unknown()))
    assert agent.welcome is not None
    assert [verdict.verdict for verdict in agent.welcome.verdicts] == ["stop"]


async def test_an_id_that_cannot_be_is_stopped(gateway: Gateway) -> None:
    agent = await join(gateway, hello(in_flight=unknown("0" * 32 + "ff")))
    assert agent.welcome is not None
    assert [verdict.verdict for verdict in agent.welcome.verdicts] == ["stop"]


async def test_a_trimmed_outcome_is_already_done(platform: Platform, gateway: Gateway) -> None:
    accepted = await platform.accept()
    succeeded = Succeeded(
        id="s",
        rid=accepted.rid,
        space=accepted.space,
        prev_seq=1,
        attempt=1,
        actor=f"agent:{platform.agent('a1')}",
        origin=accepted.origin,
        agent=platform.agent("a1"),
        gateway="gateway-gone",
        output=msgspec.Raw(b"1"),
        output_sha256="0" * 64,
    )
    await platform.answer_history([succeeded])
    agent = await join(gateway, hello(in_flight=unknown(accepted.rid)))
    assert agent.welcome is not None
    assert [verdict.verdict for verdict in agent.welcome.verdicts] == ["already_done"]
