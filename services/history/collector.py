"""The collector: deletes the files that nobody needs any more, in passes of bounded work.

What it decides it decides on what is recorded, and carries out by compare-and-set on the file's record, first the record and
then the bytes: two collectors at once, or one that dies between the two, do no harm.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from nats.aio.client import Client

from services.contracts import subjects
from services.contracts.files import File
from services.history.collected import Collected
from services.history.collecting import GRACE_NS, Due, Maker, Uses, due, let_expire, step
from services.history.database import Connection, Pool
from services.history.file_records import FileRecords
from services.history.metrics import FILES_DELETED, FILES_DELETED_BYTES
from services.history.requests import state_of
from services.history.retentions import kept_ns
from services.history.spaces import Spaces
from services.history.statements import sql
from services.history.store import read_position
from services.history.stray_bytes import StrayBytes
from services.runtime.clock import ServerClock
from services.runtime.errors import Retryable
from services.runtime.file_store import JetStreamFiles
from services.runtime.jetstream import ApiError, stream_info
from services.runtime.kv import Conflict
from services.runtime.loops import some_at_once, together
from services.runtime.topology import EPOCH

log = logging.getLogger("services.history.collector")

EVERY_S = 30.0
SOON_S = GRACE_NS / 1e9 + 1
"""The pause after a pass that has let files expire."""
AT_ONCE_S = 1.0
"""The pause after a pass that found more than it could do."""
PAGE, PAGES = 1000, 20
CHANGED = 500
"""So many files does a pass look at, and so many does it let expire or delete."""
CONCURRENCY = 16
RECORDED_S = 5.0
"""So long does a pass wait for the recorder to come to where the stream ended when the pass began."""


class Doomed(NamedTuple):
    """A file that need not be kept, and why."""

    file: File
    due: Due


class Collector:
    """Collects while it runs; `halted` says that nothing may be decided. `keep_s`: how long after the end of its requests a
    file is kept in a space that keeps its data for ever, in seconds."""

    def __init__(
        self,
        nc: Client,
        pool: Pool,
        clock: ServerClock,
        halted: Callable[[], bool],
        keep_s: float,
        every_s: float = EVERY_S,
    ) -> None:
        self._nc, self._pool, self._clock, self._halted = nc, pool, clock, halted
        self._keep_s, self._every_s = keep_s, every_s
        self._store, self._spaces, self.records = JetStreamFiles(nc), Spaces(nc), FileRecords(nc)
        self._stray = StrayBytes(nc, self._store, self.records)
        self._after = ""
        """Behind which file the next pass begins."""

    async def run(self) -> None:
        """For ever, whatever the store of files does: the recorders that run beside this must not be begun anew for it.
        Raises what a lost database raises."""
        while True:
            try:
                await together(self.records.follow(), self._keep_collecting())
            except (Retryable, ApiError) as error:
                log.warning("not collecting files: %s", error)
            await asyncio.sleep(self._every_s)

    async def _keep_collecting(self) -> None:
        pause_s = self._every_s
        while True:
            await asyncio.sleep(pause_s)
            await self._clock.measure(self._nc)
            done = await self.collect(self._clock.now_ns())
            pause_s = min(AT_ONCE_S if done.more else SOON_S if done.expiring else self._every_s, self._every_s)

    async def collect(self, now_ns: int) -> Collected:
        """One pass at the server's time `now_ns`. To repeat it does no harm. Raises NatsUnavailable, ApiError, or what a
        lost database raises."""
        done, started = Collected(), time.monotonic()
        if self._halted() or not self.records.caught_up.is_set():
            return done
        async with self._pool.acquire() as connection:
            doomed = await self._doomed(connection, now_ns, done) if await self._may_decide(connection) else []
        try:
            await some_at_once(doomed, lambda each: self._end(each, now_ns, done), CONCURRENCY)
            await self._stray.purge(now_ns, done)
        except (Retryable, ApiError) as error:
            # The recorders run beside this, and would be begun anew with it: what is due is due in the next pass as well.
            log.warning("not all files that are due are deleted: %s", error)
            done.more = False
        if done.changed:
            log.info("%s, in %.1f s", done, time.monotonic() - started)
        return done

    async def _may_decide(self, connection: Connection) -> bool:
        """Whether all is known that may refer to a file: the stream is recorded up to where it ends now, no row is missing,
        and the settings of spaces are those that hold."""
        info = await stream_info(self._nc, subjects.REQUESTS)
        epoch, end = int(info.config.metadata.get(EPOCH, "1")), time.monotonic() + RECORDED_S
        while True:
            position = await read_position(connection, subjects.REQUESTS)
            if position is None or position.epoch != epoch or time.monotonic() > end:
                return False
            if position.seq >= info.state.last_seq:
                break
            await asyncio.sleep(0.1)
        return bool(await connection.fetchval(sql("is_whole"))) and await self._spaces.read(connection)

    async def _doomed(self, connection: Connection, now_ns: int, done: Collected) -> list[Doomed]:
        """Files that are due: some of the next ones behind those that the last pass looked at."""
        found: list[Doomed] = []
        for _ in range(PAGES):
            page = self.records.table.after(self._after, PAGE)
            found += [each for each in await self._judged(connection, page) if step(*each, now_ns) != "keep"]
            if len(found) >= CHANGED:
                self._after, done.more = found[CHANGED - 1].file.id, True
                return found[:CHANGED]
            self._after = page[-1].id if len(page) == PAGE else ""
            if not self._after:
                return found
        done.more = True
        return found

    async def _judged(self, connection: Connection, page: Sequence[File]) -> list[Doomed]:
        requests, ids = list({file.rid for file in page if file.rid}), [file.id for file in page]
        states = [state_of(row["state"]) for row in await connection.fetch(sql("file_makers"), requests)]
        makers = {state.rid: Maker.of(state) for state in states}
        uses = {row["file"]: Uses(row["open"], row["ended_at"]) for row in await connection.fetch(sql("file_uses"), ids)}
        directory, otherwise_s = self._spaces.directory, self._keep_s
        return [
            Doomed(file, due(file, makers.get(file.rid), uses.get(file.id), kept_ns(directory, file.space, otherwise_s)))
            for file in page
        ]

    async def _end(self, doomed: Doomed, now_ns: int, done: Collected) -> None:
        """Let a file expire, or delete it when it has. Raises Retryable, ApiError."""
        with contextlib.suppress(Conflict):  # somebody has taken it up, or deleted it
            await self._do(doomed, now_ns, done)

    async def _do(self, doomed: Doomed, now_ns: int, done: Collected) -> None:
        file, due = doomed
        if step(file, due, now_ns) == "delete":
            await self._store.delete(file)
            done.deleted[due.reason] += 1
            done.bytes += file.size
            FILES_DELETED.labels(due.reason).inc()
            FILES_DELETED_BYTES.inc(file.size)
            return
        newest = await self._store.get(file.id)  # with the places of its chunks
        if newest is not None and newest.revision == file.revision:
            await self._store.put(let_expire(newest, now_ns))
            done.expiring += 1
