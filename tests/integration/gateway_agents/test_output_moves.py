"""What handlers say while their agent moves from one real gateway to another."""

from typing import Any

import pytest

from services.contracts import subjects
from services.gateway import outputs
from services.runtime import jetstream, topology
from services.runtime.errors import NatsUnavailable
from services.runtime.jetstream import PubAck
from spaces_agent import frames
from tests.support.bus import until
from tests.support.gateway_agents import Platform
from tests.support.gateway_output import Slow, in_order, indexes, move, running
from tests.support.gateway_sockets import Gateway, join, result


async def test_a_socket_that_moves_amid_the_output_leaves_neither_gap_nor_repeat(
    platform: Platform, gateway: Gateway, other: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = await join(gateway)
    assign = await running(platform, gateway, agent)
    await agent.say(assign, 1, 2, 3)
    await agent.acknowledged(3)
    slow = Slow(gateway, monkeypatch)
    await agent.say(assign, 4, 5, 6)
    await until(lambda: slow.sent == 1, "the fourth is on its way")
    moved, resend_from = await move(other, assign, 6)
    assert resend_from == 4
    assert await agent.closed() == frames.CLOSE_GOAWAY
    await moved.say(assign, 4, 5)
    await moved.acknowledged(5)
    slow.may.set()  # the fourth arrives late, and the sixth comes through both
    await moved.say(assign, 6, 7)
    await moved.send(result(assign, last_index=7))
    await moved.acknowledged(7)
    assert (await moved.expect(frames.ResultAck)).outcome == "accepted"
    await gateway.agents._connections.outputs.settle(10.0)
    await until(lambda: len(platform.records[assign.request_id]) >= 7, "all are stored")
    assert indexes(platform.records[assign.request_id]) == in_order(7)


async def test_what_was_stored_behind_the_new_gateways_back_is_no_gap(
    platform: Platform, gateway: Gateway, other: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = await join(gateway)
    assign = await running(platform, gateway, agent)
    slow = Slow(gateway, monkeypatch)
    await agent.say(assign, 1, 2)
    await until(lambda: slow.sent == 1, "the first is on its way")
    moved, resend_from = await move(other, assign, 2)
    assert resend_from == 1
    slow.may.set()
    await platform.stored(assign.request_id, 2)
    await moved.say(assign, 3)  # as if the acknowledgement had still reached it on the first socket
    await moved.acknowledged(3)
    assert indexes(await platform.stored(assign.request_id, 3)) == in_order(3)


async def test_what_was_stored_but_not_acknowledged_is_not_sent_again(
    platform: Platform, gateway: Gateway, other: Gateway
) -> None:
    agent = await join(gateway)
    assign = await running(platform, gateway, agent)
    await agent.say(assign, 1, 2)
    await platform.stored(assign.request_id, 2)
    agent.cut()
    moved, resend_from = await move(other, assign, 2, pending=True)
    assert resend_from == 3
    await moved.say(assign, 2)  # a copy does no harm
    await moved.send(result(assign, last_index=2))
    await moved.acknowledged(2)
    assert (await moved.expect(frames.ResultAck)).outcome == "accepted"
    assert indexes(platform.records[assign.request_id]) == in_order(2)


async def test_records_that_have_aged_out_do_not_stop_what_follows(
    platform: Platform, gateway: Gateway, other: Gateway
) -> None:
    agent = await join(gateway)
    assign, rival = await running(platform, gateway, agent), await running(platform, gateway, agent)
    await agent.say(assign, 1, 2)
    await agent.acknowledged(2)
    await platform.stored(assign.request_id, 2)  # the test has read them, before they go
    provisioner = await platform.bus.connect("provisioner")
    (declared,) = [stream for stream in topology.streams(platform.bus.servers.settings) if stream.name == subjects.OUTPUT]
    body = declared.config | {"name": declared.name, "max_msgs": 1}
    await jetstream.api(provisioner, f"STREAM.UPDATE.{subjects.OUTPUT}", body)
    await agent.say(rival, 1)  # there is room for one record
    await agent.acknowledged(1)
    assert await outputs.last_record(gateway.process.nc, assign.request_id) is None
    await agent.say(assign, 3)
    await agent.acknowledged(3)
    await platform.stored(assign.request_id, 3)
    await agent.say(rival, 2)
    await agent.acknowledged(2)
    moved, resend_from = await move(other, assign, 3)
    assert resend_from == 1
    await moved.say(assign, 4)  # the others are acknowledged and forgotten
    await moved.acknowledged(4)
    assert indexes(await platform.stored(assign.request_id, 4)) == in_order(4)


async def test_a_result_whose_output_proves_stored_while_its_agent_reconnects_is_recorded(
    platform: Platform, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []

    async def deaf(_: Any, subject: str, *said: Any) -> PubAck:
        await jetstream.publish(gateway.process.nc, subject, *said)
        sent.append(subject)
        raise NatsUnavailable("the answer was lost")

    monkeypatch.setattr(outputs, "publish", deaf)
    monkeypatch.setattr(outputs, "_BACK_OFF_S", (8.0,))  # longer than it takes the agent to be back
    agent = await join(gateway)
    assign = await running(platform, gateway, agent)
    await agent.say(assign, 1)
    await agent.send(result(assign, last_index=1))
    await until(lambda: len(sent) == 1, "it is stored, and the gateway does not know")
    agent.cut()
    again, resend_from = await move(gateway, assign, 1, pending=True)
    assert resend_from == 2
    await again.send(result(assign, last_index=1))
    await again.acknowledged(1)
    assert (await again.expect(frames.ResultAck)).outcome == "accepted"
    assert len(await platform.chain(assign.request_id, "succeeded")) == 3
