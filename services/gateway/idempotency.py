"""Idempotency keys: one request per key, caller and space for 24 hours, whichever gateways are asked, and however often."""

from collections.abc import Awaitable, Callable

import msgspec
from nats.aio.client import Client

from services.contracts import subjects
from services.contracts.idempotency import KeyRecord
from services.runtime.kv import Bucket, Conflict
from services.runtime.topology import IDEMPOTENCY_TTL_S

_decoder = msgspec.json.Decoder(KeyRecord)


class IdempotencyKeys:
    """The bucket of keys."""

    def __init__(self, nc: Client) -> None:
        self._bucket = Bucket(nc, subjects.KEYS)

    async def claim(self, digest: str, record: KeyRecord, check: Callable[[], Awaitable[None]]) -> KeyRecord:
        """Take the key for this record, or learn whose it is: the record that the key has now. Raises NatsUnavailable, and
        what `check` raises, which is asked before a key is taken: what is refused does not use it up.

        The record may exist without its request when a gateway died between the two."""
        key, value = subjects.idempotency_key(digest), msgspec.json.encode(record)
        while True:
            entry = await self._bucket.get(key)
            if entry.value is not None:
                return _decoder.decode(entry.value)
            await check()
            try:
                await self._bucket.set(key, value, entry.revision, IDEMPOTENCY_TTL_S)
            except Conflict:
                continue
            return record
