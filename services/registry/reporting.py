"""Answers which agents are connected, by what gateways report."""

import asyncio
import contextlib
import time

import msgspec
from nats.aio.client import Client

from services.contracts import subjects
from services.contracts.reports import Report
from services.contracts.rpc import Agents, GetAgents
from services.registry.agents import ConnectedAgents, wanted
from services.registry.gateways import Gateways
from services.runtime.live import Liveness

LOOK_S = 0.5
_decoder = msgspec.json.Decoder(Report)


class Reporting:
    """Folds all reports."""

    def __init__(self, nc: Client, liveness: Liveness, gateways: Gateways) -> None:
        self._nc, self._liveness, self._gateways = nc, liveness, gateways
        self._agents = ConnectedAgents()
        self._heard = asyncio.Event()

    async def follow(self) -> None:
        """Fold for ever."""
        subscription = await self._nc.subscribe(subjects.ALL_REPORTS)
        self.listening()
        async for message in subscription.messages:
            self._agents.fold(_decoder.decode(message.data), time.monotonic())
            self._heard.set()

    def listening(self) -> None:
        """We have just begun to listen, or were cut off until now."""
        self._agents.listening(time.monotonic())

    async def agents(self, question: GetAgents) -> Agents:
        """Who of those asked for is connected, as soon as every gateway has been heard."""
        await self._liveness.caught_up.wait()
        while not self._agents.settled(self._liveness.alive("gateway"), time.monotonic()):
            self._heard.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._heard.wait()
        found = self._agents.connected(self._gateways.is_lost, time.monotonic())
        return Agents(agents=[agent for agent in found if wanted(question, agent)])
