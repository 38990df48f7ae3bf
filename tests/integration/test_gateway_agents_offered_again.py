"""Results that are recorded already and offered again through real gateways: told as such, and not shown as refused."""

import asyncio
import uuid
from typing import Any

import msgspec
import pytest

from services.contracts.events import Assigned, Requeued
from services.gateway import outcomes
from services.runtime import append
from spaces_agent import frames
from tests.support.agent_fixtures import gateway, other, platform, servers
from tests.support.bus import until
from tests.support.gateway_agents import Platform
from tests.support.gateway_output import move, running
from tests.support.gateway_sockets import Gateway, about, hello, join, result

__all__ = ["gateway", "other", "platform", "servers"]


async def test_a_failure_that_is_being_tried_again_is_already_done(
    platform: Platform, gateway: Gateway, other: Gateway
) -> None:
    agent = await join(gateway)
    assigned, _ = await platform.assign(gateway.id, agent.conn, platform.agent("a1"), retries_left=1)
    assign = await agent.expect(frames.Assign)
    error = frames.HandlerError(code="handler_error", message="busy", retryable=True)
    await agent.send(result(assign, b"null", status="failed", error=error))
    requeued = (await platform.chain(assigned.rid, "requeued"))[-1]
    assert isinstance(requeued, Requeued)
    agent.cut()
    work = frames.InFlight(**about(assign), state="result_pending")
    for attempt in (1, 2):
        if attempt == 2:
            await _assign_again(platform, assigned, requeued)
        again = await join(other, hello(in_flight=[work]))
        assert again.welcome is not None
        assert [verdict.verdict for verdict in again.welcome.verdicts] == ["already_done"]
        await again.in_sync()
    await platform.serve_one(other, again, "a1")
    assert platform.refused(assigned.rid) == []


async def _assign_again(platform: Platform, assigned: Assigned, requeued: Requeued) -> None:
    lease = platform.leases[requeued.id]
    again = msgspec.structs.replace(assigned, id=uuid.uuid4().hex, prev_seq=lease, attempt=2, gateway="gateway-gone")
    await platform.append(platform.dispatcher, again)
    await platform.chain(assigned.rid, "assigned")


async def test_a_result_that_the_gateway_before_records_after_the_move_is_a_duplicate(
    platform: Platform, gateway: Gateway, other: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = SlowAppend(gateway, monkeypatch)
    agent = await join(gateway)
    assign = await running(platform, gateway, agent)
    await agent.send(result(assign))
    await until(lambda: slow.waits, "its result is on its way into the log")
    moved, _ = await move(other, assign, 0)
    slow.goes_on.set()
    await platform.chain(assign.request_id, "succeeded")
    assert (await moved.expect(frames.Cancel)).lease == assign.lease
    await moved.send(result(assign))
    assert (await moved.expect(frames.ResultAck)).outcome == "duplicate"
    await platform.serve_one(other, moved, "a1")
    assert platform.refused(assign.request_id) == []


class SlowAppend:
    """Appends of outcomes through one gateway wait until they may go on."""

    def __init__(self, gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
        self.waits, self.goes_on = False, asyncio.Event()
        self._nc = gateway.process.nc
        monkeypatch.setattr(outcomes, "append", self._append)

    async def _append(self, nc: Any, *said: Any) -> int:
        if nc is self._nc:
            self.waits = True
            await self.goes_on.wait()
        return await append.append(nc, *said)
