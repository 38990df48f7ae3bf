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
from services.history.database import Connection, Pool
from services.history.metrics import BATCH_SECONDS, HALTED, LAG, LOST
from services.history.positions import Position, Stamp, contradiction
from services.history.requests import Message
from services.history.store import (
    PositionMoved,
    begin_position,
    read_position,
    recorded_stamp,
    skip_to,
    write_batch,
)
from services.runtime.errors import Final, NatsUnavailable
from services.runtime.jetstream import Stored, get, stream_info
from services.runtime.kv import Bucket
from services.runtime.loops import together
from services.runtime.tail import Tail, TailTrimmed
from services.runtime.topology import EPOCH

log = logging.getLogger("services.history.recorder")

BATCH = 500
BATCH_S = 0.02
"""While events keep coming, a batch is begun this often: each costs a transaction, whatever its size."""
CHECK_S = 5.0
FILTERS = {
    subjects.REQUESTS: subjects.ALL_REQUESTS,
    subjects.CONNECTIONS: subjects.ALL_CONNECTIONS,
    subjects.DIRECTORY: subjects.ALL_DIRECTORY,
}


class StreamReplaced(Final):
    """The stream is not the one that the log was recorded from."""


class Recorder:
    """Records one stream while it runs."""

    def __init__(self, nc: Client, pool: Pool, stream: str) -> None:
        self._nc, self._pool, self._stream = nc, pool, stream
        self._writing = asyncio.Lock()
        self.halted = False

    async def run(self) -> None:
        """Record for ever. Once stream and log contradict each other: say so to everybody, and record nothing more.

        Raises NatsUnavailable, ApiError, or what a lost database raises: run it again."""
        try:
            await together(self._record(), self._keep_checking())
        except StreamReplaced as error:
            await self._halt(str(error))

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
        return position

    async def _follow(self, connection: Connection, position: Position) -> None:
        tail = Tail(self._nc, self._stream, [FILTERS[self._stream]], position.seq + 1, name="recorder")
        recreations = 0
        async for batch in tail.batches():
            started = time.monotonic()
            if tail.recreations != recreations:
                # The server may have come back with other data.
                await self._check(connection, position)
                recreations = tail.recreations
            for first in range(0, len(batch.messages), BATCH):
                messages = [_message(stored) for stored in batch.messages[first : first + BATCH]]
                async with self._writing:
                    position = await write_batch(connection, self._stream, position, messages)
            LAG.labels(self._stream).set(batch.pending)
            if batch.messages:
                elapsed = time.monotonic() - started
                BATCH_SECONDS.labels(self._stream).observe(elapsed)
                await asyncio.sleep(BATCH_S - elapsed)

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
        info = await stream_info(self._nc, self._stream)
        stored = await get(self._nc, self._stream, seq=position.seq) if position.seq > 0 else None
        recorded = await recorded_stamp(connection, self._stream, position)
        LAG.labels(self._stream).set(info.state.last_seq - position.seq)
        reason = contradiction(
            position,
            int(info.config.metadata.get(EPOCH, "1")),
            info.state.last_seq,
            recorded,
            None if stored is None else Stamp(stored.time_ns, stored.subject),
        )
        if reason is not None:
            raise StreamReplaced(f"{self._stream}: {reason}")

    async def _halt(self, reason: str) -> None:
        self.halted = True
        HALTED.set(1)
        log.error("recording has stopped, recovery is needed: %s", reason)
        bucket = Bucket(self._nc, subjects.LIVE)
        while True:
            try:
                await bucket.put(subjects.HALTED_KEY, reason.encode())
                break
            except NatsUnavailable:
                await asyncio.sleep(1.0)
        await asyncio.Event().wait()


def _message(stored: Stored) -> Message:
    return stored.seq, stored.time_ns, stored.subject, stored.data
