"""The agents' side of a gateway on a real nats-server, with the real registry, permissions and sockets."""

import asyncio

import pytest

from services.contracts.events import Failed, Requeued, Succeeded, type_of
from services.contracts.reports import Deliver, Ping
from services.gateway import outcomes
from spaces_agent import frames
from tests.support.agent_fixtures import gateway, platform, servers
from tests.support.bus import until
from tests.support.gateway_agents import Platform
from tests.support.gateway_sockets import OTHER_SPACE, SPACE, Gateway, about, dial, hello, join, result

__all__ = ["gateway", "platform", "servers"]


async def test_a_request_is_assigned_run_and_recorded(platform: Platform, gateway: Gateway) -> None:
    agent = await join(gateway)
    assigned, lease = await platform.assign(gateway.id, agent.conn, f"{platform.user}/a1")
    assign = await agent.expect(frames.Assign)
    assert (assign.request_id, assign.lease, bytes(assign.input)) == (assigned.rid, lease, b'{"x": 1}')
    assert assign.traceparent == assigned.traceparent
    await agent.send(frames.Accept(**about(assign)))
    await agent.send(result(assign))
    ack = await agent.expect(frames.ResultAck)
    assert (ack.lease, ack.outcome) == (lease, "accepted")
    chain = await platform.chain(assigned.rid, "succeeded")
    assert [type_of(event) for event in chain] == ["accepted", "assigned", "succeeded"]
    assert isinstance(chain[-1], Succeeded)
    assert bytes(chain[-1].output) == b'{"y":2}'
    assert chain[-1].prev_seq == lease


# Who may connect


async def test_a_bad_key_is_accepted_and_then_closed_for_good(gateway: Gateway) -> None:
    agent = await dial(gateway, secret="wsa_wrong")
    error = await agent.expect(frames.Error)
    assert error.fatal
    assert await agent.closed() == frames.CLOSE_BAD_KEY


async def test_a_wrong_subprotocol_is_unsupported(gateway: Gateway) -> None:
    agent = await dial(gateway, subprotocol="spaces.v9")
    assert (await agent.expect(frames.Error)).code == "unsupported_version"
    assert await agent.closed() == frames.CLOSE_UNSUPPORTED


async def test_a_protocol_version_of_the_future_is_unsupported(gateway: Gateway) -> None:
    agent = await dial(gateway)
    await agent.send(hello(protocol_min=2, protocol_max=3))
    assert await agent.closed() == frames.CLOSE_UNSUPPORTED


async def test_spaces_are_refused_one_by_one(gateway: Gateway) -> None:
    agent = await join(gateway, hello(spaces=[SPACE, OTHER_SPACE, "no such *.> space"]))
    assert agent.welcome is not None
    verdicts = [(space.accepted, space.reason) for space in agent.welcome.spaces]
    assert verdicts == [(True, ""), (False, "forbidden"), (False, "unknown_space")]


async def test_an_agent_with_no_space_to_serve_retries_slowly(gateway: Gateway) -> None:
    agent = await dial(gateway)
    await agent.send(hello(spaces=[OTHER_SPACE]))
    assert (await agent.expect(frames.Error)).code == "no_space"
    assert await agent.closed() == frames.CLOSE_NO_SPACE


async def test_a_revoked_key_closes_its_sockets(platform: Platform, gateway: Gateway) -> None:
    agent = await join(gateway)
    await platform.revoke()
    assert await agent.closed() == frames.CLOSE_BAD_KEY
    await until(lambda: gateway.agents.connection_count() == 0, "nobody is connected")


async def test_without_a_registry_an_agent_is_told_to_come_back(platform: Platform, gateway: Gateway) -> None:
    await platform.stop_registry()
    agent = await dial(gateway)
    await agent.send(hello())
    await agent.expect(frames.Goaway)
    assert await agent.closed() == frames.CLOSE_GOAWAY


# Garbage


@pytest.mark.parametrize("sent", ["{", "[]", '{"type":"dance"}', '{"type":"hello"}', "null", "x" * 1000, "\u0000"])
async def test_garbage_before_hello_closes_the_socket(gateway: Gateway, sent: str) -> None:
    agent = await dial(gateway)
    await agent.socket.send(sent)
    assert (await agent.expect(frames.Error)).fatal
    assert await agent.closed() == 1008


async def test_garbage_gets_errors_then_a_close_and_nobody_else_notices(platform: Platform, gateway: Gateway) -> None:
    noisy, quiet = await join(gateway), await join(gateway, hello(name="a2"))
    for _ in range(5):
        await noisy.socket.send('{"type":"dance"}')
        assert not (await noisy.expect(frames.Error)).fatal
    await noisy.socket.send('{"type":"dance"}')
    assert (await noisy.expect(frames.Error)).fatal
    assert await noisy.closed() == 1008
    await platform.serve_one(gateway, quiet, "a2")


async def test_bytes_and_oversize_frames_close_the_socket(gateway: Gateway) -> None:
    binary, huge = await join(gateway), await join(gateway, hello(name="a2"))
    await binary.socket.send(b"{}")
    assert await binary.closed() == 1003
    await huge.socket.send("x" * (frames.MAX_FRAME_BYTES + 1))
    assert await huge.closed() == 1009


# Results


async def test_a_failed_handler_is_final(platform: Platform, gateway: Gateway) -> None:
    agent = await join(gateway)
    assigned, _ = await platform.assign(gateway.id, agent.conn, platform.agent("a1"))
    assign = await agent.expect(frames.Assign)
    error = frames.HandlerError(code="ValueError", message="no digit")
    await agent.send(result(assign, status="failed", error=error))
    assert (await agent.expect(frames.ResultAck)).outcome == "accepted"
    failed = (await platform.chain(assigned.rid, "failed"))[-1]
    assert isinstance(failed, Failed)
    assert (failed.error.code, failed.error.message) == ("handler_error", "no digit")


async def test_an_output_over_the_limit_fails_the_request(platform: Platform, gateway: Gateway) -> None:
    agent = await join(gateway)
    assigned, _ = await platform.assign(gateway.id, agent.conn, platform.agent("a1"))
    assign = await agent.expect(frames.Assign)
    await agent.send(result(assign, b'"' + b"x" * frames.MAX_INLINE_BYTES + b'"'))
    assert (await agent.expect(frames.ResultAck)).outcome == "accepted"
    failed = (await platform.chain(assigned.rid, "failed"))[-1]
    assert isinstance(failed, Failed)
    assert failed.error.code == "output_too_large"


async def test_a_repeated_result_is_a_duplicate(platform: Platform, gateway: Gateway) -> None:
    agent = await join(gateway)
    assigned, _ = await platform.assign(gateway.id, agent.conn, platform.agent("a1"))
    assign = await agent.expect(frames.Assign)
    for outcome in ("accepted", "duplicate"):
        await agent.send(result(assign))
        assert (await agent.expect(frames.ResultAck)).outcome == outcome
    assert len(await platform.chain(assigned.rid, "succeeded")) == 3


async def test_a_result_that_is_not_its_own_is_refused_and_recorded(platform: Platform, gateway: Gateway) -> None:
    owner, thief = await join(gateway), await join(gateway, hello(name="a2"))
    assigned, lease = await platform.assign(gateway.id, owner.conn, platform.agent("a1"))
    assign = await owner.expect(frames.Assign)
    await thief.send(result(assign, b'"stolen"'))
    assert (await thief.expect(frames.Error)).code == "not_held"
    assert (await thief.expect(frames.ResultAck)).outcome == "superseded"
    await until(lambda: platform.refused(assigned.rid) == [("a2", lease, "result", "not_held")], "the refusal is recorded")
    await owner.send(result(assign, b'"mine"'))
    await owner.expect(frames.ResultAck)
    succeeded = (await platform.chain(assigned.rid, "succeeded"))[-1]
    assert isinstance(succeeded, Succeeded)
    assert bytes(succeeded.output) == b'"mine"'


async def test_a_result_after_the_chain_has_moved_on_is_superseded(platform: Platform, gateway: Gateway) -> None:
    agent = await join(gateway)
    assigned, lease = await platform.assign(gateway.id, agent.conn, platform.agent("a1"))
    assign = await agent.expect(frames.Assign)
    await platform.requeue(assigned, lease, gateway="gateway-else")  # names another gateway: this one does not hear of it
    await agent.send(result(assign))
    assert (await agent.expect(frames.ResultAck)).outcome == "superseded"
    await until(lambda: bool(platform.refused(assigned.rid)), "the refusal is recorded")


async def test_results_wait_for_nats_to_come_back(
    platform: Platform, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outcomes, "TRY_S", 0.2)
    agent = await join(gateway)
    assigned, _ = await platform.assign(gateway.id, agent.conn, platform.agent("a1"))
    assign = await agent.expect(frames.Assign)
    await platform.bus.stop()
    await agent.send(result(assign))
    await agent.send(result(assign))
    await agent.in_sync()
    await platform.bus.start()
    assert (await agent.expect(frames.ResultAck)).outcome == "accepted"
    assert len(await platform.chain(assigned.rid, "succeeded")) == 3
    await agent.in_sync()


# Delivery


async def test_an_assignment_beyond_the_slots_goes_back_busy(platform: Platform, gateway: Gateway) -> None:
    agent = await join(gateway, hello(slots=1))
    await platform.assign(gateway.id, agent.conn, platform.agent("a1"))
    await agent.expect(frames.Assign)
    second, _ = await platform.assign(gateway.id, agent.conn, platform.agent("a1"))
    requeued = (await platform.chain(second.rid, "requeued"))[-1]
    assert isinstance(requeued, Requeued)
    assert (requeued.reason, requeued.gateway, requeued.started) == ("busy", gateway.id, False)
    await agent.in_sync()


async def test_an_assignment_to_a_connection_that_is_gone_goes_back(platform: Platform, gateway: Gateway) -> None:
    assigned, _ = await platform.assign(gateway.id, "nobody", platform.agent("a1"))
    requeued = (await platform.chain(assigned.rid, "requeued"))[-1]
    assert isinstance(requeued, Requeued)
    assert requeued.reason == "no_connection"


async def test_a_delivery_that_is_asked_for_happens_once(platform: Platform, gateway: Gateway) -> None:
    agent = await join(gateway)
    assigned, lease = await platform.assign(gateway.id, agent.conn, platform.agent("a1"))
    question = Deliver(rid=assigned.rid, lease=lease)
    answers = await asyncio.gather(*(platform.ask(gateway.id, question) for _ in range(10)))
    assert set(answers) == {"held"}
    await agent.expect(frames.Assign)
    await agent.in_sync()  # no second one


async def test_control_answers(platform: Platform, gateway: Gateway) -> None:
    agent = await join(gateway, hello(slots=1))
    assert await platform.ask(gateway.id, Ping()) == "pong"
    assigned, lease = await platform.assign(gateway.id, agent.conn, platform.agent("a1"))
    await agent.send(result(await agent.expect(frames.Assign)))
    await agent.expect(frames.ResultAck)
    assert await platform.ask(gateway.id, Deliver(rid=assigned.rid, lease=lease)) == "closed"
    # Assigned in another gateway's name, so that the tail does not bring it here.
    lost, lost_lease = await platform.assign("gateway-else", "nobody", platform.agent("a1"))
    assert await platform.ask(gateway.id, Deliver(rid=lost.rid, lease=lost_lease)) == "no_connection"
    missed, missed_lease = await platform.assign("gateway-else", agent.conn, platform.agent("a1"))
    assert await platform.ask(gateway.id, Deliver(rid=missed.rid, lease=missed_lease)) == "held"
    assert (await agent.expect(frames.Assign)).lease == missed_lease
    more, more_lease = await platform.assign("gateway-else", agent.conn, platform.agent("a1"))
    assert await platform.ask(gateway.id, Deliver(rid=more.rid, lease=more_lease)) == "busy"


async def test_a_rejected_assignment_goes_back_with_the_reason(platform: Platform, gateway: Gateway) -> None:
    agent = await join(gateway)
    assigned, _ = await platform.assign(gateway.id, agent.conn, platform.agent("a1"))
    assign = await agent.expect(frames.Assign)
    await agent.send(frames.Reject(**about(assign), reason="unsupported"))
    requeued = (await platform.chain(assigned.rid, "requeued"))[-1]
    assert isinstance(requeued, Requeued)
    assert (requeued.reason, requeued.detail) == ("rejected", "unsupported")
    await until(lambda: platform.held(agent.conn) == [], "the lease is not listed")


async def test_a_voided_lease_is_cancelled_and_its_slot_stays_taken(platform: Platform, gateway: Gateway) -> None:
    agent = await join(gateway, hello(slots=1))
    assigned, lease = await platform.assign(gateway.id, agent.conn, platform.agent("a1"))
    assign = await agent.expect(frames.Assign)
    await agent.send(frames.Accept(**about(assign)))
    await platform.requeue(assigned, lease, gateway=gateway.id)
    assert (await agent.expect(frames.Cancel)).lease == lease
    await until(lambda: platform.states(agent.conn) == {lease: "stopping"}, "it is listed as stopping")
    second, _ = await platform.assign(gateway.id, agent.conn, platform.agent("a1"))
    assert (await platform.chain(second.rid, "requeued"))[-1].actor == f"gateway:{gateway.id}"
    await agent.send(frames.Stopped(**about(assign), outcome="stopped"))
    await until(lambda: platform.held(agent.conn) == [], "the slot is free")
    await platform.serve_one(gateway, agent, "a1")
