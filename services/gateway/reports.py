"""Publishes what this gateway's agents have and hold: changes at once (coalesced), everything every two seconds."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable

import msgspec
import nats.errors
from nats.aio.client import Client

from services.contracts import subjects
from services.contracts.reports import COALESCE_S, FULL_REPORT_S, AgentReport, Report
from services.gateway.session import GatewaySession

_WAIT_S = COALESCE_S * 0.6  # the rest of COALESCE_S is for building and sending


class Reports:
    """The reports of one gateway. `sessions` gives all that are connected now."""

    def __init__(self, nc: Client, gateway: str, sessions: Callable[[], Iterable[GatewaySession]]) -> None:
        self._nc, self._gateway, self._sessions = nc, gateway, sessions
        self._subject = subjects.report(gateway)
        self._changed: dict[str, GatewaySession] = {}
        self._gone: dict[str, AgentReport] = {}
        self._wake = asyncio.Event()
        self._full_at = time.monotonic()
        self._number = 0

    def changed(self, session: GatewaySession) -> None:
        """Something about this session is different: report it soon."""
        self._changed[session.conn] = session
        self._wake.set()

    def gone(self, report: AgentReport) -> None:
        """This connection has ended."""
        self._changed.pop(report.conn, None)
        self._gone[report.conn] = report
        self._wake.set()

    def all_wanted(self) -> None:
        """Somebody may have missed reports: report everything soon."""
        self._full_at = time.monotonic()
        self._wake.set()

    async def run(self) -> None:
        """Publish for ever."""
        while True:
            full = time.monotonic() >= self._full_at
            if full:
                self._full_at = time.monotonic() + FULL_REPORT_S
            await self._publish(full)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._full_at - time.monotonic()):
                    await self._wake.wait()
                    await asyncio.sleep(_WAIT_S)

    async def publish_changes(self) -> None:
        """Publish what has changed, now."""
        await self._publish(full=False)

    async def _publish(self, full: bool) -> None:
        now = time.monotonic()
        self._wake.clear()
        sessions = self._sessions() if full else self._changed.values()
        agents = list(self._gone.values())
        agents.extend(report for session in sessions if (report := session.report(now)) is not None)
        self._changed.clear()
        self._gone.clear()
        # While disconnected the client would keep reports and send them late; the next full one says it all.
        if not self._nc.is_connected or not (agents or full):
            return
        self._number += 1
        message = Report(gateway=self._gateway, number=self._number, full=full, agents=agents)
        with contextlib.suppress(nats.errors.Error):
            await self._nc.publish(self._subject, msgspec.json.encode(message))
