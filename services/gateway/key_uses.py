"""When each key was used last, to a minute: in the bucket `ws_key_uses`, written by whichever gateway sees it used."""

import asyncio
import contextlib

import msgspec
from nats.aio.client import Client

from services.contracts import subjects
from services.contracts.sign_in import KeyUse
from services.runtime.clock import ServerClock
from services.runtime.errors import NatsUnavailable
from services.runtime.jetstream import ApiError
from services.runtime.kv import Bucket, Entry
from services.runtime.tail import TailTooOld

COALESCED_NS = 60 * 1_000_000_000
RECORD_S = 1.0
_decoder = msgspec.json.Decoder(KeyUse)


class KeyUses:
    """The last uses that are known here, and those that are to be written: at most one a minute for each key."""

    def __init__(self, nc: Client, clock: ServerClock) -> None:
        self._bucket, self._clock = Bucket(nc, subjects.KEY_USES), clock
        self._last: dict[str, int] = {}
        self._unwritten: set[str] = set()

    def used(self, key_id: str) -> None:
        """The key has let somebody in just now."""
        now = self._clock.now_ns()
        if now - self._last.get(key_id, 0) >= COALESCED_NS:
            self._last[key_id] = now
            self._unwritten.add(key_id)

    def last(self, key_id: str) -> int | None:
        """When it was used last, in nanoseconds since 1970; None: never, as far as is known."""
        return self._last.get(key_id)

    async def keep_recording(self) -> None:
        """Write what is to be written, for ever."""
        while True:
            await asyncio.sleep(RECORD_S)
            await self.record()

    async def record(self) -> None:
        """Write what is to be written; what cannot be written now is left for the next time."""
        for key_id in list(self._unwritten):
            value = msgspec.json.encode(KeyUse(at=self._last[key_id]))
            try:
                await self._bucket.put(subjects.key_use_key(key_id), value)
            except (NatsUnavailable, ApiError):  # the server has no room, say
                return
            self._unwritten.discard(key_id)

    async def watch(self) -> None:
        """Learn of uses at other gateways, for ever."""
        while True:
            with contextlib.suppress(TailTooOld):  # a new watch begins with the newest use of each key
                async for entries, _ in self._bucket.watch():
                    for entry in entries:
                        self._fold(entry)

    def _fold(self, entry: Entry) -> None:
        if entry.value is not None:
            self._last[entry.key] = max(self._last.get(entry.key, 0), _decoder.decode(entry.value).at)
