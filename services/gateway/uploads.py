"""One upload on its way: pieces of any size become chunks, digest and index; what was cut off is gone on with anywhere."""

import asyncio
import hashlib
import os
from collections.abc import Callable

from services.contracts import files
from services.contracts.files import CHUNK_BYTES, INDEX_BYTES, File
from services.gateway.media_types import HEAD_BYTES
from services.runtime.file_store import End, FileStore

CheckHead = Callable[[bytes], str]
"""What a file is, by its first bytes. Raises ApiProblem when it is not wanted."""


class Upload:
    """The bytes of a file whose record is `uploading`. `turn` bounds how many chunks of all uploads are on their way to the
    store. All methods raise what the store raises."""

    def __init__(self, store: FileStore, file: File, check: CheckHead, turn: asyncio.Semaphore) -> None:
        self.file = file
        self._store, self._check, self._turn = store, check, turn
        self._writer = os.urandom(8).hex()
        self._end = End(file.nuid)
        self._digest, self._index = hashlib.sha256(), list[int]()
        self._head, self._buffer = bytearray(), bytearray()
        self._media_type: str | None = None

    @property
    def received(self) -> int:
        """How many bytes have come, those included that are not stored yet."""
        return self._end.size + len(self._buffer)

    async def is_current(self) -> bool:
        """Whether nobody else has stored more meanwhile."""
        return await self._store.end(self.file.nuid) == self._end

    async def catch_up(self) -> None:
        """Read again what is stored, to go on after it."""
        end = await self._store.end(self.file.nuid)
        async for chunk in self._store.chunks(end):
            self._count(End(end.nuid, chunk.seq, chunk.offset + len(chunk.data), self._end.chunks + 1), chunk.data)

    async def write(self, data: bytes) -> None:
        """The next bytes; they are stored as soon as they fill a chunk. Raises Conflict when somebody else writes,
        StreamFull, ApiProblem when the file is not wanted."""
        self._buffer += data
        while len(self._buffer) >= CHUNK_BYTES:
            await self._append(bytes(self._buffer[:CHUNK_BYTES]))

    async def flush(self) -> None:
        """Store what has come. Raises as `write`."""
        if self._buffer:
            await self._append(bytes(self._buffer))

    async def complete(self, expires_at: int) -> File:
        """All bytes have come. Raises as `write`."""
        await self.flush()
        if self._media_type is None:
            self._media_type = self._check(bytes(self._head))
        done = files.completed(
            self.file,
            size=self._end.size,
            chunks=self._end.chunks,
            sha256=self._digest.hexdigest(),
            index=tuple(self._index),
            media_type=self._media_type,
            expires_at=expires_at,
        )
        self.file = await self._store.put(done)
        return self.file

    async def keep(self, expires_at: int) -> None:
        """Say that it is still going on. Raises Conflict."""
        self.file = await self._store.put(files.kept_until(self.file, expires_at))

    async def _append(self, piece: bytes) -> None:
        head = bytes(self._head) + piece[: HEAD_BYTES - len(self._head)]
        if self._media_type is None and len(head) == HEAD_BYTES:
            self._media_type = self._check(head)
        async with self._turn:
            end = await self._store.append(self._end, piece, self._writer)
        del self._buffer[: len(piece)]
        self._count(end, piece)

    def _count(self, end: End, piece: bytes) -> None:
        """A piece is stored."""
        before, self._end = self._end, end
        self._digest.update(piece)
        self._head += piece[: HEAD_BYTES - len(self._head)]
        first = -(-before.size // INDEX_BYTES) * INDEX_BYTES
        self._index += [end.seq for _ in range(first, end.size, INDEX_BYTES)]
