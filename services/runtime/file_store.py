"""Files in JetStream: the one adapter of the port `FileStore`, in the format of NATS's object stores.

Everything is stored expecting what was there before: two writers of one file never mix their bytes, a name is given once,
and whether a file is kept or deleted is decided by one append.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

import msgspec
from nats.aio.client import Client

from services.contracts import files, subjects
from services.contracts.files import INDEX_BYTES, File, UnknownRecord
from services.runtime.append import FULL, UNDECIDED, StreamFull
from services.runtime.errors import Final, NatsUnavailable
from services.runtime.jetstream import PubAck, Stored, get, publish, raise_error, stream_info
from services.runtime.kv import Conflict
from services.runtime.tail import Tail

TIMEOUT_S = 5.0
DEADLINE_S = 30.0
"""So long is one chunk or record tried again while NATS does not answer."""
DELETED_S = 86400
"""How long is known of a file that it was deleted."""
FENCE_S = 3600
"""How long what takes the place of deleted chunks stays, so that a writer who does not know it yet is refused."""
RESERVED = 64
"""One part in so many of the store is not for files: deleting one stores something, too, before it frees anything."""
LOOK_EVERY = 32
"""After so many chunks of a file is looked again whether there is room."""
READ_AHEAD = 16
"""Chunks of a file that may wait here for a slow reader: 2 MiB."""
_SILENT_S = 30.0
_BACK_OFF_S = (0.02, 0.1, 0.25, 0.5, 1.0)
_OFFSET, _NUMBER, _WRITER = "Spaces-Offset", "Spaces-Chunk", "Spaces-Writer"


class FileGone(Final):
    """The file was deleted."""


@dataclass(frozen=True, slots=True)
class End:
    """Where the chunks of a file end: the sequence of the last one (0: there is none), and how many bytes and chunks there
    are."""

    nuid: str
    seq: int = 0
    size: int = 0
    chunks: int = 0


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a file, with the sequence and the place of its first byte."""

    seq: int
    offset: int
    data: bytes


class FileStore(Protocol):
    """Where files are. All methods raise NatsUnavailable when the store does not answer."""

    async def get(self, id: str) -> File | None:
        """The newest record of a file, also of a deleted one; None when there never was one."""

    async def put(self, file: File) -> File:
        """Store a record over the one at `file.revision` (0: there is none); the file with its new revision. Raises
        Conflict when another was stored meanwhile, StreamFull."""

    async def end(self, nuid: str) -> End:
        """Where the chunks of a file end. Raises FileGone."""

    async def append(self, end: End, data: bytes, writer: str) -> End:
        """Store the next chunk; where the chunks end then. `writer` is a name that no other writer has. Raises Conflict when
        somebody else has stored one there, StreamFull."""

    def read(self, file: File, start: int, stop: int) -> AsyncIterator[bytes]:
        """The bytes of a complete file from `start` up to `stop`, in pieces. Raises FileGone."""

    def chunks(self, end: End) -> AsyncIterator[Chunk]:
        """All chunks up to `end`. Raises FileGone."""

    async def delete(self, file: File) -> File:
        """Store that the file is deleted, over the record at its revision, and remove its bytes. Raises Conflict."""

    async def discard(self, nuid: str) -> None:
        """Remove what there is of the bytes of a file that is deleted, or never was."""

    def follow(self) -> AsyncIterator[tuple[list[File], int]]:
        """First the newest record of each file, then every new one, with how many more there are at least; 0: caught up.
        Raises TailTooOld, TailTrimmed."""


class JetStreamFiles:
    """See FileStore. Give it a connection of its own: chunks would stand before what else goes over it."""

    def __init__(self, nc: Client) -> None:
        self._nc = nc

    async def get(self, id: str) -> File | None:
        """See FileStore."""
        stored = await get(self._nc, subjects.FILES, last=subjects.file_record(id))
        return None if stored is None else files.decode(stored.data, stored.seq)

    async def put(self, file: File) -> File:
        """See FileStore."""
        if file.revision == 0:
            await self._check_room(file.length or 0)
        subject, data = subjects.file_record(file.id), files.encode(file)
        headers = {subjects.ROLLUP: subjects.ROLLUP_SUBJECT, subjects.EXPECTED_SEQUENCE: str(file.revision)}
        if file.state == "deleted":
            headers |= {subjects.TTL: f"{DELETED_S}s"}

        def is_ours(last: Stored | None) -> int | None:
            if last is None or last.seq == file.revision:
                return None
            if last.data != data:
                raise Conflict(f"{file.id} was changed meanwhile")
            return last.seq

        seq = await self._store(subject, data, headers, file.revision, is_ours)
        return msgspec.structs.replace(file, revision=seq)

    async def end(self, nuid: str) -> End:
        """See FileStore."""
        last = await get(self._nc, subjects.FILES, last=subjects.file_chunks(nuid))
        if last is None:
            return End(nuid)
        chunk = _chunk(last)
        return End(nuid, last.seq, chunk.offset + len(chunk.data), int(last.headers[_NUMBER]) + 1)

    async def append(self, end: End, data: bytes, writer: str) -> End:
        """See FileStore."""
        if end.chunks and end.chunks % LOOK_EVERY == 0:
            await self._check_room(len(data))
        headers = {
            subjects.EXPECTED_SEQUENCE: str(end.seq),
            _OFFSET: str(end.size),
            _NUMBER: str(end.chunks),
            _WRITER: writer,
        }

        def is_ours(last: Stored | None) -> int | None:
            if (last.seq if last else 0) == end.seq:
                return None
            if last is None or (last.headers.get(_WRITER), last.headers.get(_OFFSET)) != (writer, str(end.size)):
                raise Conflict(f"somebody else writes after byte {end.size}")
            return last.seq

        seq = await self._store(subjects.file_chunks(end.nuid), data, headers, end.seq, is_ours)
        return End(end.nuid, seq, end.size + len(data), end.chunks + 1)

    async def read(self, file: File, start: int, stop: int) -> AsyncIterator[bytes]:
        """See FileStore."""
        if start >= stop:
            return
        first = file.index[min(start // INDEX_BYTES, len(file.index) - 1)]
        async for chunk in self._from(file.nuid, first):
            end = chunk.offset + len(chunk.data)
            if end > start:
                yield chunk.data[max(0, start - chunk.offset) : stop - chunk.offset]
            if end >= stop:
                return

    async def chunks(self, end: End) -> AsyncIterator[Chunk]:
        """See FileStore."""
        if end.seq == 0:
            return
        async for chunk in self._from(end.nuid, 1):
            yield chunk
            if chunk.seq >= end.seq:
                return

    async def delete(self, file: File) -> File:
        """See FileStore."""
        gone = await self.put(files.deleted(file))
        await self.discard(file.nuid)
        return gone

    async def discard(self, nuid: str) -> None:
        """See FileStore."""
        headers = {subjects.ROLLUP: subjects.ROLLUP_SUBJECT, subjects.TTL: f"{FENCE_S}s"}
        ack = await publish(self._nc, subjects.file_chunks(nuid), b"", headers, TIMEOUT_S)
        raise_error(ack.error)

    async def follow(self) -> AsyncIterator[tuple[list[File], int]]:
        """See FileStore."""
        tail = Tail(
            self._nc,
            subjects.FILES,
            [subjects.ALL_FILES],
            last_per_subject=True,
            keep_s=DELETED_S,
            name=files.BUCKET,
            lasting=True,
        )
        async for batch in tail.batches():
            yield [file for stored in batch.messages if (file := _known(stored)) is not None], batch.pending

    async def _check_room(self, length: int) -> None:
        """Raises StreamFull when the store has no room for so many bytes."""
        info = await stream_info(self._nc, subjects.FILES)
        most = info.config.max_bytes
        if 0 < most < info.state.bytes + length + most // RESERVED:
            raise StreamFull("the store of files is full")

    async def _from(self, nuid: str, first: int) -> AsyncIterator[Chunk]:
        """The chunks from a sequence on; never ends by itself."""
        subject = subjects.file_chunks(nuid)
        batches = Tail(self._nc, subjects.FILES, [subject], first, pull=READ_AHEAD, name="file").batches()
        try:
            while True:
                try:
                    async with asyncio.timeout(_SILENT_S):
                        batch = await anext(batches)
                except TimeoutError:
                    raise NatsUnavailable(f"nothing more came of {subject}") from None
                for stored in batch.messages:
                    yield _chunk(stored)
        finally:
            await batches.aclose()  # type: ignore[attr-defined]

    async def _store(self, subject: str, data: bytes, headers: dict[str, str], expected: int, is_ours: "_Decide") -> int:
        """The sequence of what is stored, also when an earlier try had stored it. `is_ours` looks at the last message when
        the server's answer leaves open what happened. Raises Conflict, StreamFull, NatsUnavailable."""
        end, tries = time.monotonic() + DEADLINE_S, 0
        while True:
            try:
                if not self._nc.is_connected:
                    raise NatsUnavailable("not connected")
                ack = await publish(self._nc, subject, data, headers, TIMEOUT_S)
                if (seq := _stored_at(ack)) is not None:
                    return seq
                seq = is_ours(await get(self._nc, subjects.FILES, last=subject, known=expected))
                if seq is not None:
                    return seq
            except NatsUnavailable:
                if time.monotonic() >= end:
                    raise
            if time.monotonic() >= end:
                raise NatsUnavailable(f"{subject} was not decided within {DEADLINE_S:g} s")
            await asyncio.sleep(_BACK_OFF_S[min(tries, len(_BACK_OFF_S) - 1)])
            tries += 1


class _Decide(Protocol):
    def __call__(self, last: Stored | None) -> int | None:
        """The sequence when the last message is what was sent; None when nothing was stored yet. Raises Conflict."""


def _stored_at(ack: PubAck) -> int | None:
    """The sequence that the server says; None when it has decided nothing."""
    if ack.error is None:
        return ack.seq
    if ack.error.err_code in UNDECIDED:
        return None
    if ack.error.err_code in FULL:
        raise StreamFull(ack.error.description)
    raise_error(ack.error)
    return None


def _chunk(stored: Stored) -> Chunk:
    if _OFFSET not in stored.headers:
        raise FileGone("the file was deleted")
    return Chunk(stored.seq, int(stored.headers[_OFFSET]), stored.data)


def _known(stored: Stored) -> File | None:
    """The record; None of an object that is no file of ours."""
    try:
        return files.decode(stored.data, stored.seq)
    except UnknownRecord:
        return None
