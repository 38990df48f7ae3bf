"""Streams of events in trouble: readers that take nothing, output that is lost, streams that are replaced."""

import asyncio
import logging
from collections.abc import AsyncIterator

import msgspec
import pytest

from services.contracts import codec, subjects
from services.contracts.events import Assigned
from services.gateway import admission, feed
from services.gateway.api import streaming
from services.runtime import tail
from services.runtime.jetstream import Stored, api, stream_info
from services.runtime.topology import EPOCH, PARTITIONS, streams
from tests.support.bus import Bus, until
from tests.support.elsewhere import AGENT_GATEWAY, Elsewhere
from tests.support.http_events import followed, reader_of, submitted
from tests.support.http_gateway import ADA, Gateway, fill_directory, running_gateway
from tests.support.readers import Reader, check_whole, shown
from tests.support.topologies import Topology


@pytest.fixture
async def bus(topology: Topology) -> AsyncIterator[Bus]:
    async with topology.bus(output_max_bytes=16 * 1024 * 1024) as here:
        await fill_directory(here)
        yield here


async def assigned(gateway: Gateway, elsewhere: Elsewhere) -> str:
    rid = await submitted(gateway)
    await elsewhere.assign(rid)
    return rid


def stuck_reader(rid: str, gateway: Gateway) -> Reader:
    reader = Reader([gateway.url], ADA, rid, receive_bytes=4096)
    reader.bytes_per_s = 1000.0
    return reader


async def fill_output(gateway: Gateway, elsewhere: Elsewhere, noisy: str, last: int) -> None:
    """Let everything up to a sequence age out of OUTPUT."""
    while (await stream_info(gateway.process.nc, subjects.OUTPUT)).state.first_seq <= last:
        await elsewhere.say(noisy, "x" * 500_000)


async def new_epoch(bus: Bus) -> None:
    """Say that REQUESTS is another stream from now on."""
    nc = await bus.connect("provisioner")
    declared = next(each for each in streams(bus.servers.settings) if each.name == subjects.REQUESTS)
    metadata = {EPOCH: "2", PARTITIONS: declared.config["metadata"][PARTITIONS]}
    await api(nc, "STREAM.UPDATE.REQUESTS", declared.config | {"name": subjects.REQUESTS, "metadata": metadata})
    assert (await stream_info(nc, subjects.REQUESTS)).config.metadata[EPOCH] == "2"


async def test_output_that_has_aged_out_is_not_waited_for(gateway: Gateway, elsewhere: Elsewhere) -> None:
    rid, noisy = await assigned(gateway, elsewhere), await assigned(gateway, elsewhere)
    for n in range(3):
        last = await elsewhere.say(rid, f"{n}")
    reader = reader_of(rid, gateway)
    assert await reader.read(0, lambda seen: seen.data.get("index") == 1) == "enough"
    await fill_output(gateway, elsewhere, noisy, last)
    await elsewhere.say(rid, "3")
    await elsewhere.succeed(rid)
    assert await reader.read() == "completed"
    assert [seen.data["data"] for seen in reader.of("output")] == ["0", "3"]


async def test_output_that_ages_out_while_a_slow_reader_is_at_it_is_not_waited_for(
    gateway: Gateway, elsewhere: Elsewhere, bus: Bus
) -> None:
    rid, noisy = await assigned(gateway, elsewhere), await assigned(gateway, elsewhere)
    for _ in range(200):
        last = await elsewhere.say(rid, "x" * 50_000)
    await elsewhere.succeed(rid)
    reader = stuck_reader(rid, gateway)
    reading = bus.spawn(reader.read())
    await until(lambda: bool(reader.seen), "it reads")
    await fill_output(gateway, elsewhere, noisy, last)
    reader.bytes_per_s = None
    assert await reading == "completed"
    assert 0 < len(reader.of("output")) < 200


async def test_output_that_lost_its_end_is_taken_back(
    gateway: Gateway, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "BEHIND_S", 0.1)
    rid = await assigned(gateway, elsewhere)
    _, stored = await elsewhere.last(rid)
    await elsewhere.say(rid, "again")
    reader = reader_of(rid, gateway)
    reader.last_id = f"1-{stored.seq}-999999"
    assert await reader.read(0, lambda seen: seen.event == "output") == "enough"
    assert [seen.event for seen in reader.seen] == ["output_reset", "output"]


async def test_records_that_overtake_their_assignment_wait_for_it(gateway: Gateway, elsewhere: Elsewhere, bus: Bus) -> None:
    rid = await submitted(gateway)
    accepted, at = await elsewhere.last(rid)
    event = Assigned(
        id="x",
        rid=rid,
        space="demo",
        prev_seq=at.seq,
        attempt=1,
        actor="test",
        origin=accepted.origin,
        agent="ada/gpu",
        conn="c1",
        gateway=AGENT_GATEWAY,
        user="ada",
        input=msgspec.Raw(b"{}"),
        execution_timeout_s=60,
    )
    coming = Stored(at.seq + 1, 0, "", codec.requests.encode(event))
    reader = reader_of(rid, gateway)
    reading = bus.spawn(reader.follow())
    await until(lambda: bool(reader.seen), "it reads")
    records = 5 * feed.MAX_HELD
    for _ in range(records):
        await elsewhere.say(rid, "x", assigned=coming)
    assert await elsewhere.pending(subjects.OUTPUT) > records // 2, "few wait here, the rest has not left the stream"
    await elsewhere.assign(rid)
    assert (await elsewhere.last(rid))[1].seq == coming.seq
    await elsewhere.succeed(rid)
    await reading
    check_whole(reader.seen)
    assert shown(reader.seen) == "x" * records


async def test_a_reader_that_takes_nothing_is_given_up(
    gateway: Gateway, elsewhere: Elsewhere, bus: Bus, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(streaming, "STUCK_S", 0.3)
    monkeypatch.setattr(streaming, "END_S", 0.1)
    rid = await assigned(gateway, elsewhere)
    reader = stuck_reader(rid, gateway)
    bus.spawn(reader.read())
    await until(lambda: bool(reader.seen), "it reads")
    for _ in range(200):
        await elsewhere.say(rid, "x" * 50_000)
    await until(lambda: followed(elsewhere, 0), "it is given up")
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_a_replaced_stream_sends_its_readers_away_and_begins_again(
    bus: Bus, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "LOOK_S", 3600.0)
    async with running_gateway(bus) as gateway:
        rid = await assigned(gateway, elsewhere)
        await elsewhere.say(rid, "hello")
        reader = reader_of(rid, gateway)
        assert await reader.read(0, lambda seen: seen.event == "output") == "enough"
        await elsewhere.answer_as_history({rid: await elsewhere.trim(rid, 0)})
        await elsewhere.trim(str((await gateway.submit()).json["id"]), 0)
        await gateway.submit()
        await new_epoch(bus)
        assert await reader.read() == "ended"
        assert (reader.seen[-1].event, reader.seen[-1].data["code"]) == ("error", "unavailable")
    before = len(reader.seen)
    async with running_gateway(bus) as other:
        again = Reader([other.url], ADA, rid)
        again.last_id = reader.last_id
        assert await again.read(0, lambda seen: seen.event == "output") == "enough"
    assert before == len(reader.seen)
    assert [seen.event for seen in again.seen] == ["output_reset", "queued", "assigned", "output"]
    assert {seen.id.partition("-")[0] for seen in again.seen} == {"2"}


async def test_a_record_that_nobody_understands_ends_the_stream_with_an_error(
    gateway: Gateway, elsewhere: Elsewhere, bus: Bus, caplog: pytest.LogCaptureFixture
) -> None:
    rid = await assigned(gateway, elsewhere)
    await elsewhere.say(rid, "fine")
    nc = await bus.connect("gateway")
    await nc.publish(subjects.output(rid), b"not a record")
    reader = reader_of(rid, gateway)
    assert await asyncio.wait_for(reader.read(), 10) == "ended"
    assert (reader.seen[-1].event, reader.seen[-1].data["code"]) == ("error", "internal")
    assert [record.exc_info is not None for record in caplog.records if record.levelno >= logging.ERROR] == [True]
