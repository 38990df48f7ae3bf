"""Answers dispatchers on this gateway's control subject: is it there, and is a lease with its agent?"""

import asyncio

import msgspec
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from services.contracts import ids, reports, subjects
from services.gateway.background import Background, Fail
from services.gateway.delivery import Delivery
from services.runtime.errors import NatsUnavailable
from services.runtime.jetstream import ApiError

CONCURRENT_ANSWERS = 64

_decoder: msgspec.json.Decoder[reports.Control] = msgspec.json.Decoder(reports.Control)
_PONG = msgspec.json.encode(reports.ControlAnswer(answer="pong"))


class Control:
    """The control subject of one gateway."""

    def __init__(self, nc: Client, gateway: str, delivery: Delivery, fail: Fail) -> None:
        self._nc, self._gateway, self._delivery = nc, gateway, delivery
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
        elif ids.is_request_id(question.rid):
            await self._slots.acquire()
            self._answers.spawn(self._deliver(message, question))

    async def _deliver(self, message: Msg, question: reports.Deliver) -> None:
        try:
            answer = await self._delivery.deliver(question.rid, question.lease)
            await message.respond(msgspec.json.encode(reports.ControlAnswer(answer=answer)))
        except (NatsUnavailable, ApiError, nats.errors.Error):
            return  # the dispatcher asks again
        finally:
            self._slots.release()
