"""The directory in memory: every process that needs it folds DIRECTORY by its own tail."""

import asyncio
from collections.abc import Callable

from nats.aio.client import Client

from services.contracts import codec, subjects
from services.contracts.accounts import Directory
from services.contracts.directory import DirectoryEvent, entry_of
from services.runtime.errors import NatsUnavailable
from services.runtime.jetstream import Stored, stream_info
from services.runtime.tail import Tail

STALE_S = 30.0
"""So long a directory is trusted of which nothing is heard any more: whom it knows may have been disabled meanwhile."""


class DirectoryFollower:
    """Keeps a `Directory` up to date. `on_event` is told each event after it has been folded."""

    def __init__(self, nc: Client) -> None:
        self._nc = nc
        self.directory = Directory()
        self.caught_up = asyncio.Event()
        self.on_event: Callable[[DirectoryEvent], None] = lambda event: None
        self._changed = asyncio.Condition()
        self.seq = 0
        self._tail = Tail(nc, subjects.DIRECTORY, [subjects.ALL_DIRECTORY], name="directory", lasting=True)

    @property
    def fresh(self) -> bool:
        """Whether new authentications may trust it: folded up to the end, and not cut off from the stream for long."""
        return self.caught_up.is_set() and self._tail.away_s < STALE_S

    async def follow(self) -> None:
        """Fold for ever."""
        async for batch in self._tail.batches():
            async with self._changed:
                for stored in batch.messages:
                    self._fold(stored)
                self._changed.notify_all()
            if batch.pending == 0:
                self.caught_up.set()

    async def wait_for(self, seq: int, timeout_s: float = 5.0) -> None:
        """Return when the event at `seq` has been folded. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s), self._changed:
            await self._changed.wait_for(lambda: self.seq >= seq)

    async def catch_up(self, timeout_s: float = 5.0) -> None:
        """Return when everything that was stored before this call has been folded. Raises NatsUnavailable."""
        try:
            await self.wait_for((await stream_info(self._nc, subjects.DIRECTORY)).state.last_seq, timeout_s)
        except TimeoutError as error:
            raise NatsUnavailable("the directory is not up to date") from error

    def _fold(self, stored: Stored) -> None:
        event = codec.directory.decode(stored.data)
        self.directory.apply(event, *entry_of(event), stored.seq)
        self.seq = stored.seq
        self.on_event(event)
