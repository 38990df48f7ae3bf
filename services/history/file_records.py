"""The records of all files, followed by whoever collects them."""

import asyncio
import contextlib

import msgspec
from nats.aio.client import Client

from services.contracts import files, subjects
from services.contracts.files import FileMeta, UnknownRecord
from services.history.file_table import FileTable
from services.history.metrics import FILES, FILES_BYTES
from services.runtime.file_store import DELETED_S
from services.runtime.jetstream import Stored
from services.runtime.tail import Tail, TailTooOld, TailTrimmed


class FileRecords:
    """`table` has them while `follow` runs and once it has `caught_up`."""

    def __init__(self, nc: Client) -> None:
        self._nc = nc
        self._tail: Tail | None = None
        self.table = FileTable()
        self.caught_up = asyncio.Event()

    def reach(self, seq: int) -> bool:
        """Whether all records are known that the stream held when it ended at `seq`."""
        return self.caught_up.is_set() and self._tail is not None and self._tail.next_seq > seq

    async def follow(self) -> None:
        """Fold the records of all files, for ever. Raises ApiError."""
        while True:
            try:
                with contextlib.suppress(TailTooOld, TailTrimmed):  # another tail begins with the newest record of each
                    await self._follow()
            finally:
                self.caught_up.clear()
                self.table.clear()
                self._count()

    async def _follow(self) -> None:
        filters, name = [subjects.ALL_FILES], "collector"
        self._tail = Tail(
            self._nc, subjects.FILES, filters, last_per_subject=True, keep_s=DELETED_S, name=name, lasting=True
        )
        async for batch in self._tail.batches():
            for stored in batch.messages:
                self._fold(stored)
            self._count()
            if batch.pending == 0:
                self.caught_up.set()

    def _fold(self, stored: Stored) -> None:
        try:
            self.table.fold(files.decode(stored.data, stored.seq))
        except UnknownRecord:
            with contextlib.suppress(msgspec.MsgspecError):
                self.table.leave_alone(msgspec.json.decode(stored.data, type=FileMeta).nuid)

    def _count(self) -> None:
        FILES.set(len(self.table))
        FILES_BYTES.set(self.table.bytes)
