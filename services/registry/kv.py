"""The bucket of claims, with typed values."""

import asyncio
from collections.abc import Iterable

import msgspec
from nats.aio.client import Client

from services.contracts import subjects
from services.contracts.rpc import Claim
from services.registry.connections import ClaimEntry
from services.runtime.kv import Bucket

_decoder = msgspec.json.Decoder(Claim)


class Claims:
    """Reads and writes of `ws_claims`, each write expecting the revision that was read."""

    def __init__(self, nc: Client) -> None:
        self._bucket = Bucket(nc, subjects.CLAIMS)

    async def read(self, keys: Iterable[str]) -> list[ClaimEntry]:
        """The entries of the keys, in their order. Raises NatsUnavailable."""
        return await asyncio.gather(*(self._read(key) for key in keys))

    async def write(self, entry: ClaimEntry, claim: Claim) -> int:
        """Put the claim over the entry as it was read; its revision. Raises Conflict, NatsUnavailable."""
        return await self._bucket.set(entry.key, msgspec.json.encode(claim), entry.revision)

    async def release(self, entry: ClaimEntry) -> None:
        """Give the claim back as it was read. Raises Conflict, NatsUnavailable."""
        await self._bucket.delete(entry.key, entry.revision)

    async def _read(self, key: str) -> ClaimEntry:
        entry = await self._bucket.get(key)
        return ClaimEntry(key, None if entry.value is None else _decoder.decode(entry.value), entry.revision)
