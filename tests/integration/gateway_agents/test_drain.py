"""Agents that are told to end, and gateways that end: nothing is dropped on the way out."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from services.contracts import codec, subjects
from services.contracts.events import Succeeded
from services.contracts.reports import DrainAgent, Ping
from services.gateway import agents
from services.runtime import jetstream
from spaces_agent import frames
from tests.support.bus import until
from tests.support.gateway_agents import Platform
from tests.support.gateway_output import Slow
from tests.support.gateway_sockets import EXCLUSIVE_SPACE, SPACE, Gateway, about, hello, join, result, running_gateway


@pytest.fixture
async def unhurried(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Gateway]:
    """A gateway where nothing comes about merely because time passes."""
    monkeypatch.setattr(agents, "TICK_S", 1000.0)
    async with running_gateway(platform.bus, platform.secret) as here:
        yield here


async def test_an_operator_drains_an_agent(platform: Platform, unhurried: Gateway) -> None:
    gateway, agent = unhurried, await join(unhurried)
    await platform.assign(gateway.id, agent.conn, platform.agent("a1"))
    assign = await agent.expect(frames.Assign)
    assert await platform.ask(gateway.id, DrainAgent(conn=agent.conn)) == "draining"
    await agent.expect(frames.Drain)
    await until(lambda: platform.state(agent.conn) == "draining", "it is reported draining")
    late, _ = await platform.assign(gateway.id, agent.conn, platform.agent("a1"))
    await platform.chain(late.rid, "requeued")
    await agent.send(result(assign))
    assert (await agent.expect(frames.ResultAck)).outcome == "accepted"
    await agent.send(frames.Goodbye(reason="drained"))
    assert await agent.closed() == 1000


async def test_an_agent_that_is_not_here_cannot_be_drained(platform: Platform, gateway: Gateway) -> None:
    assert await platform.ask(gateway.id, DrainAgent(conn="nobody")) == "no_connection"
    agent = await join(gateway)
    await until(lambda: agent.conn in platform.listed, "it is listed")
    agent.cut()
    await until(lambda: agent.conn not in platform.listed, "it is gone")
    assert await platform.ask(gateway.id, DrainAgent(conn=agent.conn)) == "no_connection"


async def test_an_agent_that_drains_by_itself_is_reported(platform: Platform, gateway: Gateway) -> None:
    agent = await join(gateway)
    await agent.send(frames.Heartbeat(state="draining"))
    await until(lambda: platform.state(agent.conn) == "draining", "it is reported draining")
    again = await join(gateway, hello(state="draining"))
    await until(lambda: platform.state(again.conn) != "", "it is reported")
    assert platform.state(again.conn) == "draining"


async def test_a_gateway_that_ends_hands_its_agents_over(
    platform: Platform, gateway: Gateway, other: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agents, "DRAIN_SOCKETS_S", 1000.0)  # nobody is closed because time is over
    busy, idle = await join(gateway), await join(gateway, hello(name="a2"))
    await platform.assign(gateway.id, busy.conn, platform.agent("a1"))
    assign = await busy.expect(frames.Assign)
    await busy.send(frames.Accept(**about(assign)))
    await busy.say(assign, 1)
    await busy.acknowledged(1)
    draining = asyncio.create_task(gateway.agents.drain())
    await busy.expect(frames.Goaway)
    await idle.expect(frames.Goaway)
    await busy.say(assign, 2)  # the first connection is good until the second is
    await busy.acknowledged(2)
    await join(other, hello(name="a2"))
    assert await idle.closed() == frames.CLOSE_GOAWAY
    work = frames.InFlight(**about(assign), state="running", last_index=2)
    moved = await join(other, hello(in_flight=[work]))
    assert moved.welcome is not None
    assert [verdict.resend_from for verdict in moved.welcome.verdicts] == [3]
    assert await busy.closed() == frames.CLOSE_GOAWAY
    await draining
    await moved.say(assign, 3)
    await moved.send(result(assign, last_index=3))
    await moved.acknowledged(3)
    assert (await moved.expect(frames.ResultAck)).outcome == "accepted"
    assert [record.index for record in await platform.stored(assign.request_id, 3)] == [1, 2, 3]
    assert len(await platform.chain(assign.request_id, "succeeded")) == 3


async def test_a_result_that_comes_during_the_drain_is_recorded_after_its_output(
    platform: Platform, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    for bound in ("DRAIN_SOCKETS_S", "DRAIN_OUTPUT_S", "DRAIN_OUTCOMES_S"):
        monkeypatch.setattr(agents, bound, 1000.0)
    slow = Slow(gateway, monkeypatch)
    agent = await join(gateway)
    await platform.assign(gateway.id, agent.conn, platform.agent("a1"))
    assign = await agent.expect(frames.Assign)
    draining = asyncio.create_task(gateway.agents.drain())
    await agent.expect(frames.Goaway)
    await agent.say(assign, 1, 2)
    await agent.send(result(assign, last_index=2))
    await agent.socket.close()
    await until(lambda: agent.conn in platform.ends(), "the end is recorded")
    assert await platform.ask(gateway.id, Ping()) == "pong"
    assert not draining.done()
    slow.may.set()
    await draining
    last = await jetstream.get(platform.dispatcher, subjects.REQUESTS, last=subjects.chain(assign.request_id))
    assert last is not None
    assert isinstance(codec.requests.decode(last.data), Succeeded)
    assert [record.index for record in await platform.stored(assign.request_id, 2)] == [1, 2]


async def test_an_agent_does_not_stand_in_its_own_way(platform: Platform, gateway: Gateway, other: Gateway) -> None:
    first = await join(gateway, hello(spaces=[EXCLUSIVE_SPACE, SPACE]))
    second = await join(other, hello(spaces=[EXCLUSIVE_SPACE, SPACE]))
    assert second.welcome is not None
    assert all(space.accepted for space in second.welcome.spaces)
    assert await first.closed() == frames.CLOSE_GOAWAY
    rival = await join(other, hello(name="a2", spaces=[EXCLUSIVE_SPACE, SPACE]))
    assert rival.welcome is not None
    assert [space.reason for space in rival.welcome.spaces] == ["occupied", ""]
