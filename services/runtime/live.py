"""Who is alive: each process keeps a key with a time to live in `ws_live`, and watches the others'.

Every time to live exceeds the 9 s that an election of NATS may take, or one leader's loss would expire everybody.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable

from nats.aio.client import Client

from services.contracts import subjects
from services.runtime.errors import NatsUnavailable
from services.runtime.jetstream import ApiError
from services.runtime.kv import Bucket, Conflict

TTL_S = 15.0
RENEW_S = 4.0


class Liveness:
    """This process's own key and its view of everybody's."""

    def __init__(self, nc: Client, service: str, id: str) -> None:
        self._bucket = Bucket(nc, subjects.LIVE)
        self._key = subjects.live_key(service, id)
        self._revision = 0
        self._writing = asyncio.Lock()
        self._withdrawn = False
        self._alive: dict[str, set[str]] = {}
        self.caught_up = asyncio.Event()
        self.halted = False
        """Recovery is needed: admit nothing, decide nothing."""
        self.renewed_at = 0.0
        """When the own key was last written (monotonic seconds)."""
        self.on_change: Callable[[], None] = lambda: None

    def alive(self, service: str) -> frozenset[str]:
        """Ids of the processes of a service whose keys have not expired."""
        return frozenset(self._alive.get(service, ()))

    async def announce(self) -> None:
        """Write the own key once, unless it was withdrawn. Raises NatsUnavailable."""
        async with self._writing:
            if not self._withdrawn:
                self._revision = await self._bucket.put(self._key, b"{}", TTL_S)
                self.renewed_at = time.monotonic()

    async def keep_announcing(self) -> None:
        """Renew the own key for ever; without NATS try again soon."""
        while True:
            try:
                await self.announce()
                await asyncio.sleep(RENEW_S)
            except (NatsUnavailable, ApiError):
                await asyncio.sleep(0.5)

    async def withdraw(self) -> None:
        """Delete the own key for good, although `keep_announcing` still runs: the others need not wait for its expiry."""
        self._withdrawn = True
        with contextlib.suppress(NatsUnavailable, ApiError, Conflict):
            async with self._writing:
                await self._bucket.delete(self._key, self._revision)

    async def watch(self) -> None:
        """Fold the bucket for ever."""
        async for entries, pending in self._bucket.watch():
            for entry in entries:
                self._fold(entry.key, entry.value is not None)
            if pending == 0:
                self.caught_up.set()
            self.on_change()

    def _fold(self, key: str, present: bool) -> None:
        if key == subjects.HALTED_KEY:
            self.halted = present
            return
        service, _, id = key.partition(".")
        members = self._alive.setdefault(service, set())
        if present:
            members.add(id)
        else:
            members.discard(id)
