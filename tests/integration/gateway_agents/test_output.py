"""What handlers say on its way through real gateways into the stream OUTPUT."""

import uuid
from typing import Any

import msgspec
import pytest

from services.contracts.events import Succeeded
from services.gateway import outputs
from services.runtime import jetstream
from services.runtime.errors import NatsUnavailable
from services.runtime.jetstream import ErrorBody, PubAck
from spaces_agent import frames
from tests.support.bus import until
from tests.support.gateway_agents import Platform
from tests.support.gateway_output import Slow, in_order, indexes, move, running
from tests.support.gateway_sockets import Gateway, about, chunk, hello, join, result


async def test_output_is_stored_acknowledged_and_followed_by_its_result(platform: Platform, gateway: Gateway) -> None:
    agent = await join(gateway)
    assert agent.welcome is not None
    assert agent.welcome.window == frames.OUTPUT_WINDOW
    assign = await running(platform, gateway, agent)
    await agent.say(assign, 1)
    await agent.acknowledged(1)
    await agent.say(assign, *range(2, 21))
    await agent.send(result(assign, b'"all"', last_index=20, first_output_s=0.25))
    await agent.acknowledged(20)
    assert (await agent.expect(frames.ResultAck)).outcome == "accepted"
    records = await platform.stored(assign.request_id, 20)
    assert indexes(records) == in_order(20)
    assert {(record.rid, record.lease, record.kind) for record in records} == {(assign.request_id, assign.lease, "chunk")}
    assert bytes(records[4].data) == b'"5 "'
    succeeded = (await platform.chain(assign.request_id, "succeeded"))[-1]
    assert isinstance(succeeded, Succeeded)
    assert (succeeded.last_index, succeeded.first_output_s) == (20, 0.25)


async def test_the_next_attempt_goes_on_after_the_records_of_the_one_before(platform: Platform, gateway: Gateway) -> None:
    agent = await join(gateway)
    first = await running(platform, gateway, agent)
    await agent.say(first, 1, 2)
    await agent.acknowledged(2)
    await platform.requeue_last(first.request_id, gateway.id)
    await agent.expect(frames.Cancel)
    await agent.say(first, 3)  # it has crossed the cancel
    await agent.send(frames.Stopped(**about(first), outcome="stopped"))
    chain = await platform.chain(first.request_id, "requeued")
    assigned, requeued = chain[1], chain[2]
    again = msgspec.structs.replace(assigned, id=uuid.uuid4().hex, prev_seq=platform.leases[requeued.id], attempt=2)
    await platform.append(platform.dispatcher, again)
    second = await agent.expect(frames.Assign)
    await agent.say(second, 1, 2)
    await agent.acknowledged(2)
    await agent.in_sync()
    await until(lambda: len(platform.records[first.request_id]) == 4, "all are stored")
    assert indexes(platform.records[first.request_id]) == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert platform.refused(first.request_id) == []


# Trouble


async def test_nats_restarted_amid_the_output(platform: Platform, gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    async def connected(nc: Any, *said: Any) -> PubAck:
        assert nc.is_connected, "it would be sent much later"
        return await jetstream.publish(nc, *said)

    monkeypatch.setattr(outputs, "publish", connected)
    agent = await join(gateway)
    assign = await running(platform, gateway, agent)
    await agent.say(assign, 1, 2)
    await agent.acknowledged(2)
    await platform.bus.stop()
    await agent.say(assign, *range(3, 30))
    await agent.send(result(assign, last_index=29))
    await agent.in_sync()
    await platform.bus.start()
    await agent.acknowledged(29)
    assert (await agent.expect(frames.ResultAck)).outcome == "accepted"
    assert indexes(await platform.stored(assign.request_id, 29)) == in_order(29)
    assert len(await platform.chain(assign.request_id, "succeeded")) == 3


async def test_an_append_that_was_stored_without_an_answer_is_not_repeated(
    platform: Platform, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = 0

    async def deaf(*said: Any) -> PubAck:
        nonlocal sent
        sent += 1
        ack = await jetstream.publish(*said)
        if sent <= 3:
            raise NatsUnavailable("the answer was lost")
        return ack

    monkeypatch.setattr(outputs, "publish", deaf)
    monkeypatch.setattr(outputs, "ATTEMPT_S", 60.0)
    agent = await join(gateway)
    assign = await running(platform, gateway, agent)
    await agent.say(assign, *range(1, 7))
    await agent.acknowledged(6)
    assert sent == 6
    assert indexes(await platform.stored(assign.request_id, 6)) == in_order(6)


async def test_slow_storing_delays_the_result_and_nobody_else(
    platform: Platform, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Slow(gateway, monkeypatch)
    agent = await join(gateway)
    assign = await running(platform, gateway, agent)
    await agent.say(assign, 1, 2)
    await agent.send(result(assign, last_index=2))
    await platform.serve_one(gateway, agent, "a1")
    assert "succeeded" not in {type(event).__name__.lower() for event in platform.chains[assign.request_id]}
    assert slow.sent == 1
    agent.cut()
    await until(lambda: agent.conn not in platform.listed, "the agent is gone")
    slow.may.set()
    await platform.chain(assign.request_id, "succeeded")
    assert indexes(await platform.stored(assign.request_id, 2)) == in_order(2)


@pytest.mark.parametrize("answers", [True, False])
async def test_output_that_cannot_be_stored_does_not_keep_the_result(
    platform: Platform, gateway: Gateway, monkeypatch: pytest.MonkeyPatch, answers: bool
) -> None:
    async def full(*_: Any) -> PubAck:
        if not answers:
            raise NatsUnavailable("the stream has no leader")
        return PubAck(error=ErrorBody(code=400, err_code=10047, description="insufficient storage resources available"))

    monkeypatch.setattr(outputs, "publish", full)
    monkeypatch.setattr(outputs, "GIVE_UP_REFUSED" if answers else "GIVE_UP_SILENT", 3)
    agent = await join(gateway)
    assign = await running(platform, gateway, agent)
    await agent.say(assign, 1, 2)
    await agent.send(result(assign, b'"all"', last_index=2))
    assert (await agent.expect(frames.ResultAck)).outcome == "accepted"
    assert isinstance((await platform.chain(assign.request_id, "succeeded"))[-1], Succeeded)
    assert assign.request_id not in platform.records


async def test_a_result_that_waits_when_its_lease_becomes_void_is_decided_at_once(
    platform: Platform, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    Slow(gateway, monkeypatch)
    agent = await join(gateway)
    assign = await running(platform, gateway, agent)
    await agent.say(assign, 1, 2)
    await agent.send(result(assign, last_index=2))
    await agent.in_sync()
    await platform.requeue_last(assign.request_id, gateway.id)
    assert (await agent.expect(frames.ResultAck)).outcome == "superseded"
    refused = [("a1", assign.lease, "result", "superseded")]
    await until(lambda: platform.refused(assign.request_id) == refused, "the refusal is recorded")


async def test_a_gap_starts_the_connection_over_and_is_healed(platform: Platform, gateway: Gateway) -> None:
    agent = await join(gateway)
    assign = await running(platform, gateway, agent)
    await agent.say(assign, 1, 3)
    await agent.expect(frames.OutputAck)
    assert (await agent.expect(frames.Error)).code == "output_gap"
    assert await agent.closed() == frames.CLOSE_RESYNC
    again, resend_from = await move(gateway, assign, 3)
    assert resend_from == 2
    await again.say(assign, 2, 3)
    await again.acknowledged(3)
    assert indexes(await platform.stored(assign.request_id, 3)) == in_order(3)


async def test_invalid_output_is_recorded_and_closes_the_socket(platform: Platform, gateway: Gateway) -> None:
    agent = await join(gateway)
    assign = await running(platform, gateway, agent)
    await agent.send(msgspec.structs.replace(chunk(assign, 1), data=msgspec.Raw(b'{"neither":"text nor list"}')))
    assert (await agent.expect(frames.Error)).code == "invalid_output"
    assert await agent.closed() == 1008
    refused = [("a1", assign.lease, "output", "invalid")]
    await until(lambda: platform.refused(assign.request_id) == refused, "the refusal is recorded")


async def test_what_is_not_its_own_is_refused_and_recorded(platform: Platform, gateway: Gateway) -> None:
    owner, thief = await join(gateway), await join(gateway, hello(name="a2"))
    assign = await running(platform, gateway, owner)
    await thief.say(assign, 1)
    assert (await thief.expect(frames.Error)).code == "not_held"
    assert (await thief.expect(frames.Cancel)).lease == assign.lease
    for _ in range(2):  # the first answers the cancel
        await thief.send(frames.Stopped(**about(assign), outcome="never_started"))
    assert (await thief.expect(frames.Error)).code == "not_held"
    refused = [("a2", assign.lease, kind, "not_held") for kind in ("output", "stopped")]
    await until(lambda: sorted(platform.refused(assign.request_id)) == refused, "both are recorded")
    await owner.say(assign, 1)
    await owner.acknowledged(1)
    await owner.send(result(assign, last_index=1))
    assert (await owner.expect(frames.ResultAck)).outcome == "accepted"
    await owner.say(assign, 2)
    assert (await owner.expect(frames.Error)).code == "not_held"
    late = ("a1", assign.lease, "output", "not_held")
    await until(lambda: late in platform.refused(assign.request_id), "late output is recorded")
    assert indexes(await platform.stored(assign.request_id, 1)) == in_order(1)
