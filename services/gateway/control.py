"""Answers on this gateway's control subject: is it there, is a lease with its agent, tell an agent to drain,
disconnect it, tell of agents, report everything."""

import asyncio

import msgspec
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from services.contracts import ids, reports, subjects
from services.gateway.background import Background, Fail
from services.gateway.connections import Connections
from services.gateway.delivery import Delivery
from services.runtime.errors import NatsUnavailable
from services.runtime.jetstream import ApiError

CONCURRENT_ANSWERS = 64

_decoder: msgspec.json.Decoder[reports.Control] = msgspec.json.Decoder(reports.Control)
_PONG = msgspec.json.encode(reports.ControlAnswer(answer="pong"))


class Control:
    """The control subject of one gateway."""

    def __init__(
        self,
        nc: Client,
        gateway: str,
        delivery: Delivery,
        connections: Connections,
        fail: Fail,
    ) -> None:
        self._nc, self._gateway, self._delivery, self._connections = nc, gateway, delivery, connections
        self._slots = asyncio.Semaphore(CONCURRENT_ANSWERS)
        self._answers = Background(fail)

    async def start(self) -> None:
        """Answer from now on."""
        await self._nc.subscribe(subjects.control(self._gateway), cb=self._on_message)

    async def _on_message(self, message: Msg) -> None:
        try:
            question = _decoder.decode(message.data)
        except msgspec.MsgspecError:
            return  # no question of this version: whoever asks takes silence for no answer
        if isinstance(question, reports.Ping):
            await message.respond(_PONG)
        elif isinstance(question, reports.ReportAll):
            self._connections.reports.all_wanted()
        elif isinstance(question, reports.DrainAgent):
            there = self._connections.drain_agent(question.conn)
            await _answer(message, reports.ControlAnswer(answer="draining" if there else "no_connection"))
        elif isinstance(question, reports.DisconnectAgent):
            there = self._connections.disconnect_agent(question.conn)
            await _answer(message, reports.ControlAnswer(answer="closing" if there else "no_connection"))
        elif isinstance(question, reports.DescribeAgents):
            await self._slots.acquire()
            self._answers.spawn(self._describe(message, question))
        elif ids.is_request_id(question.rid):
            await self._slots.acquire()
            self._answers.spawn(self._deliver(message, question))

    async def _deliver(self, message: Msg, question: reports.Deliver) -> None:
        try:
            answer = await self._delivery.deliver(question.rid, question.lease)
            await _answer(message, reports.ControlAnswer(answer=answer))
        except (NatsUnavailable, ApiError, nats.errors.Error):
            return  # the dispatcher asks again
        finally:
            self._slots.release()

    async def _describe(self, message: Msg, question: reports.DescribeAgents) -> None:
        try:
            await _answer(message, await self._connections.details(question))
        except nats.errors.Error:
            return  # whoever asks shows less
        finally:
            self._slots.release()


async def _answer(message: Msg, answer: msgspec.Struct) -> None:
    await message.respond(msgspec.json.encode(answer))
