"""Answers on this gateway's control subject: is it there, is a lease with its agent, tell an agent to drain,
report everything."""

import asyncio
from collections.abc import Callable

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
    """The control subject of one gateway. `drain` tells the agent at a connection to end, if it is here; `report` has
    everything reported."""

    def __init__(
        self,
        nc: Client,
        gateway: str,
        delivery: Delivery,
        drain: Callable[[str], bool],
        report: Callable[[], None],
        fail: Fail,
    ) -> None:
        self._nc, self._gateway, self._delivery, self._drain, self._report = nc, gateway, delivery, drain, report
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
            self._report()
        elif isinstance(question, reports.DrainAgent):
            answer = reports.ControlAnswer(answer="draining" if self._drain(question.conn) else "no_connection")
            await message.respond(msgspec.json.encode(answer))
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
