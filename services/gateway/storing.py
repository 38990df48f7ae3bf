"""Storing files: within the limits, from bytes that come as they come, gone on with at any gateway."""

import asyncio
import contextlib
import os
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass

from services.contracts import files
from services.contracts.accounts import Space
from services.contracts.files import File, Kind
from services.gateway.file_records import FileRecords
from services.gateway.media_types import UNKNOWN, UNWANTED, agreed, check_features
from services.gateway.problems import ApiProblem
from services.gateway.sniffing import looks_like
from services.gateway.uploads import Upload
from services.runtime.append import StreamFull
from services.runtime.clock import ServerClock
from services.runtime.errors import NatsUnavailable
from services.runtime.file_store import FileStore
from services.runtime.kv import Conflict
from services.runtime.settings import Settings

_NS = 1_000_000_000
UNFINISHED_S = 3600.0
"""So long after its last bytes an upload can be gone on with."""
_AT_ONCE = 4
"""Chunks on their way to the store: small requests are not to wait behind files."""
_REMEMBERED = 64

SpaceOf = Callable[[str], Space | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFile:
    """A file that is to be stored. `media_type` and `name` are what its sender says, `length` how many bytes will come
    (None: nobody knows). `rid` and `lease`: it comes of this attempt at a request."""

    kind: Kind
    space: str
    user: str
    key_id: str
    name: str = ""
    media_type: str = UNKNOWN
    length: int | None = None
    rid: str = ""
    lease: int = 0


class Storing:
    """All methods raise NatsUnavailable when the store does not answer. `space_of` finds a space by its name."""

    def __init__(
        self, store: FileStore, records: FileRecords, clock: ServerClock, settings: Settings, space_of: SpaceOf
    ) -> None:
        self._store, self._records, self._clock, self._settings = store, records, clock, settings
        self._space_of = space_of
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._uploads: OrderedDict[str, Upload] = OrderedDict()

    def admit(self, new: NewFile) -> None:
        """Raises ApiProblem when a new file is known to be too long, or when its key or its space have no room for it: for
        its bytes, or for a first one when nobody knows how many will come."""
        if new.length is not None and new.length > self._settings.file_max_bytes:
            raise self.too_large()
        self._require_room(new, max(new.length or 1, 1))

    def _require_room(self, new: NewFile, size: int, counted: int = 0) -> None:
        # So many bytes of the size are counted already as taken.
        limits, index = self._settings, self._records.index
        of_key = limits.files_key_max_bytes - index.bytes_of_key(new.user, new.key_id)
        of_space = limits.files_space_max_bytes - index.bytes_of_space(new.space)
        left = min(of_key, of_space) + counted
        if left < size:
            whose = "This key" if of_key < of_space else "The space"
            raise ApiProblem("quota_exceeded", f"{whose} has {max(left, 0)} bytes left for files: delete some first.")

    def too_large(self) -> ApiProblem:
        """The answer to a file that is larger than any may be."""
        return ApiProblem("payload_too_large", f"A file may have {self._settings.file_max_bytes} bytes.")

    async def begin(self, new: NewFile) -> File:
        """Make the record of a file whose bytes are to come. Raises ApiProblem as `admit`, and when the store is full."""
        self.admit(new)
        now, entropy = self._clock.now_ns(), os.urandom(26)
        file = File(
            id=_new_id(new, now // 1_000_000, entropy),
            nuid=entropy[10:].hex(),
            state="uploading",
            kind=new.kind,
            space=new.space,
            user=new.user,
            key_id=new.key_id,
            created_at=now,
            expires_at=self._after(UNFINISHED_S),
            rid=new.rid,
            lease=new.lease,
            name=new.name,
            media_type=new.media_type,
            length=new.length,
        )
        with _full_said():
            return await self._records.put(file)

    async def upload(self, file: File) -> Upload:
        """What goes on with a file after what is stored of it already; its record may be `complete` by now. Raises
        FileGone."""
        known = self._uploads.pop(file.id, None)
        if known is not None and await known.is_current():
            return known
        newest = await self._records.newest(file.id)
        upload = Upload(self._store, newest or file, self._is_wanted(file), self._turn)
        await upload.catch_up()
        return upload

    async def received(self, file: File) -> int:
        """How many bytes of an upload are stored. Raises FileGone."""
        return (await self._store.end(file.nuid)).size

    def remember(self, upload: Upload) -> None:
        """An upload was interrupted, and is likely to be gone on with here."""
        self._uploads[upload.file.id] = upload
        if len(self._uploads) > _REMEMBERED:
            self._uploads.popitem(last=False)

    async def write(self, upload: Upload, data: bytes) -> None:
        """The next bytes of an upload, whose record is kept while they come. Raises Conflict when somebody else goes on with
        it; ApiProblem when the store is full, or when the file is not wanted: then nothing is left of it."""
        async with self._unwanted_removed(upload):
            await upload.write(data)
        if upload.file.expires_at < self._after(UNFINISHED_S / 2):
            await upload.keep(self._after(UNFINISHED_S))

    async def flush(self, upload: Upload) -> None:
        """Store what has come of an upload, though it fills no chunk. Raises as `write`."""
        async with self._unwanted_removed(upload):
            await upload.flush()

    async def complete(self, upload: Upload) -> File:
        """All bytes of an upload have come. Raises as `write`."""
        async with self._unwanted_removed(upload):
            file = await upload.complete(self._after(self._settings.files_keep))
        self._records.index.fold(file)
        return file

    async def store(self, new: NewFile, pieces: AsyncIterator[bytes]) -> File:
        """A complete file of what an iterator yields. Raises ApiProblem when it is too large or not wanted, or there is no
        room: then nothing is left of it."""
        file = await self.begin(new)
        upload = Upload(self._store, file, self._is_wanted(file), self._turn)
        try:
            async for piece in pieces:
                size = upload.received + len(piece)
                if size > self._settings.file_max_bytes:
                    raise self.too_large()
                if new.length is None:  # others come meanwhile
                    self._require_room(new, size, upload.received)
                    self._records.index.arrived(file.id, size)
                await self.write(upload, piece)
            return await self.complete(upload)
        except Conflict:  # nobody else writes these bytes
            raise ApiProblem("data_expired", "Somebody has deleted the file while its bytes came.") from None
        except BaseException:
            await self.give_up(upload.file)
            raise

    async def give_up(self, file: File) -> None:
        """Remove an upload that will not be gone on with; what cannot be removed now is removed when it has expired."""
        self._uploads.pop(file.id, None)
        with contextlib.suppress(Conflict, NatsUnavailable):
            await self._records.delete(file)

    @contextlib.asynccontextmanager
    async def _unwanted_removed(self, upload: Upload) -> AsyncIterator[None]:
        try:
            with _full_said():
                yield
        except ApiProblem as problem:
            if problem.code in UNWANTED:
                await self.give_up(upload.file)
            raise

    def _is_wanted(self, file: File) -> Callable[[bytes], str]:
        space = self._space_of(file.space)

        def check(head: bytes) -> str:
            media_type = agreed(file.media_type, looks_like(head))
            if file.kind == "upload" and space is not None and not space.input_schema:
                check_features(media_type, space.features)
            return media_type

        return check

    def _after(self, seconds: float) -> int:
        return self._clock.now_ns() + int(seconds * _NS)


@contextlib.contextmanager
def _full_said() -> Iterator[None]:
    try:
        yield
    except StreamFull:
        raise ApiProblem("unavailable", "The store of files is full.", headers={"Retry-After": "60"}) from None


def _new_id(new: NewFile, unix_ms: int, entropy: bytes) -> str:
    if new.rid:
        return files.output_id(new.rid, new.lease, unix_ms, entropy)
    return files.upload_id(new.user, unix_ms, entropy)
