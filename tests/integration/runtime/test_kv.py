"""Buckets: compare-and-set, expiry, watching."""

import asyncio

import pytest

from services.contracts import subjects
from services.contracts.epochs import first_revision
from services.runtime import kv
from services.runtime.errors import NatsUnavailable
from services.runtime.fence import create_fenced, take_down_fence
from services.runtime.jetstream import get
from services.runtime.kv import Bucket, Conflict, Entry
from services.runtime.tail import TailTrimmed
from services.runtime.topology import delete, streams
from tests.support.bus import Bus, until


@pytest.fixture
async def bucket(bus: Bus) -> Bucket:
    return Bucket(await bus.connect("registry"), subjects.CLAIMS)


async def expired(bucket: Bucket, key: str) -> None:
    async def gone() -> bool:
        return (await bucket.get(key)).value is None

    await until(gone, f"{key} has expired")


async def test_a_key_never_written_has_no_value(bucket: Bucket) -> None:
    assert await bucket.get("space.a") == Entry("space.a", None, 0)


async def test_a_value_is_written_over_the_revision_that_was_read(bucket: Bucket) -> None:
    first = await bucket.create("space.a", b"1")
    second = await bucket.set("space.a", b"2", first)
    assert second > first
    assert await bucket.get("space.a") == Entry("space.a", b"2", second)


async def test_who_has_not_seen_the_newest_value_cannot_write(bucket: Bucket) -> None:
    first = await bucket.create("space.a", b"1")
    await bucket.set("space.a", b"2", first)
    with pytest.raises(Conflict):
        await bucket.set("space.a", b"3", first)
    with pytest.raises(Conflict):
        await bucket.set("space.a", b"3", 0)
    with pytest.raises(Conflict):
        await bucket.delete("space.a", first)
    with pytest.raises(Conflict):
        await bucket.create("space.a", b"3")
    assert (await bucket.get("space.a")).value == b"2"


async def test_keys_do_not_disturb_each_other(bucket: Bucket) -> None:
    first = await bucket.create("space.a", b"1")
    await bucket.create("space.b", b"1")
    await bucket.set("space.a", b"2", first)


async def test_of_twenty_writers_over_one_revision_one_wins(bus: Bus, bucket: Bucket) -> None:
    other = Bucket(await bus.connect("registry"), subjects.CLAIMS)
    revision = await bucket.create("space.a", b"0")
    results = await asyncio.gather(
        *((bucket, other)[n % 2].set("space.a", b"%d" % n, revision) for n in range(20)), return_exceptions=True
    )
    assert sum(isinstance(result, int) for result in results) == 1
    assert sum(isinstance(result, Conflict) for result in results) == 19


async def test_a_deleted_key_can_be_created_again(bucket: Bucket) -> None:
    revision = await bucket.create("space.a", b"1")
    await bucket.delete("space.a", revision)
    entry = await bucket.get("space.a")
    assert entry.value is None
    assert entry.revision > revision
    assert await bucket.create("space.a", b"2") > entry.revision


async def test_what_says_that_a_key_was_deleted_does_not_stay_for_ever(
    bus: Bus, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kv, "MARKER_S", 1.0)
    await bucket.delete("space.a", await bucket.create("space.a", b"1"))
    nc = await bus.connect("registry")

    async def expired_too() -> bool:
        left = await get(nc, f"KV_{subjects.CLAIMS}", last="$KV.ws_claims.space.a")
        # The server says of it what it says of a value that has expired, and takes that away in its turn.
        return left is not None and left.headers.get("Nats-Marker-Reason") == "MaxAge" and subjects.TTL in left.headers

    await until(expired_too, "what said that it was deleted has expired")
    assert (await bucket.get("space.a")).value is None
    assert await bucket.create("space.a", b"2") > 0


async def test_a_value_expires_and_its_key_can_be_created_again(bucket: Bucket) -> None:
    revision = await bucket.create("space.a", b"1", ttl_s=3600.0)
    assert (await bucket.get("space.a")).value == b"1"
    await bucket.set("space.a", b"1", revision, ttl_s=1.0)
    await expired(bucket, "space.a")
    assert await bucket.create("space.a", b"2", ttl_s=60.0) > revision
    assert (await bucket.get("space.a")).value == b"2"
    with pytest.raises(Conflict):
        await bucket.create("space.a", b"3")


async def test_writing_again_is_a_new_time_to_live(bucket: Bucket) -> None:
    await bucket.put("space.a", b"1", ttl_s=1.0)
    await bucket.put("space.a", b"2", ttl_s=3600.0)
    await bucket.put("space.b", b"1", ttl_s=1.0)
    await expired(bucket, "space.b")
    assert (await bucket.get("space.a")).value == b"2"


async def test_a_watch_begins_with_what_is_there_and_goes_on_with_what_changes(bus: Bus, bucket: Bucket) -> None:
    await bucket.put("space.a", b"old")
    await bucket.put("space.a", b"1")
    await bucket.put("agent.x", b"1")
    seen: list[tuple[str, bytes | None]] = []
    caught_up = asyncio.Event()

    async def watch() -> None:
        async for entries, pending in bucket.watch("space.>"):
            seen.extend((entry.key, entry.value) for entry in entries)
            if pending == 0:
                caught_up.set()

    bus.spawn(watch())
    await asyncio.wait_for(caught_up.wait(), 30)
    assert seen == [("space.a", b"1")]
    await bucket.delete("space.a", (await bucket.get("space.a")).revision)
    await bucket.put("space.b", b"2", ttl_s=3600.0)
    await until(lambda: len(seen) == 3, "changes are seen")
    assert seen == [("space.a", b"1"), ("space.a", None), ("space.b", b"2")]
    await bucket.put("space.b", b"2", ttl_s=1.0)  # which may be over before anybody looks
    await until(lambda: seen[-1] == ("space.b", None), "the expiry is seen")


async def test_a_watch_survives_a_restart_of_the_server(bus: Bus, bucket: Bucket) -> None:
    seen: dict[str, bytes | None] = {}

    async def watch() -> None:
        async for entries, _ in bucket.watch():
            seen.update({entry.key: entry.value for entry in entries})

    bus.spawn(watch())
    await bucket.put("space.a", b"1")
    await until(lambda: "space.a" in seen, "the first value is seen")
    await bus.restart(f"KV_{bucket.name}")

    async def written() -> bool:
        try:
            await bucket.put("space.b", b"2")
        except NatsUnavailable:
            return False
        return True

    await until(written, "the bucket can be written again")
    await until(lambda: seen.get("space.b") == b"2", "the second value is seen")
    assert seen["space.a"] == b"1"


async def test_a_watch_ends_when_the_bucket_is_another_one(bus: Bus, bucket: Bucket) -> None:
    """Values of the former one that are not in it are gone, without a word."""
    seen: set[str] = set()

    async def watch() -> None:
        async for entries, _ in bucket.watch():
            seen.update(entry.key for entry in entries)

    watching = asyncio.create_task(watch())
    await bucket.put("space.a", b"1")
    await until(lambda: "space.a" in seen, "the first value is seen")
    recovery = await bus.connect("recovery")
    (declaration,) = [declared for declared in streams(bus.servers.settings) if declared.name == f"KV_{bucket.name}"]
    await delete(recovery, declaration.name)
    await create_fenced(recovery, declaration, 2, first_revision(2))
    await take_down_fence(recovery, declaration)
    with pytest.raises(TailTrimmed):
        await asyncio.wait_for(watching, 30)


async def test_without_a_server_there_is_an_error_and_nothing_is_sent_late(bus: Bus, bucket: Bucket) -> None:
    await bus.stop()
    await until(lambda: not bucket._nc.is_connected, "the client has noticed")
    with pytest.raises(NatsUnavailable):
        await bucket.put("space.a", b"1")
    await bus.start()
    await until(lambda: bucket._nc.is_connected, "the client is back")
    assert (await bucket.get("space.a")).revision == 0
