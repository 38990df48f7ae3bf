"""Key-value buckets as we use them: compare-and-set by revision, time to live per value, watching by tail.

A key whose value has expired or was deleted leaves a marker behind, so an absent key is not always at revision 0: writers
read first and then set over the revision that they saw.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from nats.aio.client import Client

from services.contracts import subjects
from services.runtime.append import UNDECIDED
from services.runtime.errors import Final, NatsUnavailable
from services.runtime.jetstream import Stored, get, publish, raise_error
from services.runtime.tail import Tail

_OPERATION, _MARKER_REASON = "KV-Operation", "Nats-Marker-Reason"
TIMEOUT_S = 5.0
_AGAIN_S = 0.02
MARKER_S = 600
"""How long the marker of an expired value stays. A watcher that was cut off for longer must start over."""


class Conflict(Final):
    """Somebody else wrote the key first."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A key's newest value; `value` is None when it was deleted or has expired. `revision` is 0 for a key never written."""

    key: str
    value: bytes | None
    revision: int


class Bucket:
    """One bucket."""

    def __init__(self, nc: Client, name: str) -> None:
        self._nc, self.name = nc, name
        self._stream, self._prefix = f"KV_{name}", f"$KV.{name}."

    async def get(self, key: str, known: int = 0) -> Entry:
        """The newest value, read from the leader, not older than the revision `known`. Raises NatsUnavailable, ApiError."""
        stored = await get(self._nc, self._stream, last=self._prefix + key, known=known)
        return Entry(key, None, 0) if stored is None else self._entry(stored)

    async def put(self, key: str, value: bytes, ttl_s: float | None = None) -> int:
        """Write without looking. Raises NatsUnavailable, ApiError."""
        return await self._publish(key, value, None, {}, ttl_s)

    async def set(self, key: str, value: bytes, revision: int, ttl_s: float | None = None) -> int:
        """Write if the key is still at `revision`; the new revision. Raises Conflict, NatsUnavailable, ApiError.

        After a lost acknowledgement the caller cannot know whether it was written: read the key again."""
        return await self._publish(key, value, revision, {}, ttl_s)

    async def create(self, key: str, value: bytes, ttl_s: float | None = None) -> int:
        """Write if the key has no value now. Raises Conflict, NatsUnavailable, ApiError."""
        entry = await self.get(key)
        if entry.value is not None:
            raise Conflict(f"{self.name}/{key} exists")
        return await self.set(key, value, entry.revision, ttl_s)

    async def delete(self, key: str, revision: int) -> None:
        """Delete if the key is still at `revision`. What says so expires like a value. Raises Conflict, NatsUnavailable,
        ApiError."""
        await self._publish(key, b"", revision, {_OPERATION: "DEL"}, MARKER_S)

    async def watch(self, keys: str = ">") -> AsyncIterator[tuple[list[Entry], int]]:
        """First the newest value of each key, then every change: (entries, pending); pending 0 means caught up.
        Raises TailTooOld; TailTrimmed when the bucket was lost and made anew."""
        filters = [self._prefix + keys]
        tail = Tail(
            self._nc, self._stream, filters, last_per_subject=True, keep_s=2 * MARKER_S, name=self.name, lasting=True
        )
        async for batch in tail.batches():
            yield [self._entry(stored) for stored in batch.messages], batch.pending

    async def _publish(
        self, key: str, value: bytes, revision: int | None, headers: dict[str, str], ttl_s: float | None
    ) -> int:
        if revision is not None:
            headers |= {subjects.EXPECTED_SEQUENCE: str(revision)}
        if ttl_s is not None:
            headers |= {subjects.TTL: f"{max(1, round(ttl_s))}s"}
        end = time.monotonic() + TIMEOUT_S
        while True:
            if not self._nc.is_connected:
                raise NatsUnavailable("not connected")
            ack = await publish(self._nc, self._prefix + key, value, headers, TIMEOUT_S)
            if revision is None or ack.error is None or ack.error.err_code not in UNDECIDED:
                raise_error(ack.error)
                return ack.seq
            # Also said while another write is under way, and by a server that takes itself for the leader still.
            if (await self.get(key, known=revision)).revision != revision:
                raise Conflict(f"{self.name}/{key}: {ack.error.description}")
            if time.monotonic() >= end:
                raise NatsUnavailable(f"{self.name}/{key}: {ack.error.description}, but nothing was written")
            await asyncio.sleep(_AGAIN_S)

    def _entry(self, stored: Stored) -> Entry:
        gone = _OPERATION in stored.headers or _MARKER_REASON in stored.headers
        return Entry(stored.subject.removeprefix(self._prefix), None if gone else stored.data, stored.seq)
