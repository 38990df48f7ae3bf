"""Bytes in the store of files that no record has: of files whose deletion was cut off after the record, and of writers who
went on for longer than is known that their file was deleted."""

import asyncio
import time

from nats.aio.client import Client

from services.contracts import subjects
from services.history.collected import Collected
from services.history.collecting import LOST_NS
from services.history.file_records import FileRecords
from services.history.metrics import FILES_LEFT
from services.runtime.file_chunks import stored_nuids, written_at
from services.runtime.file_store import FileStore
from services.runtime.jetstream import stream_info
from services.runtime.loops import some_at_once

EVERY_NS = 600 * 1_000_000_000
"""So often is looked for bytes of files that there are no records of."""
AT_ONCE, CONCURRENCY = 500, 16
REACHED_S = 5.0
"""So long is waited for the records that were stored before we looked."""


class StrayBytes:
    """Removes them, so many in a pass."""

    def __init__(self, nc: Client, store: FileStore, records: FileRecords) -> None:
        self._nc, self._store, self._records, self._table = nc, store, records, records.table
        self._looked_at = 0
        self._gone: set[str] = set()
        """Names of which only that is stored which takes the place of deleted bytes."""

    async def purge(self, now_ns: int, done: Collected) -> None:
        """One pass at the server's time `now_ns`. Raises NatsUnavailable, ApiError."""
        await self._purge_deleted(done)
        if now_ns >= self._looked_at + EVERY_NS:
            await self._purge_unknown(now_ns, done)

    async def _purge_deleted(self, done: Collected) -> None:
        """What is deleted by its record goes at once."""

        async def purge(nuid: str) -> None:
            # Behind all others, so that one which fails again and again does not keep them.
            self._table.left[nuid] = self._table.left.pop(nuid, "")
            if await written_at(self._nc, nuid) is not None:
                await self._discard(nuid, done)
            self._table.left.pop(nuid, None)

        await some_at_once(list(self._table.left)[:AT_ONCE], purge, CONCURRENCY)
        done.more |= bool(self._table.left)

    async def _purge_unknown(self, now_ns: int, done: Collected) -> None:
        """What has no record is of a writer who does not know it yet, or is only now being deleted by somebody: it goes when
        it is old."""
        stored = await stored_nuids(self._nc)
        # The record of each of these was stored before its bytes.
        end = (await stream_info(self._nc, subjects.FILES)).state.last_seq
        if not await self._reached(end):
            return
        self._gone &= stored
        unknown = [each for each in stored - self._gone if not self._table.knows(each)]
        for nuid in unknown[:AT_ONCE]:
            at = await written_at(self._nc, nuid)
            if at is not None and at <= now_ns - LOST_NS and self._records.reach(end):
                await self._discard(nuid, done)
                at = None
            if at is None:
                self._gone.add(nuid)
        if len(unknown) > AT_ONCE:
            done.more = True
        else:
            self._looked_at = now_ns

    async def _reached(self, end: int) -> bool:
        # A tail to which nothing comes hears every second how far the stream goes.
        until = time.monotonic() + REACHED_S
        while not self._records.reach(end):
            if time.monotonic() > until:
                return False
            await asyncio.sleep(0.1)
        return True

    async def _discard(self, nuid: str, done: Collected) -> None:
        await self._store.discard(nuid)
        done.left += 1
        FILES_LEFT.inc()
