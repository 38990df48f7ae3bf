"""Recovery from the loss of NATS's data: what was lost is made anew in another epoch, from the log.

Whatever kills it, run it again: PostgreSQL says how far it has come, and nothing is appended twice. While it works,
everybody is told to admit and decide nothing, and the new streams stand behind fences: whoever has not heard of it, and
still tries an append of before the loss, finds nobody.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from nats.aio.client import Client

from services.contracts import subjects
from services.history import recovery_log
from services.history.database import Connection
from services.history.epochs import Anew, Held, Latest, Standing, anew
from services.history.recorder import FILTERS, record_rest
from services.history.recovery_log import PAGE, OpenRequests, Restoration
from services.history.recovery_streams import Streams
from services.history.refilling import Refilling
from services.history.restoring import Key, directory_again, keys
from services.history.statements import sql
from services.history.store import read_position, recorded_stamp
from services.runtime.append import ACCEPT_DEADLINE_S
from services.runtime.errors import Retryable
from services.runtime.settings import Settings
from services.runtime.topology import IDEMPOTENCY_TTL_S, KEYS_STREAM

Progress = Callable[[str, int, int], None]
"""Told what is being done, and how much of how much."""

SETTLE_S = ACCEPT_DEADLINE_S + 5.0
"""No gateway tries an append for longer."""
_LOCK = 0x5350_4143_0004
_SHOWN = 100
_NS = 1_000_000_000


class RecoveryRunning(Retryable):
    """Somebody else is recovering the same platform."""


class _Found(NamedTuple):
    """What log and NATS say before anything is done."""

    standings: dict[str, Standing]
    latest: Latest | None
    anew: Anew | None

    def readable(self) -> dict[str, Held]:
        """Streams that are to be replaced and still hold something that others than a recovery have written."""
        if self.anew is None or self.anew.begun:
            return {}
        own = self.latest.epoch if self.latest is not None and not self.latest.complete else None
        held = {name: self.standings[name].held for name in self.anew.streams}
        return {name: stream for name, stream in held.items() if stream is not None and stream.epoch != own}


@dataclass(frozen=True, slots=True)
class Outlook:
    """What there is to recover. `anew` None: nothing was lost, at most everybody has to be told to go on (`halted`).
    `left`: by stream that still exists and is replaced, how many messages it has that the log does not have."""

    anew: Anew | None
    halted: bool
    left: dict[str, int] = field(default_factory=dict)
    directory: int = 0
    requests: int = 0
    keys: int = 0


@dataclass(slots=True)
class Recovered:
    """What was done. `directory`, `requests`, `keys`: how many events of the directory, open requests and idempotency keys
    the new epoch begins with; `outcomes`: how many more requests have the outcome that only the replaced stream had; `lost`:
    how many open requests could not be restored, at most 100 of them by name in `findings`."""

    epoch: int
    streams: list[str]
    directory: int = 0
    requests: int = 0
    outcomes: int = 0
    keys: int = 0
    lost: int = 0
    findings: list[str] = field(default_factory=list)

    def note(self, restoration: Restoration) -> None:
        """Count what has become of a request."""
        if restoration.problem:
            self.lost += 1
            if len(self.findings) < _SHOWN:
                self.findings.append(f"not restored: {restoration.problem} (request {restoration.rid})")
        elif len(restoration.events) > 1:
            self.outcomes += 1
        else:
            self.requests += 1


class Recovery:
    """One recovery of one platform. `connection` is the database owner's, `nc` that of the NATS user `recovery`. Every
    method may raise NatsUnavailable, ApiError, UndecodableEvent, and whatever PostgreSQL raises."""

    def __init__(self, nc: Client, connection: Connection, settings: Settings, progress: Progress) -> None:
        self._nc, self._connection, self._progress = nc, connection, progress
        self._streams = Streams(nc, settings)

    async def outlook(self) -> Outlook:
        """What there is to recover. Nothing is changed."""
        found = await self._find()
        halted = await self._streams.halted()
        if found.anew is None:
            return Outlook(None, halted)
        left = {}
        for name, held in found.readable().items():
            chunks = self._streams.left_over(name, held, self._connection)
            left[name] = sum([len(messages) async for messages in chunks])
        return Outlook(
            anew=found.anew,
            halted=halted,
            left=left,
            directory=len(list(directory_again(await recovery_log.directory_events(self._connection)))),
            requests=len(await OpenRequests.read(self._connection)),
            keys=len(await self._keys(time.time_ns())),
        )

    async def run(self, *, alone: bool) -> Recovered | None:
        """Recover, and let everybody go on; None when nothing was lost. `alone`: no service runs that could still try an
        append of before the loss. Raises RecoveryRunning, Superseded, Undecided, StreamFull as well: run it again."""
        if not await self._connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):
            raise RecoveryRunning("another recovery is under way")
        found = await self._find()
        if found.anew is None:
            await self._streams.lift_halt()
            return None
        await self._streams.halt(found.anew.epoch)
        if not found.anew.begun:
            await self._begin(found)
        recovered = await self._fill(found.anew)
        if subjects.REQUESTS in found.anew.streams and not alone:
            await self._let_appends_end(found.anew.epoch)
        await self._streams.open_all()
        await recovery_log.complete(self._connection, found.anew.epoch)
        await self._streams.lift_halt()
        return recovered

    async def _find(self) -> _Found:
        standings = {}
        for name in FILTERS:
            position = await read_position(self._connection, name)
            if position is not None:
                held = await self._streams.held(name)
                recorded = await recorded_stamp(self._connection, name, position)
                stored = None if held is None else await self._streams.stamp(name, position.seq)
                standings[name] = Standing(name, position, held, recorded, stored)
        latest = await recovery_log.latest_recovery(self._connection)
        known = any(standing.position.seq > 0 for standing in standings.values())
        keys_lost = known and await self._streams.held(KEYS_STREAM) is None
        return _Found(standings, latest, anew(standings.values(), latest, keys_lost) if known else None)

    async def _begin(self, found: _Found) -> None:
        assert found.anew is not None
        readable = found.readable()
        for name in readable:
            await self._streams.fence(name)
        held = {name: s.held for name, s in found.standings.items() if s.held is not None}
        left = {name: self._streams.left_over(name, held[name], self._connection) for name in readable}
        await recovery_log.begin(self._connection, found.anew, held, left)

    async def _fill(self, work: Anew) -> Recovered:
        for name in work.streams:
            position = await read_position(self._connection, name)
            assert position is not None
            await self._streams.make_anew(name, work.epoch, position.first_seq)
        await self._streams.make_all_missing(work.epoch)
        recovered = Recovered(work.epoch, list(work.streams))
        refilling = Refilling(self._nc, work.epoch)
        if subjects.DIRECTORY in work.streams:
            events = list(directory_again(await recovery_log.directory_events(self._connection)))
            await refilling.directory(events)
            recovered.directory = len(events)
            self._progress("events of the directory", len(events), len(events))
        found = await self._keys(await self._streams.now_ns())
        for first in range(0, len(found), PAGE):
            await refilling.keys(found[first : first + PAGE])
            self._progress("idempotency keys", min(first + PAGE, len(found)), len(found))
        recovered.keys = len(found)
        if subjects.REQUESTS in work.streams:
            await self._restore(refilling, recovered)
        for name in work.streams:
            await record_rest(self._nc, self._connection, name)
        return recovered

    async def _restore(self, refilling: Refilling, recovered: Recovered) -> None:
        requests, done = await OpenRequests.read(self._connection), 0
        now = await self._streams.now_ns()
        async for page in requests.restorations(self._connection, recovered.epoch, now):
            for restoration in page:
                recovered.note(restoration)
            await refilling.requests([restoration.events for restoration in page])
            done += len(page)
            self._progress("open requests", done, len(requests))
        await refilling.erasures(await requests.erasures(self._connection, recovered.epoch))

    async def _keys(self, now: int) -> list[Key]:
        since = now - int(IDEMPOTENCY_TTL_S * _NS)
        return keys(await recovery_log.first_events(self._connection, since), now, IDEMPOTENCY_TTL_S)

    async def _let_appends_end(self, epoch: int) -> None:
        """An append that was stored, recorded and never acknowledged is tried again: not any more after this."""
        last = await self._connection.fetchval(sql("last_known_at"), epoch) or 0
        total = round(SETTLE_S)
        while (left := SETTLE_S - (await self._streams.now_ns() - last) / _NS) > 0:
            self._progress("seconds waited for appends of before the loss to end", total - round(left), total)
            await asyncio.sleep(min(left, 1.0))
