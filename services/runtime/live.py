"""Who is alive: each process keeps a key with a time to live in `ws_live`, and watches the others'.

Every time to live exceeds the 9 s that an election of NATS may take, or one leader's loss would expire everybody.
"""

import asyncio
import contextlib
import functools
import socket
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import NamedTuple

import msgspec
from nats.aio.client import Client

from services.contracts import subjects
from services.contracts.platform import Alive
from services.runtime.errors import NatsUnavailable
from services.runtime.jetstream import ApiError
from services.runtime.kv import Bucket, Conflict

TTL_S = 15.0
RENEW_S = 4.0
DISTRIBUTION = "websocket-spaces"
"""What all services are installed as: its version is theirs."""


_decoder = msgspec.json.Decoder(Alive)


class Heard(NamedTuple):
    """What a process has said of itself, and when that was heard (monotonic seconds)."""

    said: Alive
    at: float


@functools.cache
def own_version() -> str:
    """The version of what runs here, looked up once: that reads a file."""
    return version(DISTRIBUTION)


class Liveness:
    """This process's own key and its view of everybody's."""

    def __init__(self, nc: Client, service: str, id: str) -> None:
        self._bucket = Bucket(nc, subjects.LIVE)
        self._key = subjects.live_key(service, id)
        said = Alive(since=time.time_ns(), version=own_version(), host=socket.gethostname())
        self._said = msgspec.json.encode(said)
        self._revision = 0
        self._writing = asyncio.Lock()
        self._withdrawn = False
        self._alive: dict[str, dict[str, Heard]] = {}
        self.caught_up = asyncio.Event()
        self.halted = False
        """Recovery is needed: admit nothing, decide nothing."""
        self.renewed_at = 0.0
        """When the own key was last written (monotonic seconds)."""
        self.on_change: Callable[[], None] = lambda: None

    def alive(self, service: str) -> frozenset[str]:
        """Ids of the processes of a service whose keys have not expired."""
        return frozenset(self._alive.get(service, ()))

    def kinds(self) -> list[str]:
        """Services of which processes have been alive."""
        return list(self._alive)

    def heard(self, service: str) -> dict[str, Heard]:
        """The same by id, with what they say of themselves, and when they were heard last."""
        return dict(self._alive.get(service, {}))

    async def announce(self) -> None:
        """Write the own key once, unless it was withdrawn. Raises NatsUnavailable."""
        async with self._writing:
            if not self._withdrawn:
                self._revision = await self._bucket.put(self._key, self._said, TTL_S)
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
                self._fold(entry.key, entry.value)
            if pending == 0:
                self.caught_up.set()
            self.on_change()

    def _fold(self, key: str, value: bytes | None) -> None:
        if key == subjects.HALTED_KEY:
            self.halted = value is not None
            return
        service, _, id = key.partition(".")
        members = self._alive.setdefault(service, {})
        if value is None:
            members.pop(id, None)
        else:
            members[id] = Heard(_decoder.decode(value), time.monotonic())
