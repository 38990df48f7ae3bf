"""Recovery in NATS: what it still has, and the new streams behind their fences."""

import contextlib
from collections.abc import AsyncIterator

from nats.aio.client import Client

from services.contracts import subjects
from services.contracts.epochs import first_revision
from services.contracts.instants import nanoseconds
from services.history.database import Connection
from services.history.epochs import Held
from services.history.positions import Stamp
from services.history.recorder import BATCH, FILTERS
from services.history.recovery_log import unknown
from services.runtime.fence import create_fenced, put_up_fence, take_down_fence
from services.runtime.jetstream import Stored, get, stream_info
from services.runtime.kv import Bucket, Conflict
from services.runtime.settings import Settings
from services.runtime.tail import Tail
from services.runtime.topology import EPOCH, KEYS_STREAM, LIVE_STREAM, delete, info_of, streams


class Streams:
    """The streams and buckets of a platform, by name, for the NATS user `recovery`."""

    def __init__(self, nc: Client, settings: Settings) -> None:
        self._nc = nc
        self._declared = {declaration.name: declaration for declaration in streams(settings)}
        self._live = Bucket(nc, subjects.LIVE)

    async def held(self, name: str) -> Held | None:
        """The stream that NATS has under this name. Raises ApiError, NatsUnavailable."""
        info = await info_of(self._nc, name)
        return None if info is None else Held(int(info.config.metadata.get(EPOCH, "1")), info.state.last_seq)

    async def stamp(self, name: str, seq: int) -> Stamp | None:
        """What an existing stream holds at a sequence. Raises ApiError, NatsUnavailable."""
        stored = await get(self._nc, name, seq=seq) if seq > 0 else None
        return None if stored is None else Stamp(stored.time_ns, stored.subject)

    async def now_ns(self) -> int:
        """The server's time, in nanoseconds since 1970. Raises ApiError, NatsUnavailable."""
        return nanoseconds((await stream_info(self._nc, LIVE_STREAM)).ts)

    # Everybody stops

    async def halted(self) -> bool:
        """Whether everybody is told to admit and decide nothing. Raises ApiError, NatsUnavailable."""
        if await info_of(self._nc, LIVE_STREAM) is None:
            return False
        return (await self._live.get(subjects.HALTED_KEY)).value is not None

    async def halt(self, epoch: int) -> None:
        """Tell everybody to admit and decide nothing. Raises ApiError, NatsUnavailable."""
        await self._make_missing(LIVE_STREAM, epoch)
        await take_down_fence(self._nc, self._declared[LIVE_STREAM])
        await self._live.put(subjects.HALTED_KEY, f"recovery in epoch {epoch}".encode())

    async def lift_halt(self) -> None:
        """Let everybody go on. Raises ApiError, NatsUnavailable."""
        while (entry := await self._live.get(subjects.HALTED_KEY)).value is not None:
            with contextlib.suppress(Conflict):  # a recorder has just said it as well
                await self._live.delete(subjects.HALTED_KEY, entry.revision)

    # Old and new

    async def left_over(self, name: str, held: Held, connection: Connection) -> AsyncIterator[list[Stored]]:
        """What an existing stream holds from where it and the log differ. Raises NatsUnavailable, ApiError."""
        differs = False
        async for batch in Tail(self._nc, name, [FILTERS[name]], name="recovery").batches():
            for first in range(0, len(batch.messages), BATCH):
                messages = batch.messages[first : first + BATCH]
                if not differs:
                    messages = await unknown(connection, name, held.epoch, messages)
                    differs = bool(messages)
                if messages:
                    yield messages
            if batch.pending == 0:
                return

    async def fence(self, name: str) -> None:
        """Let nobody but recovery write into an existing stream. Raises ApiError, NatsUnavailable."""
        await put_up_fence(self._nc, self._declared[name])

    async def make_anew(self, name: str, epoch: int, first_seq: int) -> None:
        """Make the stream, in place of that of a former epoch, unless it was made already; either way it is behind its
        fence then. Raises ApiError, NatsUnavailable."""
        held = await self.held(name)
        if held is not None and held.epoch == epoch:
            await self.fence(name)
            return
        if held is not None:
            await delete(self._nc, name)
        await create_fenced(self._nc, self._declared[name], epoch, first_seq)

    async def make_all_missing(self, epoch: int) -> None:
        """Make whatever else is not there. The bucket of idempotency keys is behind its fence then. Raises ApiError,
        NatsUnavailable."""
        for name in self._declared:
            await self._make_missing(name, epoch)
        await self.fence(KEYS_STREAM)

    async def open_all(self) -> None:
        """Take down all fences, at last that of the requests. Raises ApiError, NatsUnavailable."""
        for name in sorted(self._declared, key=lambda name: name == subjects.REQUESTS):
            await take_down_fence(self._nc, self._declared[name])

    async def _make_missing(self, name: str, epoch: int) -> None:
        if await info_of(self._nc, name) is None:
            await create_fenced(self._nc, self._declared[name], epoch, first_revision(epoch))
