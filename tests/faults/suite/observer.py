"""Looks on from outside: follows the streams and the gateways' reports as the operator, and collects what others saw."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import asyncpg
import msgspec
from nats.aio.msg import Msg

from services.contracts import subjects
from services.contracts.reports import Report
from services.runtime import bus
from services.runtime.tail import Tail
from tests.faults.suite import journal
from tests.faults.suite.observed import Event, History, Logged, Record
from tests.faults.suite.platform import Platform

_TRIES = 100
_APART_NS = 500_000_000
"""A lease that is listed all the time is noted this often."""
_report_decoder = msgspec.json.Decoder(Report)
_LOG = """
    SELECT seq, type, rid, e.data, payload_sha, p.data AS payload
    FROM event_log e LEFT JOIN payloads p ON p.sha256 = e.payload_sha
    WHERE stream = 'REQUESTS' ORDER BY epoch, seq"""


class Observer:
    """Fills `history` while a platform runs."""

    def __init__(self, platform: Platform) -> None:
        self.history = History()
        self._platform = platform
        self.connected: set[str] = set()
        """Connections that have been reported."""
        self._numbers: dict[str, int] = {}
        self.open: set[str] = set()
        """Requests without an outcome."""
        self.outcomes = 0

    async def follow_requests(self) -> None:
        """Every event, for ever."""
        async for batch in self._tail(subjects.REQUESTS, subjects.ALL_REQUESTS).batches():
            for stored in batch.messages:
                data = msgspec.json.decode(stored.data)
                event = Event(stored.seq, stored.time_ns, data["type"], data["rid"], data)
                self.history.events.append(event)
                if event.type == "accepted":
                    self.open.add(event.rid)
                elif event.type in ("succeeded", "failed", "canceled", "expired"):
                    self.open.discard(event.rid)
                    self.outcomes += 1

    async def follow_output(self) -> None:
        """Every output record, for ever."""
        async for batch in self._tail(subjects.OUTPUT, subjects.ALL_OUTPUT).batches():
            for stored in batch.messages:
                data = msgspec.json.decode(stored.data)
                self.history.records.append(Record(stored.seq, data["rid"], data["lease"], data["index"]))

    async def on_report(self, message: Msg) -> None:
        """What a gateway reports of its agents, when it is heard for the first time."""
        report, now = _report_decoder.decode(message.data), journal.now_ns()
        if report.number <= self._numbers.get(report.gateway, -1):
            return
        self._numbers[report.gateway] = report.number
        for agent in report.agents:
            if agent.gone:
                continue
            self.connected.add(agent.conn)
            for held in agent.held:
                listed = self.history.listed.setdefault(held.lease, [])
                if not listed or now - listed[-1] >= _APART_NS:
                    listed.append(now)

    async def collect(self) -> History:
        """The history with what handlers, wires and the log hold in the end. Stop observing then: a gateway may append for a
        minute what its client has given up."""
        log: list[Logged] = []
        for _ in range(_TRIES):
            seen = len(self.history.events)
            log = await self._log()
            if not self.open and seen == len(self.history.events) and log and log[-1].seq >= self.history.events[-1].seq:
                break
            await asyncio.sleep(0.1)
        history = self.history
        history.runs = journal.read(self._platform.journal)
        history.processes = list(self._platform.processes)
        history.frames = [frame for wire in self._platform.agent_wires for frame in wire.frames]
        history.log = log
        history.deaths = list(self._platform.deaths)
        return history

    async def recorded(self) -> bool:
        """Whether the log is as long as what we have seen."""
        logged = await self._log()
        return bool(logged) and logged[-1].seq >= self.history.events[-1].seq

    async def _log(self) -> list[Logged]:
        connection = await asyncpg.connect(self._platform.servers.database_url)
        try:
            rows = await connection.fetch(_LOG)
        finally:
            await connection.close()
        return [Logged(row["seq"], row["type"], row["rid"], _whole(row)) for row in rows]

    def _tail(self, stream: str, subject: str) -> Tail:
        assert self._platform.operator is not None
        return Tail(self._platform.operator, stream, [subject], name="observer")


def _whole(row: asyncpg.Record) -> dict[str, Any]:
    """An event's data with the payload that the log keeps apart."""
    data: dict[str, Any] = msgspec.json.decode(row["data"])
    if row["payload_sha"] is not None:
        apart = f"sha256:{row['payload_sha'].hex()}"
        return {name: msgspec.json.decode(row["payload"]) if value == apart else value for name, value in data.items()}
    return data


@asynccontextmanager
async def observing(platform: Platform) -> AsyncIterator[Observer]:
    """An observer that looks on while the block runs. It listens at each NATS server: one of them may stand still while a
    dispatcher hears of everything through another."""
    observer = Observer(platform)
    async with AsyncExitStack() as ears:
        for url in platform.servers.nats_url("operator").split(","):
            nc = await bus.connect(url, "operator", "observer")
            ears.push_async_callback(nc.close)
            await nc.subscribe(subjects.ALL_REPORTS, cb=observer.on_report)
        loops = [asyncio.create_task(observer.follow_requests()), asyncio.create_task(observer.follow_output())]
        try:
            yield observer
        finally:
            for loop in loops:
                loop.cancel()
            ended = await asyncio.gather(*loops, return_exceptions=True)
    for error in ended:
        if isinstance(error, Exception):
            raise error
