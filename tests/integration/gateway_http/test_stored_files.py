"""The door to files within a gateway: what is referred to is kept, and of keeping and deleting one wins."""

import asyncio
import os
import time
from collections.abc import AsyncIterator

import msgspec
import pytest

from services.contracts import files
from services.contracts.files import File
from services.gateway.file_records import FileRecords
from services.gateway.files import MARGIN_S, Files
from services.gateway.problems import ApiProblem
from services.gateway.signing import DownloadGrant, Signer, UploadGrant
from services.gateway.storing import NewFile, Storing
from services.runtime.clock import ServerClock
from services.runtime.file_store import FileGone, JetStreamFiles
from services.runtime.settings import Settings
from tests.support.bus import Bus, running_bus

_NS = 1_000_000_000
NEW = NewFile(kind="input", space="demo", user="u1", key_id="k1", name="input.json", media_type="application/json")
LIMITS = Settings(file_max_bytes=1_000_000, files_keep=60)


@pytest.fixture
async def bus() -> AsyncIterator[Bus]:
    async with running_bus() as here:
        yield here


async def door(bus: Bus, *, used: bool = False) -> Files:
    """As a gateway has it; whether an open request refers to a file is given."""
    store, clock = JetStreamFiles(await bus.connect("gateway")), ServerClock()

    async def in_use(file: File) -> bool:
        return used

    records = FileRecords(store)
    storing = Storing(store, records, clock, LIMITS, lambda slug: None)
    return Files(store, records, storing, clock, Signer(["secret"]), in_use)


async def pieces(*data: bytes) -> AsyncIterator[bytes]:
    for piece in data:
        yield piece


def input_of(file: File) -> bytes:
    return msgspec.json.encode({"audio": files.reference(file.id)})


async def test_what_is_stored_is_read_whole_but_not_more_than_is_wanted(bus: Bus) -> None:
    here = await door(bus)
    file = await here.store(NEW, pieces(b'{"a":', b"1}"))
    assert (file.state, file.size, file.media_type) == ("complete", 7, "application/json")
    assert await here.whole(file.id, 7) == b'{"a":1}'
    with pytest.raises(ValueError, match="7 bytes"):
        await here.whole(file.id, 6)
    with pytest.raises(FileGone):
        await here.whole(f"u1.{'0' * 32}", 7)


async def test_of_what_cannot_be_stored_nothing_is_left(bus: Bus) -> None:
    here = await door(bus)

    async def failing() -> AsyncIterator[bytes]:
        yield bytes(200_000)
        raise RuntimeError("the source is gone")

    with pytest.raises(RuntimeError):
        await here.store(NEW, failing())
    with pytest.raises(ApiProblem, match="1000000 bytes"):
        await here.store(NEW, pieces(bytes(600_000), bytes(600_000)))
    nobody = FileRecords(JetStreamFiles(await bus.connect("gateway")))
    bus.spawn(nobody.follow())
    await asyncio.wait_for(nobody.caught_up.wait(), 10)
    assert nobody.index.bytes_of_space("demo") == 0


async def test_what_an_input_refers_to_is_kept_as_long_as_the_request_may_need_it(bus: Bus) -> None:
    here, elsewhere = await door(bus), await door(bus)
    file = await here.store(NEW, pieces(b"some"))
    ids = await elsewhere.check(input_of(file), "demo", "u1")
    assert ids == (file.id,)
    await elsewhere.touch(ids, 3600, 600)
    kept = await here.opened(file.id)
    assert kept.expires_at >= time.time_ns() + int((3600 + 600 + MARGIN_S - 10) * _NS)
    await here.touch(ids, 60, 60)
    assert await here.opened(file.id) == kept, "it is kept long enough already"


async def test_many_who_keep_a_file_at_once_all_do(bus: Bus) -> None:
    here, elsewhere = await door(bus), await door(bus)
    file = await here.store(NEW, pieces(b"some"))
    await asyncio.gather(*((here, elsewhere)[n % 2].touch([file.id], n * 86400, 0) for n in range(8)))
    assert (await here.opened(file.id)).expires_at >= time.time_ns() + 7 * 86400 * _NS


async def test_of_keeping_and_deleting_one_wins(bus: Bus) -> None:
    here, elsewhere = await door(bus), await door(bus)
    for _ in range(10):
        file = await here.store(NEW, pieces(os.urandom(10)))
        kept, _ = await asyncio.gather(here.touch([file.id], 3600, 0), elsewhere.delete(file), return_exceptions=True)
        with pytest.raises(FileGone):  # nobody refers to it, so it is deleted after all
            await here.opened(file.id)
        assert kept is None or (isinstance(kept, ApiProblem) and kept.code == "data_expired")
        with pytest.raises(ApiProblem) as refused:
            await here.touch([file.id], 3600, 0)
        assert refused.value.code == "data_expired"


async def test_what_is_needed_is_not_deleted(bus: Bus) -> None:
    here = await door(bus, used=True)
    file = await here.store(NEW, pieces(b"some"))
    with pytest.raises(ApiProblem) as refused:
        await here.delete(file)
    assert refused.value.code == "file_in_use"
    assert await here.whole(file.id, 10) == b"some"


async def test_an_input_that_refers_to_nothing_costs_nothing(bus: Bus) -> None:
    here = await door(bus)
    await bus.stop()
    assert await here.check(b'{"text":"/v1/files is a path"}', "demo", "u1") == ()
    await bus.start()


async def test_links_are_good_at_every_door_with_the_secret(bus: Bus) -> None:
    here, elsewhere = await door(bus), await door(bus)
    file = await here.store(NEW, pieces(b"some"))
    token = here.download_url(file.id).partition("token=")[2]
    assert elsewhere.grant(token, DownloadGrant).file == file.id
    url = here.upload_url("r1", 1, 42, "demo", "u1", "k1", 60)
    granted = elsewhere.grant(url.partition("token=")[2], UploadGrant)
    assert (url.partition("?")[0], granted.rid, granted.lease) == ("/v1/files", "r1", 42)
    assert granted.until <= time.time_ns() + 61 * _NS
