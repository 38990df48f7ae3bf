"""The life of a stream of events: readers that are slow, hang up, must go or are too many, and submissions that open one."""

import asyncio
import logging

import aiohttp
import pytest

from services.contracts import subjects
from services.contracts.ids import part_of_space
from services.contracts.rpc import QueuePlace
from services.gateway import feeds, streams
from services.gateway.api import server
from services.runtime.jetstream import stream_info
from tests.support.bus import Bus, until
from tests.support.elsewhere import Elsewhere
from tests.support.http_events import DELETED_S, answers, followed, read_by, reader_of, run_to_the_end, submitted
from tests.support.http_gateway import ADA, ADMIN, Gateway, revoke, running_gateway
from tests.support.readers import Reader, check_whole, shown


async def test_a_reader_who_does_not_read_holds_nobody_up_and_little_memory(
    gateway: Gateway, elsewhere: Elsewhere, bus: Bus
) -> None:
    rid, records, text = await submitted(gateway), 400, "x" * 50_000
    quick, slow = reader_of(rid, gateway), Reader([gateway.url], ADA, rid, receive_bytes=4096)
    slow.bytes_per_s = 1000.0
    reading = [bus.spawn(slow.follow()), bus.spawn(quick.follow())]
    await until(lambda: bool(slow.seen and quick.seen), "both read")
    await elsewhere.assign(rid)
    for _ in range(records):
        await elsewhere.say(rid, text)
    await elsewhere.succeed(rid)
    await reading[1]
    check_whole(quick.seen)
    assert len(quick.of("output")) == records
    assert await elsewhere.pending(subjects.OUTPUT) > records // 2, "most of it has not left the stream"
    slow.bytes_per_s = None
    await reading[0]
    check_whole(slow.seen)
    assert len(slow.of("output")) == records


async def test_who_hangs_up_leaves_nothing_behind(gateway: Gateway, elsewhere: Elsewhere, bus: Bus) -> None:
    rid = await submitted(gateway)
    before = await elsewhere.consumers(subjects.REQUESTS)
    readers = [reader_of(rid, gateway) for _ in range(5)]
    tasks = [bus.spawn(reader.follow()) for reader in readers]
    await until(lambda: followed(elsewhere, 5), "all read")
    await until(lambda: read_by(gateway, 5), "all are counted")
    for task in tasks:
        task.cancel()
    await until(lambda: followed(elsewhere, 0), "nobody reads output any more", DELETED_S)
    await until(lambda: read_by(gateway, 0), "nobody is counted")
    assert await elsewhere.consumers(subjects.REQUESTS) == before
    assert (await gateway.read(rid)).json["status"] == "queued", "hanging up cancels nothing"


async def test_while_it_waits_its_place_in_the_queue_is_shown(
    gateway: Gateway, elsewhere: Elsewhere, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "PLACE_S", 0.05)
    third, first = QueuePlace(position=3, reason="agents_busy", eta_s=9.5), QueuePlace(position=1, reason="agents_busy")
    sooner = QueuePlace(position=3, reason="agents_busy", eta_s=9.0)
    places = [third, sooner, QueuePlace(position=0), first, first, QueuePlace(position=0, reason="retry_delay")]
    rid = await submitted(gateway)
    await elsewhere.answer_as_dispatcher(part_of_space("demo"), *places)
    reader = reader_of(rid, gateway)
    reading = bus.spawn(reader.follow())
    await until(lambda: len(reader.of("position")) == 3, "all places")
    await run_to_the_end(elsewhere, rid)
    await reading
    check_whole(reader.seen)
    assert [seen.data for seen in reader.of("position")] == [
        {"position": 3, "reason": "agents_busy", "eta_s": 9.5},
        {"position": 1, "reason": "agents_busy", "eta_s": None},
        {"position": 0, "reason": "retry_delay", "eta_s": None},
    ]
    assert {seen.id for seen in reader.of("position")} == {""}


async def test_a_silent_stream_pings_also_while_nats_is_away(
    gateway: Gateway, elsewhere: Elsewhere, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "PING_S", 0.1)
    rid = await submitted(gateway)
    await elsewhere.assign(rid)
    reader = reader_of(rid, gateway)
    reading = bus.spawn(reader.follow())
    await until(lambda: len(reader.of("ping")) >= 2, "pings")
    assert (reader.of("ping")[0].id, reader.of("ping")[0].data) == ("", {})
    await bus.stop()
    before = len(reader.of("ping"))
    await until(lambda: len(reader.of("ping")) >= before + 5, "pings while NATS is away")
    await bus.start()
    await until(lambda: elsewhere.history.is_connected and gateway.process.nc.is_connected, "NATS is back")
    await until(lambda: answers(elsewhere, rid), "the streams answer")
    await elsewhere.say(rid, "back")
    await elsewhere.succeed(rid)
    await reading
    assert reader.connections == 1
    check_whole(reader.seen)
    assert shown(reader.seen) == "back"


async def test_a_revoked_key_ends_its_streams(gateway: Gateway, bus: Bus) -> None:
    rid = await submitted(gateway)
    reader = reader_of(rid, gateway)
    reading = bus.spawn(reader.read())
    await until(lambda: bool(reader.seen), "it is read")
    await revoke(bus, ADA)
    assert await asyncio.wait_for(reading, 5) == "ended"
    assert (reader.seen[-1].event, reader.seen[-1].data["code"], reader.seen[-1].id) == ("error", "unauthenticated", "")
    assert (await gateway.call("GET", f"/v1/requests/{rid}/events")).status == 401


async def test_a_stopping_gateway_sends_its_readers_away_at_once(
    gateway: Gateway,
    elsewhere: Elsewhere,
    bus: Bus,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server, "GRACE_S", 60)  # so long does one hold it up who is not sent away
    rid = await submitted(gateway)
    await elsewhere.assign(rid)
    async with running_gateway(bus, secret_key="one for all") as other:
        reader = Reader([other.url, gateway.url], ADA, rid)
        stuck = Reader([other.url], ADA, rid, receive_bytes=4096)
        stuck.bytes_per_s = 10.0
        away = [bus.spawn(stuck.read()), bus.spawn(reader.read(0))]
        await until(lambda: read_by(other, 2), "both read")
        for _ in range(100):
            await elsewhere.say(rid, "x" * 100_000)
        await until(lambda: len(reader.of("output")) == 100, "one has read it all")
        began = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - began < 40, "the one who does not read held up the drain"
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert await away[1] == "ended"
    await elsewhere.succeed(rid)
    assert await reader.read(1) == "completed"
    check_whole(reader.seen)


async def test_no_more_streams_than_there_may_be(
    gateway: Gateway, elsewhere: Elsewhere, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "MAX_STREAMS", 1)
    rid = await submitted(gateway)
    reading = bus.spawn(reader_of(rid, gateway).read())
    await until(lambda: read_by(gateway, 1), "one reads")
    for answer in (
        await gateway.call("GET", f"/v1/requests/{rid}/events"),
        await gateway.submit(Accept="text/event-stream"),
    ):
        assert (answer.status, answer.json["code"], answer.headers["Retry-After"]) == (503, "unavailable", "1")
    assert (await stream_info(elsewhere.history, subjects.REQUESTS)).state.messages == 1, "nothing was accepted"
    reading.cancel()
    await until(lambda: read_by(gateway, 0), "nobody reads")
    assert await reader_of(rid, gateway).read(0, lambda _: True) == "enough"


async def test_one_user_s_streams_leave_room_for_those_of_others(
    gateway: Gateway, elsewhere: Elsewhere, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "MAX_STREAMS_OF_USER", 1)
    rid = await submitted(gateway)
    bus.spawn(reader_of(rid, gateway).read())
    await until(lambda: read_by(gateway, 1), "one reads")
    for answer in (
        await gateway.call("GET", f"/v1/requests/{rid}/events"),
        await gateway.submit(Accept="text/event-stream"),
    ):
        assert (answer.status, answer.json["code"], answer.headers["Retry-After"]) == (429, "quota_exceeded", "1")
    assert (await stream_info(elsewhere.history, subjects.REQUESTS)).state.messages == 1, "nothing was accepted"
    async with gateway.http.get(
        f"{gateway.url}/v1/requests/{rid}/events", headers={"Authorization": f"Bearer {ADMIN}"}
    ) as others:
        assert others.status == 200


async def test_no_more_streams_than_there_may_be_also_when_they_are_asked_for_at_once(
    gateway: Gateway, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "MAX_STREAMS", 2)
    rid = await submitted(gateway)
    readers = [bus.spawn(reader_of(rid, gateway).read()) for _ in range(8)]
    await until(lambda: sum(reader.done() for reader in readers) == 6, "six are refused")
    assert await read_by(gateway, 2)


async def opened(gateway: Gateway, path: str, body: bytes, **headers: str) -> tuple[aiohttp.ClientResponse, bytes]:
    """Submit for a stream and read it to its end."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    sent |= {"Authorization": f"Bearer {ADA}", "Accept": "text/event-stream", "Prefer": "wait=60"}
    async with gateway.http.post(gateway.url + path, data=body, headers=sent) as answer:
        return answer, await answer.read()


def event_names(body: bytes) -> list[str]:
    return [line.removeprefix("event: ") for line in body.decode().splitlines() if line.startswith("event: ")]


async def test_a_submission_may_be_followed_at_once(gateway: Gateway, elsewhere: Elsewhere, bus: Bus) -> None:
    bus.spawn(elsewhere.run_everything())
    path, body = "/v1/spaces/demo/requests", b'{"input":{"n":1}}'
    answer, stream = await opened(gateway, path, body, Idempotency_Key="once")
    rid = answer.headers["Location"].rpartition("/")[2]
    assert (answer.status, answer.headers["Content-Type"], answer.headers["X-Request-Id"]) == (200, "text/event-stream", rid)
    assert "Idempotent-Replayed" not in answer.headers
    assert event_names(stream) == ["queued", "assigned", "completed"]
    again, stream = await opened(gateway, path, body, Idempotency_Key="once")
    assert (again.status, again.headers["Location"]) == (200, answer.headers["Location"])
    assert again.headers["Idempotent-Replayed"] == "true"
    assert event_names(stream) == ["queued", "assigned", "completed"]
    mismatch, problem = await opened(gateway, path, b'{"input":{"n":2}}', Idempotency_Key="once")
    assert (mismatch.status, b"idempotency_mismatch" in problem) == (422, True)
    retried, stream = await opened(gateway, f"/v1/requests/{rid}/retry", b"")
    assert (retried.status, event_names(stream)) == (200, ["queued", "assigned", "completed"])
    assert retried.headers["Location"] != answer.headers["Location"]
    assert b'"retry_of":"%b"' % rid.encode() in stream


async def test_hanging_up_on_a_submission_cancels_nothing(gateway: Gateway, elsewhere: Elsewhere) -> None:
    headers = {"Authorization": f"Bearer {ADA}", "Accept": "text/event-stream"}
    async with gateway.http.post(f"{gateway.url}/v1/spaces/demo/requests", data=b'{"input":{}}', headers=headers) as answer:
        rid = answer.headers["Location"].rpartition("/")[2]
    await until(lambda: followed(elsewhere, 0), "nobody reads any more")
    assert (await gateway.read(rid)).json["status"] == "queued"
