"""Files at a gateway: the one door through which they are found, stored, read, kept, deleted and referred to."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import TypeVar

import msgspec

from services.contracts import files
from services.contracts.files import File
from services.gateway.file_records import FileRecords
from services.gateway.problems import ApiProblem
from services.gateway.references import MAX_REFERENCES, checked, gone, references
from services.gateway.signing import DownloadGrant, Signer, UploadGrant
from services.gateway.storing import NewFile, Storing
from services.runtime.clock import ServerClock
from services.runtime.errors import NatsUnavailable
from services.runtime.file_store import FileGone, FileStore
from services.runtime.kv import Conflict

_NS = 1_000_000_000
LINK_S = 3600.0
"""How long a link is good that is shown to somebody who may read the file."""
MARGIN_S = 3600.0
"""A file that a request refers to is kept for so much longer than the request can take."""
_TRIES = 20
_SMALL_BYTES = 128 * 1024

InUse = Callable[[File], Awaitable[bool]]
T = TypeVar("T", DownloadGrant, UploadGrant)


class Files:
    """All methods raise NatsUnavailable when the store does not answer. `in_use` says whether an open request refers to a
    file."""

    def __init__(
        self, store: FileStore, records: FileRecords, storing: Storing, clock: ServerClock, signer: Signer, in_use: InUse
    ) -> None:
        self._store, self._records, self._storing, self._clock = store, records, storing, clock
        self._signer, self._in_use = signer, in_use

    async def find(self, id: str) -> File | None:
        """The newest record that is known of a file; also of one that is deleted. None when there is no such file."""
        return await self._records.find(id)

    def known(self, id: str) -> File | None:
        """The newest record that this gateway has heard of; None also for a file of which it has yet to hear."""
        return self._records.index.get(id)

    async def check(self, input: bytes | msgspec.Raw, space: str, user: str, *, admin: bool = False) -> tuple[str, ...]:
        """The ids of the files that an input in JSON refers to, in the order in which they come, each once. They must be
        complete files of the space, of the user themselves unless that is an administrator. Raises ApiProblem: input_invalid
        with a pointer to each that is none, data_expired when one was there and is deleted."""
        data = bytes(input)
        # Megabytes of JSON: the event loop has other things to do.
        found = references(data) if len(data) <= _SMALL_BYTES else await asyncio.to_thread(references, data)
        records = await asyncio.gather(*(self._records.find(each.id) for each in found[:MAX_REFERENCES]))
        return checked(found, records, space, user, admin=admin)

    async def touch(self, ids: Iterable[str], start_timeout_s: float, execution_timeout_s: float) -> None:
        """Keep files as long as a request may need them that is submitted now with these timeouts. Raises ApiProblem
        (data_expired) when one has been deleted meanwhile."""
        until = self._after(start_timeout_s + execution_timeout_s + MARGIN_S)
        await asyncio.gather(*(self._keep_until(id, until) for id in ids))

    # Links

    def download_url(self, id: str, valid_s: float = LINK_S) -> str:
        """An address, relative to any gateway, at which whoever has it may read the bytes of a file for so long."""
        token = self._signer.token(DownloadGrant(file=id, until=self._after(valid_s)))
        return f"{files.reference(id)}/content?token={token}"

    def upload_url(self, rid: str, attempt: int, lease: int, space: str, user: str, key_id: str, valid_s: float) -> str:
        """An address, relative to any gateway, at which whoever has it may store files of one attempt at a request for so
        long: the same interface as `/v1/files` has with a key."""
        grant = UploadGrant(rid, attempt, lease, space, user, key_id, self._after(valid_s))
        return f"{files.REFERENCE.removesuffix('/')}?token={self._signer.token(grant)}"

    def grant(self, token: str, kind: type[T]) -> T:
        """What a token grants now. Raises BadToken."""
        return self._signer.grant(token, kind, self._clock.now_ns())

    # Bytes

    async def store(self, new: NewFile, pieces: AsyncIterator[bytes]) -> File:
        """A complete file of what an iterator yields. Raises ApiProblem when it is too large or not wanted, or there is no
        room: then nothing is left of it."""
        return await self._storing.store(new, pieces)

    async def opened(self, id: str) -> File:
        """A complete file, with the places of its chunks, for `read`. Raises FileGone when there is none."""
        file = await self._records.newest(id) if files.is_file_id(id) else None
        if file is None or file.state != "complete":
            raise FileGone(f"{id[:100]} is gone")
        return file

    def read(self, opened: File, start: int, stop: int) -> AsyncIterator[bytes]:
        """The bytes of an opened file from `start` up to `stop`, piece by piece. Raises FileGone."""
        return self._store.read(opened, start, stop)

    async def whole(self, id: str, most: int) -> bytes:
        """All bytes of a complete file that has at most so many. Raises FileGone when there is no such file, ValueError when
        it has more."""
        file = await self.opened(id)
        if file.size > most:
            raise ValueError(f"{id} has {file.size} bytes")
        return b"".join([piece async for piece in self.read(file, 0, file.size)])

    # Deleting

    async def delete(self, file: File) -> None:
        """Delete a file that no open request needs; deleting it again changes nothing. Raises ApiProblem (file_in_use)."""
        for _ in range(_TRIES):
            newest = await self._records.newest(file.id)
            if newest is None or newest.state == "deleted":
                return
            if await self._in_use(newest):
                raise ApiProblem("file_in_use", "A request that has not ended refers to the file.")
            with contextlib.suppress(Conflict):  # somebody keeps it for a request, which may need it from now on
                await self._records.delete(newest)
                return
        raise NatsUnavailable(f"{file.id} changes all the time")

    async def _keep_until(self, id: str, until: int) -> None:
        for _ in range(_TRIES):
            file = await self._records.newest(id)
            if file is None or file.state == "deleted":
                raise gone(id)
            if file.expires_at >= until:
                return
            with contextlib.suppress(Conflict):
                # Somewhat longer, so that the next request need not write it again.
                await self._records.put(files.kept_until(file, until + int(MARGIN_S * _NS)))
                return
        raise NatsUnavailable(f"{id} changes all the time")

    def _after(self, seconds: float) -> int:
        return self._clock.now_ns() + int(seconds * _NS)
