"""The records of all files, as far as they are known at this gateway: folded from the store by a tail; what is not there yet
is looked up at the store's leader."""

import asyncio
import contextlib

from services.contracts import files
from services.contracts.files import File, UnknownRecord
from services.gateway.file_index import FileIndex
from services.runtime.file_store import FileStore
from services.runtime.tail import TailTooOld


class FileRecords:
    """All methods raise NatsUnavailable when the store does not answer."""

    def __init__(self, store: FileStore) -> None:
        self._store = store
        self.index = FileIndex()
        self.caught_up = asyncio.Event()

    async def follow(self) -> None:
        """Fold the records of all files, for ever."""
        while True:
            with contextlib.suppress(TailTooOld):  # a new tail begins with the newest record of each file
                async for batch, pending in self._store.follow():
                    for file in batch:
                        self.index.fold(file, followed=True)
                    if pending == 0:
                        self.caught_up.set()

    async def find(self, id: str) -> File | None:
        """The newest record that is known of a file, without the places of its chunks; also of one that is deleted. None
        when there is no such file. An upload may just have come to its end at another gateway: that is looked up."""
        if not files.is_file_id(id):
            return None
        known = self.index.get(id)
        return await self.newest(id) if known is None or known.state == "uploading" else known

    async def newest(self, id: str) -> File | None:
        """The newest record that there is of a file."""
        try:
            file = await self._store.get(id)
        except UnknownRecord:
            return None
        return None if file is None else self._folded(file)

    async def put(self, file: File) -> File:
        """Store a record over the one at the file's revision. Raises Conflict, StreamFull."""
        return self._folded(await self._store.put(file))

    async def delete(self, file: File) -> None:
        """Delete a file whose record is still the one at its revision. Raises Conflict."""
        self._folded(await self._store.delete(file))

    def _folded(self, file: File) -> File:
        self.index.fold(file)
        return file
