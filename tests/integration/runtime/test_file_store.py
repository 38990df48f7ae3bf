"""The store of files: nothing is overwritten, writers never mix, and what is read is what was stored."""

import asyncio
import hashlib
import os
import resource
import tracemalloc

import msgspec
import pytest
from nats.aio.client import Client
from nats.js.api import ObjectInfo

from services.contracts import files, subjects
from services.contracts.files import CHUNK_BYTES, INDEX_BYTES, File
from services.runtime import jetstream
from services.runtime.append import StreamFull
from services.runtime.errors import NatsUnavailable
from services.runtime.file_store import End, FileGone, JetStreamFiles
from services.runtime.kv import Conflict
from tests.support.bus import Bus, until
from tests.support.topologies import Topology

NOW, HOUR = 1767323045678900001, 3600 * 10**9


@pytest.fixture
async def nc(bus: Bus) -> Client:
    return await bus.connect("gateway")


@pytest.fixture
def store(nc: Client) -> JetStreamFiles:
    return JetStreamFiles(nc)


def new() -> File:
    return File(
        id=files.upload_id("u1", NOW // 10**6, os.urandom(10)),
        nuid=os.urandom(16).hex(),
        state="uploading",
        kind="upload",
        space="demo",
        user="u1",
        key_id="k1",
        created_at=NOW,
        expires_at=NOW + HOUR,
        name="data.bin",
    )


async def upload(store: JetStreamFiles, data: bytes, piece: int = CHUNK_BYTES) -> File:
    """A complete file with these bytes."""
    file = await store.put(new())
    end, index = End(file.nuid), []
    for start in range(0, len(data), piece):
        before = end
        end = await store.append(end, data[start : start + piece], "w1")
        index += [end.seq for mark in range(0, end.size, INDEX_BYTES) if before.size <= mark]
    done = {
        "size": end.size,
        "chunks": end.chunks,
        "sha256": hashlib.sha256(data).hexdigest(),
        "index": tuple(index),
        "media_type": "video/mp4",
    }
    return await store.put(files.completed(file, expires_at=NOW + 24 * HOUR, **done))  # type: ignore[arg-type]


async def read(store: JetStreamFiles, file: File, start: int = 0, stop: int | None = None) -> bytes:
    return b"".join([piece async for piece in store.read(file, start, file.size if stop is None else stop)])


async def test_what_is_stored_comes_back(store: JetStreamFiles) -> None:
    data = os.urandom(3 * CHUNK_BYTES + 5)
    file = await upload(store, data)
    assert await store.get(file.id) == file
    assert await read(store, file) == data
    assert await store.end(file.nuid) == End(file.nuid, (await store.end(file.nuid)).seq, len(data), 4)


async def test_an_empty_file_is_a_file(store: JetStreamFiles) -> None:
    file = await upload(store, b"")
    assert (file.size, await read(store, file)) == (0, b"")
    assert await store.end(file.nuid) == End(file.nuid)


async def test_there_is_no_record_of_what_never_was(store: JetStreamFiles) -> None:
    assert await store.get(new().id) is None


async def test_any_part_can_be_read(store: JetStreamFiles) -> None:
    data = os.urandom(2 * INDEX_BYTES + 1000)
    file = await upload(store, data, piece=100_001)
    assert len(file.index) == 3
    marks = (0, 1, 100_000, 100_001, INDEX_BYTES - 1, INDEX_BYTES, INDEX_BYTES + 1, 2 * INDEX_BYTES, file.size - 1)
    for start in marks:
        for stop in (start, start + 1, start + 100_001, file.size):
            assert await read(store, file, start, min(stop, file.size)) == data[start:stop], (start, stop)


async def test_a_part_is_read_without_what_stands_before_it(nc: Client, store: JetStreamFiles) -> None:
    file = await upload(store, bytes(3 * INDEX_BYTES))
    before = nc.stats["in_bytes"]
    assert await read(store, file, file.size - 10) == bytes(10)
    assert nc.stats["in_bytes"] - before < 1.5 * INDEX_BYTES


async def test_the_clients_own_object_store_reads_it(nc: Client, bus: Bus, store: JetStreamFiles) -> None:
    data = os.urandom(5 * CHUNK_BYTES + 17)
    file = await upload(store, data)
    provisioner = await bus.connect("operator")
    objects = await provisioner.jetstream().object_store("ws_files")
    stored = await objects.get(file.id)
    assert stored.data == data
    info: ObjectInfo = stored.info
    assert (info.name, info.size, info.chunks) == (file.id, len(data), 6)
    assert [each.name for each in await objects.list()] == [file.id]


async def test_a_name_is_given_once(store: JetStreamFiles) -> None:
    file = await upload(store, b"first")
    with pytest.raises(Conflict):
        await store.put(msgspec.structs.replace(file, revision=0, state="uploading", nuid="other"))
    assert await store.get(file.id) == file
    gone = await store.delete(file)
    with pytest.raises(Conflict):
        await store.put(msgspec.structs.replace(file, revision=0))
    assert await store.get(file.id) == gone


async def test_of_two_who_change_a_record_one_wins(store: JetStreamFiles) -> None:
    file = await upload(store, b"some")
    changes = [store.put(files.kept_until(file, NOW + n * HOUR)) for n in (30, 40)] + [store.delete(file)]
    results = await asyncio.gather(*changes, return_exceptions=True)
    [won] = [result for result in results if isinstance(result, File)]
    assert sum(isinstance(result, Conflict) for result in results) == 2
    assert await store.get(file.id) == won


async def test_two_writers_of_one_file_never_mix(bus: Bus, store: JetStreamFiles) -> None:
    file = await store.put(new())
    other = JetStreamFiles(await bus.connect("gateway"))
    tries: list[tuple[JetStreamFiles, str]] = [(store, "w1"), (other, "w2")]

    async def write(here: JetStreamFiles, writer: str) -> int:
        end, written = await here.end(file.nuid), 0
        while end.size < 40:
            try:
                end = await here.append(end, writer.encode(), writer)
                written += 2
            except Conflict:
                end = await here.end(file.nuid)
        return written

    written = await asyncio.gather(*(write(*each) for each in tries))
    end = await store.end(file.nuid)
    pieces = [chunk async for chunk in store.chunks(end)]
    assert [chunk.offset for chunk in pieces] == list(range(0, end.size, 2))
    assert sum(written) == end.size
    assert {chunk.data for chunk in pieces} <= {b"w1", b"w2"}


async def test_another_writer_goes_on_where_the_first_was_cut_off(bus: Bus, store: JetStreamFiles) -> None:
    file = await store.put(new())
    end = await store.append(End(file.nuid), b"one ", "w1")
    resumed = JetStreamFiles(await bus.connect("gateway"))
    assert await resumed.end(file.nuid) == end
    last = await resumed.append(end, b"two", "w2")
    with pytest.raises(Conflict):
        await store.append(end, b"too late", "w1")
    assert [chunk.data async for chunk in store.chunks(last)] == [b"one ", b"two"]


async def test_a_chunk_whose_acknowledgement_was_lost_is_stored_once(
    nc: Client, store: JetStreamFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = await store.put(new())
    lost = asyncio.Event()

    async def losing(*arguments: object) -> jetstream.PubAck:
        ack = await jetstream.publish(*arguments)  # type: ignore[arg-type]
        if not lost.is_set():
            lost.set()
            raise NatsUnavailable("no acknowledgement")
        return ack

    monkeypatch.setattr("services.runtime.file_store.publish", losing)
    end = await store.append(End(file.nuid), b"once", "w1")
    assert lost.is_set()
    assert await store.end(file.nuid) == end
    assert [chunk.data async for chunk in store.chunks(end)] == [b"once"]


async def test_of_a_deleted_file_no_byte_is_left(bus: Bus, store: JetStreamFiles) -> None:
    file = await upload(store, os.urandom(4 * CHUNK_BYTES))
    gone = await store.delete(file)
    assert await store.get(file.id) == gone
    assert gone.state == "deleted"
    with pytest.raises(FileGone):
        await store.end(file.nuid)
    info = await jetstream.stream_info(await bus.connect("operator"), subjects.FILES)
    assert (info.state.messages, info.state.bytes < 2000) == (2, True)


async def test_a_writer_of_a_file_that_was_deleted_meanwhile_is_refused(store: JetStreamFiles) -> None:
    file = await store.put(new())
    end = await store.append(End(file.nuid), b"some", "w1")
    await store.delete(file)
    with pytest.raises(Conflict):
        await store.append(end, b"more", "w1")


async def test_a_reader_of_a_file_that_is_deleted_meanwhile_is_told(store: JetStreamFiles) -> None:
    file = await upload(store, os.urandom(100 * CHUNK_BYTES))
    reading = store.read(file, 0, file.size)
    await anext(reading)
    await store.delete(file)
    with pytest.raises(FileGone):
        [piece async for piece in reading]


async def test_everybody_hears_of_every_file(bus: Bus, store: JetStreamFiles) -> None:
    before = await upload(store, b"before")
    seen: dict[str, File] = {}
    caught_up = asyncio.Event()

    async def follow() -> None:
        async for batch, pending in JetStreamFiles(await bus.connect("gateway")).follow():
            seen.update((file.id, file) for file in batch)
            if pending == 0:
                caught_up.set()

    bus.spawn(follow())
    await asyncio.wait_for(caught_up.wait(), 10)
    assert seen == {before.id: before}
    after = await upload(store, b"after")
    gone = await store.delete(before)
    await until(lambda: seen == {before.id: gone, after.id: after}, "both are seen as they are now")


async def test_an_object_that_somebody_else_has_put_there_is_not_ours(bus: Bus, nc: Client, store: JetStreamFiles) -> None:
    ours = await upload(store, b"ours")
    meta = files.FileMeta(name="mine", bucket=files.BUCKET, nuid="n1")
    await nc.jetstream().publish("$O.ws_files.M.bWluZQ==", msgspec.json.encode(meta))
    seen: dict[str, File] = {}
    async with asyncio.timeout(30):
        async for batch, pending in store.follow():
            seen.update((file.id, file) for file in batch)
            if pending == 0:
                break
    assert seen == {ours.id: ours}


async def test_what_is_full_says_so(topology: Topology) -> None:
    async with topology.bus(files_max_bytes=16 * 1024 * 1024) as bus:
        store = JetStreamFiles(await bus.connect("gateway"))
        file = await store.put(new())
        piece = os.urandom(CHUNK_BYTES)

        async def fill() -> None:
            end = End(file.nuid)
            while end.size < 32 * 1024 * 1024:
                end = await store.append(end, piece, "w1")

        with pytest.raises(StreamFull):
            await fill()
        await store.delete(file)
        assert (await store.append(End("n2"), piece, "w1")).size == CHUNK_BYTES


async def test_however_full_the_store_is_there_is_room_to_delete(topology: Topology) -> None:
    async with topology.bus(files_max_bytes=16 * 1024 * 1024) as bus:
        store = JetStreamFiles(await bus.connect("gateway"))
        kept = [await upload(store, b"some") for _ in range(20)]
        with pytest.raises(StreamFull):
            await fill(store)
        with pytest.raises(StreamFull):
            await begin_and_give_up(store, 10_000)
        for file in kept:
            await store.delete(file)
        with pytest.raises(StreamFull):
            await store.put(new())


async def begin_and_give_up(store: JetStreamFiles, times: int) -> None:
    """What somebody does who tries again and again."""
    for _ in range(times):
        await store.delete(await store.put(new()))


async def fill(store: JetStreamFiles) -> None:
    """Store pieces of one file after the other until nothing more fits."""
    piece = os.urandom(CHUNK_BYTES)
    while True:
        file = await store.put(new())
        end = End(file.nuid)
        while end.size < 8 * 1024 * 1024:
            end = await store.append(end, piece, "w1")


async def test_a_large_file_takes_little_memory_however_slow_its_reader(store: JetStreamFiles) -> None:
    size, piece = 64 * 1024 * 1024, os.urandom(CHUNK_BYTES)
    file = await store.put(new())
    end = End(file.nuid)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tracemalloc.start()
    index, digest = [], hashlib.sha256()
    while end.size < size:
        mark = end.size % INDEX_BYTES == 0
        end = await store.append(end, piece, "w1")
        digest.update(piece)
        index += [end.seq] if mark else []
    done = {
        "size": size,
        "chunks": end.chunks,
        "sha256": digest.hexdigest(),
        "index": tuple(index),
        "media_type": "video/mp4",
    }
    file = await store.put(files.completed(file, expires_at=NOW + HOUR, **done))  # type: ignore[arg-type]
    read = hashlib.sha256()
    async for data in store.read(file, 0, size):
        read.update(data)
        await asyncio.sleep(0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert read.hexdigest() == digest.hexdigest()
    assert peak < 8 * 1024 * 1024
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40 * 1024
