"""What the new streams are filled with, behind their fences. Each append expects that it is the first of its chain, or its
chain's last: to repeat them all does no harm."""

import asyncio
import dataclasses
import uuid
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

import msgspec
from nats.aio.client import Client

from services.contracts import codec, subjects
from services.contracts.directory import DirectoryEvent, entry_of
from services.contracts.events import Erased, RequestEvent, type_of
from services.history.restoring import Key
from services.runtime.append import Record, Superseded, append, request_record
from services.runtime.topology import KEYS_STREAM

AT_ONCE = 64
"""Appends under way."""
_KEYS = uuid.UUID("2c6d1a0e-5c0e-5b58-9a4f-2c8a2e1f7d44")
_T = TypeVar("_T")


class Refilling:
    """Appends of a recovery in an epoch."""

    def __init__(self, nc: Client, epoch: int) -> None:
        self._nc, self._epoch = nc, epoch

    async def directory(self, events: Iterable[DirectoryEvent]) -> None:
        """Append the directory's events in order, each expecting what its entry has come to. Raises Superseded, Undecided,
        StreamFull."""
        last: dict[tuple[str, str], int] = {}
        for event in events:
            kind, id = entry = entry_of(event)
            record = Record(
                subjects.DIRECTORY,
                subjects.directory_event(kind, id, type_of(event)),
                subjects.directory_chain(kind, id),
                last.get(entry, 0),
                event.id,
                codec.directory.encode(msgspec.structs.replace(event, prev_seq=last.get(entry, 0))),
            )
            last[entry] = await self._append(record)

    async def keys(self, found: Sequence[Key]) -> None:
        """Write the keys that are not there. Raises Undecided, StreamFull."""
        await _some_at_once(found, self._key)

    async def requests(self, chains: Sequence[list[RequestEvent]]) -> None:
        """Append the events of each request, one after the other; requests in their order. Raises Superseded, Undecided,
        StreamFull."""
        await _some_at_once(chains, self._request)

    async def erasures(self, events: Sequence[Erased]) -> None:
        """Append `erased` of requests of which the new stream holds nothing. Raises Superseded, Undecided, StreamFull."""
        # What they follow is in another epoch: here each is the first of its chain.
        records = [dataclasses.replace(request_record(event), prev_seq=0) for event in events]
        await _some_at_once(records, self._appended)

    async def _appended(self, record: Record) -> None:
        await self._append(record)

    async def _request(self, events: Iterable[RequestEvent]) -> None:
        seq = 0
        for event in events:
            seq = await self._append(request_record(msgspec.structs.replace(event, prev_seq=seq)))

    async def _key(self, key: Key) -> None:
        subject = subjects.bucket_entry(subjects.KEYS, subjects.idempotency_key(key.digest))
        id = uuid.uuid5(_KEYS, f"{self._epoch}/{key.digest}").hex
        ttl = {subjects.TTL: f"{round(key.ttl_s)}s"}
        try:
            await self._append(Record(KEYS_STREAM, subject, subject, 0, id, msgspec.json.encode(key.record), ttl))
        except Superseded:
            return  # the bucket was not lost, and has it

    async def _append(self, record: Record) -> int:
        behind = subjects.behind_fence(record.stream, record.subject)
        return await append(self._nc, dataclasses.replace(record, subject=behind))


async def _some_at_once(items: Sequence[_T], work: Callable[[_T], Awaitable[None]]) -> None:
    for first in range(0, len(items), AT_ONCE):
        await asyncio.gather(*map(work, items[first : first + AT_ONCE]))
