"""What a gateway tells of its agents when it is asked, and agents that it disconnects."""

from pathlib import Path

import msgspec
import pytest

from services.contracts import subjects
from services.contracts.agent_details import AgentDetails, AgentsDetails
from services.contracts.connections import Disconnected
from services.contracts.reports import DescribeAgents, DisconnectAgent
from services.gateway import agents, round_trips
from services.gateway.endings import DISCONNECTED
from spaces_agent import frames
from tests.integration.gateway_agents.test_real_agent import command
from tests.support.bus import until
from tests.support.gateway_agents import Platform
from tests.support.gateway_sockets import DEADLINE_S, Gateway, about, hello, join, result


async def described(platform: Platform, gateway: Gateway, *conns: str, held: bool = False) -> list[AgentDetails]:
    question = msgspec.json.encode(DescribeAgents(conns=list(conns), held=held))
    reply = await platform.dispatcher.request(subjects.control(gateway.id), question, timeout=DEADLINE_S)
    return msgspec.json.decode(reply.data, type=AgentsDetails).agents


async def test_an_agent_is_told_of_with_all_that_reports_leave_out(platform: Platform, gateway: Gateway) -> None:
    agent = await join(gateway, hello(version="1.2", labels={"gpu": "a100"}))
    assigned, _ = await platform.assign(gateway.id, agent.conn, platform.agent("a1"))
    assign = await agent.expect(frames.Assign)
    await agent.send(frames.Accept(**about(assign)))
    await until(lambda: list(platform.states(agent.conn).values()) == ["running"], "it runs")
    (plain,) = await described(platform, gateway, agent.conn, "nobody")
    assert (plain.version, plain.labels, plain.address) == ("1.2", {"gpu": "a100"}, "127.0.0.1")
    assert plain.held == []
    assert plain.connected_at > 0
    (whole,) = await described(platform, gateway, agent.conn, held=True)
    assert [(each.rid, each.space, each.user, each.state) for each in whole.held] == [
        (assigned.rid, assigned.space, assigned.user, "running")
    ]
    assert whole.connected_at == plain.connected_at
    await agent.send(result(assign))
    await agent.expect(frames.ResultAck)
    assert [each.held for each in await described(platform, gateway, agent.conn, held=True)] == [[]]


async def test_the_round_trip_is_that_of_a_ping(
    platform: Platform, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(round_trips, "WAIT_S", 30.0)
    agent = await join(gateway)
    (first,) = await described(platform, gateway, agent.conn)
    assert first.round_trip_s is not None
    assert first.round_trip_s > 0
    monkeypatch.setattr(round_trips, "FRESH_S", 0.0)
    monkeypatch.setattr(round_trips, "WAIT_S", 0.01)
    agent.socket.transport.pause_reading()
    (unanswered,) = await described(platform, gateway, agent.conn)
    assert unanswered.round_trip_s == first.round_trip_s, "the last that is known"
    agent.socket.transport.resume_reading()

    async def later() -> bool:
        (again,) = await described(platform, gateway, agent.conn)
        return again.round_trip_s != first.round_trip_s

    await until(later, "it answers again")


async def test_an_agent_that_is_disconnected_comes_back_and_goes_on(
    platform: Platform, gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agents, "TICK_S", 1000.0)  # nothing is closed because time is over
    async with command(platform, "python:tests.e2e.handlers:words", tmp_path, gateway) as process:
        (conn,) = platform.listed
        said = msgspec.Raw(msgspec.json.encode({"directory": str(tmp_path), "n": 1}))
        assigned, _ = await platform.assign(gateway.id, conn, platform.agent("real"), input=said)
        await platform.stored(assigned.rid, 3)
        assert await platform.ask(gateway.id, DisconnectAgent(conn=conn)) == "closing"
        await until(lambda: len(platform.listed) == 1 and conn not in platform.listed, "it is back")
        (again,) = platform.listed
        assert [each.rid for each in platform.listed[again].held] == [assigned.rid], "with what it runs"
        await until(lambda: conn in platform.ends(), "the end is recorded")
        (end,) = (each for each in platform.connections if isinstance(each, Disconnected) and each.conn == conn)
        assert (end.reason, end.code) == (DISCONNECTED, frames.CLOSE_GOAWAY)
        assert await platform.ask(gateway.id, DisconnectAgent(conn=conn)) == "no_connection"
        (tmp_path / "go").touch()
        await platform.chain(assigned.rid, "succeeded")
        assert len(platform.chains[assigned.rid]) == 3, "it was assigned once"
        assert process.returncode is None
