"""Files in a `World`, and collectors of them whose passes a test makes."""

import hashlib
import os
import time
from collections import Counter
from typing import Any

import msgspec

from services.contracts import files, subjects
from services.contracts.files import File
from services.history.collected import Collected
from services.history.collector import Collector
from services.runtime.clock import ServerClock
from services.runtime.file_store import End, FileGone, JetStreamFiles
from services.runtime.jetstream import stream_info
from tests.support.bus import until
from tests.support.history import Request, World

KEEP_S, HOUR_S, DAY_S = 7 * 86400.0, 3600.0, 86400.0
_NS = 1_000_000_000


class Shelf:
    """Stores files as gateways do."""

    def __init__(self, world: World) -> None:
        self.store = JetStreamFiles(world.clients["gateway"])

    async def begun(self, request: Request | None = None, lease: int = 0, **more: Any) -> File:
        """A file of which some bytes have come; of an attempt at a request, if there is one."""
        now, entropy = time.time_ns(), os.urandom(10)
        name = f"{request.rid}.{lease}" if request is not None and lease else "ada"
        fields: dict[str, Any] = {
            "id": f"{name}.{entropy.hex():0>32}",
            "nuid": os.urandom(16).hex(),
            "state": "uploading",
            "kind": "upload" if request is None else "output" if lease else "input",
            "space": "demo",
            "user": "ada",
            "key_id": "k1",
            "created_at": now,
            "expires_at": now + int(HOUR_S * _NS),
            "rid": "" if request is None else request.rid,
            "lease": lease,
        }
        file = await self.store.put(File(**(fields | more)))
        await self.store.append(End(file.nuid), b"some bytes", "w1")
        return file

    async def stored(self, request: Request | None = None, lease: int = 0, keep_s: float = DAY_S, **more: Any) -> File:
        """A complete file, which is kept for so long if no request needs it."""
        file = await self.begun(request, lease, **more)
        end = await self.store.end(file.nuid)
        done: dict[str, Any] = {"size": end.size, "chunks": end.chunks, "index": (end.seq,), "media_type": "text/plain"}
        digest, until_ns = hashlib.sha256(b"some bytes").hexdigest(), time.time_ns() + int(keep_s * _NS)
        return await self.store.put(files.completed(file, sha256=digest, expires_at=until_ns, **done))

    async def touched(self, file: File, keep_s: float) -> File:
        """The file, kept so long from now on. Raises Conflict."""
        return await self.store.put(files.kept_until(file, time.time_ns() + int(keep_s * _NS)))

    async def there(self, file: File) -> bool:
        """Whether the file is there, with its bytes; not only one of the two."""
        record = await self.store.get(file.id)
        assert record is not None
        try:
            size = (await self.store.end(file.nuid)).size
        except FileGone:
            size = 0
        assert (record.state != "deleted") == (size > 0), f"{record.state}, and {size} bytes are there"
        return size > 0


class Collecting:
    """A collector that follows the records; passes are made by hand, as if it were later."""

    def __init__(self, world: World, halted: bool = False) -> None:
        self._world, self._clock = world, ServerClock()
        self.collector = Collector(world.history, world.pool, self._clock, lambda: halted, KEEP_S)
        world.spawn(self.collector.records.follow())

    async def pass_at(self, later_s: float = 0.0, *, recorded: bool = True) -> Collected:
        """One pass, so much later than now, when all is recorded and the collector has heard of all files."""
        if recorded:
            await self._world.recorded()
            await self._world.recorded(subjects.DIRECTORY)
        end = (await stream_info(self._world.history, subjects.FILES)).state.last_seq
        await until(lambda: self.collector.records.reach(end), "the collector knows all files")
        await self._clock.measure(self._world.history)
        return await self.collector.collect(self._clock.now_ns() + int(later_s * _NS))

    async def passes_at(self, later_s: float = 0.0) -> dict[str, int]:
        """The reasons of what two passes delete, which come after each other."""
        first = await self.pass_at(later_s)
        second = await self.pass_at(later_s + 11)
        return dict(Counter[str](first.deleted) + Counter[str](second.deleted))


def lasting(file: File) -> File:
    """Without what changes when it is kept for longer or shorter."""
    return msgspec.structs.replace(file, expires_at=0, revision=0)
