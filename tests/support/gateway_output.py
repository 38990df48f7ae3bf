"""Work whose output is on its way through gateways."""

import asyncio
from typing import Any

import pytest

from services.contracts.output import OutputRecord
from services.gateway import outputs
from services.runtime import jetstream
from services.runtime.jetstream import PubAck
from spaces_agent import frames
from tests.support.gateway_agents import Platform
from tests.support.gateway_sockets import Agent, Gateway, about, hello, join


class Slow:
    """Appends of output records through one gateway arrive only when they may; `sent` counts those that wait or have."""

    def __init__(self, gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sent, self.may = 0, asyncio.Event()
        self._nc = gateway.process.nc
        monkeypatch.setattr(outputs, "publish", self._publish)

    async def _publish(self, nc: Any, *said: Any) -> PubAck:
        if nc is self._nc:
            self.sent += 1
            await self.may.wait()
        return await jetstream.publish(nc, *said)


async def running(platform: Platform, gateway: Gateway, agent: Agent, name: str = "a1") -> frames.Assign:
    """Work that the agent has accepted."""
    await platform.assign(gateway.id, agent.conn, platform.agent(name))
    assign = await agent.expect(frames.Assign)
    await agent.send(frames.Accept(**about(assign)))
    return assign


async def move(to: Gateway, assign: frames.Assign, last_index: int, pending: bool = False) -> tuple[Agent, int]:
    """The agent on a connection to this gateway, and from where on it is to send."""
    state: Any = "result_pending" if pending else "running"
    work = frames.InFlight(**about(assign), state=state, last_index=last_index)
    agent = await join(to, hello(in_flight=[work]))
    assert agent.welcome is not None
    (verdict,) = agent.welcome.verdicts
    assert verdict.verdict == "continue"
    return agent, verdict.resend_from


def indexes(records: list[OutputRecord]) -> list[tuple[int, int]]:
    return [(record.attempt, record.index) for record in records]


def in_order(last_index: int) -> list[tuple[int, int]]:
    return [(1, index) for index in range(1, last_index + 1)]
