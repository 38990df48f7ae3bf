"""The part of uploaded files: out of the store of NATS into an archive, and back."""

import hashlib
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec
from nats.aio.client import Client

from services.backup.archive import Progress, Writer
from services.backup.errors import CannotBackUp
from services.backup.manifest import file_names
from services.contracts import files
from services.contracts.files import CHUNK_BYTES, INDEX_BYTES, File
from services.runtime.file_store import End, FileGone, FileStore, JetStreamFiles

_IN_MEMORY = 16 << 20
"""A larger file waits on the disk until it is known to be whole."""


@dataclass(slots=True)
class Copied:
    """How many files were copied, and their bytes; `gone`: so many were deleted meanwhile."""

    files: int = 0
    bytes: int = 0
    gone: int = 0


async def copy_all(nc: Client, writer: Writer, progress: Progress) -> Copied:
    """Put every complete file that the store has into the archive; one that is deleted meanwhile is left out. Raises
    CannotBackUp, NatsUnavailable, ApiError, OSError."""
    store, done = JetStreamFiles(nc), Copied()
    ids = await _complete(store)
    for id in ids:
        # Of long ago, as far as a long backup knows: only what the store says now is certain to be there.
        file = await store.get(id)
        if file is None or file.state != "complete" or not await _copy(store, file, writer):
            done.gone += 1
            continue
        done.files += 1
        done.bytes += file.size
        progress(f"copying files: {done.files} of {len(ids)}, {done.bytes / 1e6:.0f} MB")
    return done


async def _complete(store: FileStore) -> list[str]:
    found: dict[str, None] = {}
    async for records, left in store.follow():
        for record in records:
            if record.state == "complete":
                found[record.id] = None
        if left == 0:
            break
    return list(found)


async def _copy(store: FileStore, file: File, writer: Writer) -> bool:
    """Whether it was still there."""
    digest = hashlib.sha256()
    with tempfile.SpooledTemporaryFile(_IN_MEMORY, dir=str(writer.directory)) as spool:
        try:
            async for piece in store.read(file, 0, file.size):
                digest.update(piece)
                spool.write(piece)
        except FileGone:
            return False
        if digest.hexdigest() != file.sha256:
            raise CannotBackUp(
                f"the store holds file {file.id} damaged: delete it (`spaces files rm {file.id}`), and try again"
            )
        spool.seek(0)
        record, content = file_names(file.id)
        writer.add_bytes(record, files.encode(msgspec.structs.replace(file, index=())))
        writer.add(content, spool, file.size)
    return True


async def put_back(store: FileStore, file: File, content: Iterable[bytes]) -> None:
    """Store a file of which the store knows nothing, with the record that it had; only the places of its chunks are
    others. Raises Conflict, StreamFull, NatsUnavailable."""
    end, writer, index = End(file.nuid), os.urandom(8).hex(), list[int]()
    for piece in content:
        for first in range(0, len(piece), CHUNK_BYTES):
            before, end = end.size, await store.append(end, piece[first : first + CHUNK_BYTES], writer)
            index += [end.seq for _ in range(-(-before // INDEX_BYTES) * INDEX_BYTES, end.size, INDEX_BYTES)]
    await store.put(msgspec.structs.replace(file, chunks=end.chunks, index=tuple(index), revision=0))
