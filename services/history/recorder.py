"""The recorder of one stream: tails it from where the log ends and writes what comes, batch by batch.

Its position is in PostgreSQL, advanced in the transaction that records the events: a recorder that dies, is doubled, or
loses either server can neither skip nor repeat.
"""

import asyncio
import contextlib
import logging
import time

from nats.aio.client import Client

from services.contracts import subjects
from services.history.comparing import contradicted
from services.history.database import Connection, Pool
from services.history.metrics import BATCH_SECONDS, CONFLICTS, HALTED, LAG, LOST
from services.history.positions import Position, passes_milestone
from services.history.requests import Message
from services.history.statements import sql
from services.history.store import (
    PositionMoved,
    begin_position,
    read_position,
    skip_to,
    write_batch,
)
from services.runtime import tracing
from services.runtime.errors import Final, NatsUnavailable
from services.runtime.jetstream import Stored, StreamInfo, stream_info
from services.runtime.kv import Bucket, Conflict
from services.runtime.loops import together
from services.runtime.tail import BEHIND_S, Tail, TailTrimmed
from services.runtime.topology import EPOCH, info_of

log = logging.getLogger("services.history.recorder")

BATCH = 500
BATCH_S = 0.02
"""While events keep coming, a batch is begun this often: each costs a transaction, whatever its size."""
CHECK_S = 5.0
_AGAIN_S = 0.5
FILTERS = {
    subjects.REQUESTS: subjects.ALL_REQUESTS,
    subjects.CONNECTIONS: subjects.ALL_CONNECTIONS,
    subjects.DIRECTORY: subjects.ALL_DIRECTORY,
}


class StreamReplaced(Final):
    """The stream is not the one that the log was recorded from. `epochs` are those of the log and of the stream."""

    def __init__(self, reason: str, epochs: tuple[int, int]) -> None:
        super().__init__(reason)
        self.epochs = epochs


class Recorder:
    """Records one stream while it runs."""

    def __init__(self, nc: Client, pool: Pool, stream: str) -> None:
        self._nc, self._pool, self._stream = nc, pool, stream
        for never_yet in (LOST, CONFLICTS):
            never_yet.labels(stream)  # shows 0, so that Prometheus sees the first one
        self._writing = asyncio.Lock()
        self.halted = False

    async def run(self) -> None:
        """Record for ever. Once stream and log contradict each other: say so to everybody, and record nothing before a
        recovery.

        Raises NatsUnavailable, ApiError, or what a lost database raises: run it again."""
        while True:
            try:
                await together(self._record(), self._keep_checking())
            except StreamReplaced as error:
                await self._halt(error)

    async def finish(self) -> None:
        """Return when no batch is being written; none is begun afterwards."""
        await self._writing.acquire()

    async def _record(self) -> None:
        async with self._pool.acquire() as connection:
            while True:
                position = await self._begin(connection)
                try:
                    await self._follow(connection, position)
                except PositionMoved:
                    continue
                except TailTrimmed as error:
                    await self._skip(connection, error)

    async def _begin(self, connection: Connection) -> Position:
        """Where to go on. Raises StreamReplaced."""
        position = await read_position(connection, self._stream)
        if position is None:
            info = await stream_info(self._nc, self._stream)
            epoch, first_seq = int(info.config.metadata.get(EPOCH, "1")), max(1, info.state.first_seq)
            await begin_position(connection, self._stream, epoch, first_seq)
            position = await read_position(connection, self._stream)
            assert position is not None
        await self._check(connection, position)
        self._set_halted(False)
        return position

    async def _follow(self, connection: Connection, position: Position) -> None:
        tail = Tail(self._nc, self._stream, [FILTERS[self._stream]], position.seq + 1, name="recorder", lasting=True)
        recreations = 0
        async for batch in tail.batches():
            started = time.monotonic()
            if tail.recreations != recreations:
                # The server may have come back with other data.
                await self._check(connection, position)
                recreations = tail.recreations
            for first in range(0, len(batch.messages), BATCH):
                part = batch.messages[first : first + BATCH]
                messages = [_message(stored) for stored in part]
                async with self._writing:
                    with tracing.recording(self._stream, [stored.headers for stored in part]):
                        position = await self._write(connection, position, messages)
            LAG.labels(self._stream).set(batch.pending)
            if batch.messages:
                elapsed = time.monotonic() - started
                BATCH_SECONDS.labels(self._stream).observe(elapsed)
                await asyncio.sleep(BATCH_S - elapsed)

    async def _write(self, connection: Connection, before: Position, messages: list[Message]) -> Position:
        position = await write_batch(connection, self._stream, before, messages)
        if self._stream == subjects.REQUESTS and passes_milestone(before, position):
            await connection.execute(sql("analyze"))
        return position

    async def _skip(self, connection: Connection, error: TailTrimmed) -> None:
        """Part of the stream has left it unrecorded: that is lost, what is there must not be."""
        position = await read_position(connection, self._stream)
        if position is None or position.seq + 1 >= error.first:
            return
        log.error("%s: %d to %d left the stream before they were recorded", self._stream, position.seq + 1, error.first - 1)
        LOST.labels(self._stream).inc(error.first - 1 - position.seq)
        with contextlib.suppress(PositionMoved):
            await skip_to(connection, self._stream, position, error.first)

    async def _keep_checking(self) -> None:
        while True:
            await asyncio.sleep(CHECK_S)
            async with self._pool.acquire() as connection:
                position = await read_position(connection, self._stream)
                if position is not None:
                    await self._check(connection, position)

    async def _check(self, connection: Connection, position: Position) -> None:
        """Raises StreamReplaced when the stream contradicts the log."""
        info = await self._info(position)
        reason, epoch = await contradicted(self._nc, connection, self._stream, position, info)
        LAG.labels(self._stream).set(info.state.last_seq - position.seq)
        if reason is not None:
            raise StreamReplaced(f"{self._stream}: {reason}", (position.epoch, epoch))

    async def _info(self, position: Position) -> StreamInfo:
        """The stream, as soon as it reaches the position. One that does not come to that has lost its end; but a server that
        was paused, or cut off from the others, takes itself for the leader for a while."""
        end = time.monotonic() + BEHIND_S
        while True:
            info = await stream_info(self._nc, self._stream)
            alone = info.config.num_replicas == 1
            if info.state.last_seq >= position.seq or alone or time.monotonic() >= end:
                return info
            await asyncio.sleep(_AGAIN_S)

    async def _halt(self, found: StreamReplaced) -> None:
        """Tell everybody to stop, and return when a recovery has been completed since."""
        self._set_halted(True)
        log.error("recording has stopped, recovery is needed: %s", found)
        bucket, reason = Bucket(self._nc, subjects.LIVE), str(found).encode()
        while True:
            try:
                await bucket.put(subjects.HALTED_KEY, reason)
                break
            except NatsUnavailable:
                await asyncio.sleep(1.0)
        recovered = False
        while not recovered:
            await asyncio.sleep(CHECK_S)
            recovered = await self._recovered(found.epochs)
        entry = await bucket.get(subjects.HALTED_KEY)
        if entry.value == reason:  # we were late: the recovery had let everybody go on already
            with contextlib.suppress(Conflict):
                await bucket.delete(subjects.HALTED_KEY, entry.revision)
        log.info("%s is recovered", self._stream)

    def _set_halted(self, halted: bool) -> None:
        self.halted = halted
        HALTED.labels(self._stream).set(halted)

    async def _recovered(self, before: tuple[int, int]) -> bool:
        """Whether log and stream are in one epoch, not both in that of before, and no recovery is under way."""
        async with self._pool.acquire() as connection:
            position = await read_position(connection, self._stream)
            if position is None or not await connection.fetchval(sql("recoveries_complete")):
                return False
        info = await info_of(self._nc, self._stream)
        epoch = 0 if info is None else int(info.config.metadata.get(EPOCH, "1"))
        return position.epoch == epoch and (position.epoch, epoch) != before


async def record_rest(nc: Client, connection: Connection, stream: str) -> None:
    """Record what the stream holds now, once, also beside a recorder. Raises NatsUnavailable, ApiError, asyncpg errors."""
    position = await read_position(connection, stream)
    while position is not None:
        with contextlib.suppress(PositionMoved):
            async for batch in Tail(nc, stream, [FILTERS[stream]], position.seq + 1, name="recorder").batches():
                for first in range(0, len(batch.messages), BATCH):
                    messages = [_message(stored) for stored in batch.messages[first : first + BATCH]]
                    position = await write_batch(connection, stream, position, messages)
                if batch.pending == 0:
                    return
        position = await read_position(connection, stream)


def _message(stored: Stored) -> Message:
    return stored.seq, stored.time_ns, stored.subject, stored.data
