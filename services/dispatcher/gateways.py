"""The gateways as a dispatcher meets them: their reports, their answers, and their absence."""

import asyncio
import contextlib
import logging
from collections.abc import Callable

import msgspec
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from services.contracts import subjects
from services.contracts.reports import COALESCE_S, ControlAnswer, Deliver, Ping, Report, ReportAll
from services.dispatcher.fleet import Fleet
from services.dispatcher.state import SECOND
from services.runtime.clock import ServerClock
from services.runtime.live import Liveness

log = logging.getLogger("services.dispatcher.gateways")

ASK_EVERY_S = 1.0
ANSWER_S = 2.0
SILENT = 5 * SECOND
"""A gateway that has not reported for this long is asked whether it is there."""


class Gateways:
    """Keeps a `Fleet` up to date. `on_report` is told the spaces that may have gained capacity."""

    def __init__(self, nc: Client, liveness: Liveness, clock: ServerClock, on_report: Callable[[set[str]], None]) -> None:
        self._nc, self._liveness, self._clock, self._on_report = nc, liveness, clock, on_report
        self.fleet = Fleet()
        self._unreachable: frozenset[str] = frozenset()
        self._unheard = asyncio.Event()

    async def listen(self) -> None:
        """Subscribe to the reports of all gateways."""
        await self._nc.subscribe(subjects.ALL_REPORTS, cb=self._on_message)

    async def _on_message(self, message: Msg) -> None:
        report = msgspec.json.decode(message.data, type=Report)
        self._on_report(self.fleet.fold(report, self._clock.now_ns()))

    def raise_barrier(self) -> None:
        """We may have missed reports: nothing is to be decided before everybody has reported in full again."""
        self.fleet.raise_barrier(self._clock.now_ns(), self._liveness.alive("gateway"))
        self._unheard.set()

    @property
    def reported(self) -> bool:
        """Whether every gateway has reported in full since the last barrier."""
        live = self._liveness.alive("gateway") - self._unreachable
        return self._liveness.caught_up.is_set() and self.fleet.complete(live)

    async def ask(self, gateway: str, question: Ping | Deliver) -> str:
        """Its answer; `no_responders` when it is gone, which is remembered; `silence` when it did not answer in time."""
        try:
            reply = await self._nc.request(subjects.control(gateway), msgspec.json.encode(question), timeout=ANSWER_S)
        except nats.errors.NoRespondersError:
            self._gone(gateway)
            return "no_responders"
        except (nats.errors.Error, TimeoutError):
            return "silence"
        return msgspec.json.decode(reply.data, type=ControlAnswer).answer

    async def keep_hearing(self) -> None:
        """Ask all gateways for a full report when a barrier was raised, rather than wait for their next one. For ever."""
        question = msgspec.json.encode(ReportAll())
        while True:
            await self._unheard.wait()
            self._unheard.clear()
            with contextlib.suppress(nats.errors.Error):  # what is lost, the reports that come by themselves make good
                for gateway in self._liveness.alive("gateway"):
                    await self._nc.publish(subjects.control(gateway), question)
            await asyncio.sleep(COALESCE_S)

    async def keep_asking(self) -> None:
        """Ask silent gateways whether they are there: faster than waiting for their keys to expire. For ever."""
        while True:
            await asyncio.sleep(ASK_EVERY_S)
            now = self._clock.now_ns()
            live = self._liveness.alive("gateway")
            for gateway in set(self.fleet.gateways()) - live:
                if now - self.fleet.silent_since(gateway) > SILENT:
                    self._gone(gateway)
            silent = [g for g in live if now - self.fleet.silent_since(g) > SILENT]
            answers = await asyncio.gather(*(self.ask(gateway, Ping()) for gateway in silent))
            self._unreachable = frozenset(g for g, answer in zip(silent, answers, strict=True) if answer == "no_responders")

    def _gone(self, gateway: str) -> None:
        if gateway in self.fleet.gateways():
            log.info("gateway %s is gone", gateway)
            self.fleet.gateway_gone(gateway, self._clock.now_ns())
