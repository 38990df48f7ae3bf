"""Erasing a request over HTTP: its data leave the database and the streams, its skeleton stays."""

import asyncio
import os
from typing import Any

import msgspec
import pytest

from services.contracts import codec, output, subjects
from services.contracts.events import Erased, Failed, Problem, Requeued, Succeeded
from services.history import erasing, lists
from services.history.erasing import Eraser
from services.history.recorder import FILTERS, Recorder
from services.history.trim import Trimmer
from services.runtime import jetstream
from services.runtime.clock import ServerClock
from services.runtime.tail import Tail
from tests.support.bus import until
from tests.support.history import AGENT, GATEWAY, Request, World
from tests.support.http_gateway import ADA, ADMIN, BOB, ONLY_OTHER, Gateway, HttpAnswer
from tests.support.http_gateway import AGENT as AGENT_KEY
from tests.support.recovery import bring_back, clean, lose_nats, photograph, recover

SECRET = "sesame"
DAY = 86400 * 10**9


async def erase(gateway: Gateway, rid: str, key: str = ADA) -> HttpAnswer:
    return await gateway.call("DELETE", f"/v1/requests/{rid}/data", key=key)


def secret(what: str) -> bytes:
    return msgspec.json.encode({what: f"{SECRET} {what}"})


async def told_everything(world: World, *, fails: bool = False) -> Request:
    """A request of ada's that has the secret wherever a user or a handler may say something; it has ended."""
    request = await world.request().accept(secret("input"), user="ada", metadata={"note": f"{SECRET} metadata"})
    await request.assign()
    retried: dict[str, Any] = {"reason": "retryable", "gateway": GATEWAY, "started": True, "detail": f"{SECRET} detail"}
    await request.write(Requeued(**request.common(), **retried))
    lease = await request.assign()
    await say(world, request, lease)
    ended: dict[str, Any] = {"agent": AGENT, "gateway": GATEWAY, "run_s": 1.0, "log_tail": f"{SECRET} log"}
    if fails:
        error = Problem(code="handler_error", message=f"{SECRET} message")
        await request.write(Failed(**request.common(), **ended, error=error))
    else:
        result = msgspec.Raw(secret("output"))
        await request.write(Succeeded(**request.common(), **ended, output=result, output_sha256="0"))
    return request


async def say(world: World, request: Request, lease: int) -> None:
    record = output.OutputRecord(
        rid=request.rid, attempt=2, lease=lease, index=1, kind="chunk", data=msgspec.Raw(f'"{SECRET} chunk"'.encode())
    )
    ack = await jetstream.publish(world.clients["gateway"], subjects.output(request.rid), output.encode(record), {}, 5.0)
    assert ack.error is None


async def stop_recording(world: World, recorders: list[asyncio.Task[Any]]) -> None:
    for stream in FILTERS:
        await world.recorded(stream)
    for recorder in recorders:
        recorder.cancel()
    await asyncio.wait(recorders)
    world.tasks.clear()


async def in_database(world: World) -> list[str]:
    """Where the database has the secret."""
    columns = await world.fetch(
        "SELECT table_name, column_name, data_type FROM information_schema.columns"
        " WHERE table_schema = 'public' AND data_type IN ('bytea', 'text', 'json', 'jsonb')"
    )
    found = []
    for row in columns:
        name, column = row["table_name"], row["column_name"]
        text = f"encode({column}, 'escape')" if row["data_type"] == "bytea" else f"{column}::text"
        if await world.value(f"SELECT count(*) FROM {name} WHERE {text} LIKE '%{SECRET}%'"):
            found.append(f"{name}.{column}")
    return found


async def in_streams(world: World) -> list[str]:
    """Which messages of the streams have the secret, by subject."""
    found = [stored.subject for stored in await world.stored() if SECRET.encode() in stored.data]
    async for batch in Tail(world.clients["gateway"], subjects.OUTPUT, [subjects.ALL_OUTPUT]).batches():
        found += [stored.subject for stored in batch.messages if SECRET.encode() in stored.data]
        if batch.pending == 0:
            return found
    return found


async def purged(world: World, later_s: float = erasing.DELAY_S + 1) -> int:
    clock = ServerClock()
    await clock.measure(world.history)
    eraser = Eraser(world.history, world.pool, clock, lambda: False)
    return await eraser.purge(clock.now_ns() + int(later_s * 1e9))


async def trim_everything(world: World) -> None:
    clock = ServerClock()
    await clock.measure(world.history)
    await Trimmer(world.history, world.pool, clock, 600.0, lambda: False).trim(clock.now_ns() + DAY)


@pytest.mark.parametrize("fails", [False, True])
async def test_what_is_erased_is_nowhere_any_more(world: World, gateway: Gateway, fails: bool) -> None:
    world.record()
    request = await told_everything(world, fails=fails)
    other = await world.request().accept(b'{"other":1}', user="ada")
    await world.recorded()
    assert {"payloads.data", "event_log.data", "requests.state"} <= set(await in_database(world)), "it was everywhere"
    assert len(await in_streams(world)) >= 5

    answer = await erase(gateway, request.rid)
    assert answer.status == 200, answer.body
    assert await in_database(world) == []
    assert SECRET.encode() not in answer.body
    shown = answer.json
    assert (shown["erased"], shown["input"], shown["output"], shown["metadata"]) == (True, None, None, {})
    assert (shown["status"], shown["done"], shown["attempt"]) == ("failed" if fails else "succeeded", True, 2)
    assert (shown["error"] is not None and shown["error"]["code"] == "handler_error") == fails

    assert await purged(world, 0.0) == 0, "whoever follows the streams may still be on the way"
    assert await purged(world) == 1
    assert await in_streams(world) == []
    assert [stored.subject.split(".")[4] for stored in await world.stored()] == ["accepted", "erased"]
    assert await purged(world) == 0

    for path in ("", "/events?after="):
        seen = await gateway.call("GET", f"/v1/requests/{request.rid}{path}")
        assert (seen.status, SECRET.encode() in seen.body) == (200, False)
    assert (await gateway.read(request.rid)).json == shown
    retried = await gateway.call("POST", f"/v1/requests/{request.rid}/retry")
    assert (retried.status, retried.json["code"]) == (410, "data_expired")
    assert (await gateway.read(other.rid)).json["input"] == {"other": 1}
    skeleton = await world.fetch("SELECT type, payload_sha FROM event_log WHERE rid = $1 ORDER BY seq", request.rid)
    types = ["accepted", "assigned", "requeued", "assigned", "failed" if fails else "succeeded", "erased"]
    assert [row["type"] for row in skeleton] == types
    assert skeleton[0]["payload_sha"] is not None, "the hash stays"
    await clean(world)


async def test_nobody_is_shown_erased_data_though_the_streams_still_have_them(world: World, gateway: Gateway) -> None:
    world.record()
    request = await told_everything(world)
    await erase(gateway, request.rid)
    assert await in_streams(world) != []
    for path in ("", "/events?after="):
        assert SECRET.encode() not in (await gateway.call("GET", f"/v1/requests/{request.rid}{path}")).body
    stream = await gateway.call("GET", f"/v1/requests/{request.rid}/events", Accept="text/event-stream")
    assert SECRET.encode() not in stream.body
    assert b"event: completed" in stream.body


async def test_a_payload_that_another_request_has_too_stays_for_that_one(world: World, gateway: Gateway) -> None:
    world.record()
    one, other = [await world.request().accept(secret("same"), user="ada") for _ in range(2)]
    for request in (one, other):
        await request.assign()
        await request.succeed(secret("same output"))
    assert (await erase(gateway, one.rid)).status == 200
    assert (await gateway.read(other.rid)).json["output"] == {"same output": f"{SECRET} same output"}
    await purged(world)
    seen = await gateway.call("GET", f"/v1/requests/{one.rid}/events?after=")
    assert SECRET.encode() not in (await gateway.read(one.rid)).body + seen.body
    assert await in_database(world) == ["payloads.data"]
    assert (await erase(gateway, other.rid)).status == 200
    assert await in_database(world) == []
    await clean(world)


async def test_a_request_that_has_not_ended_is_not_erased(world: World, gateway: Gateway) -> None:
    world.record()
    request = await world.request().accept(secret("input"), user="ada")
    for _ in range(2):
        answer = await erase(gateway, request.rid)
        assert (answer.status, answer.json["code"]) == (409, "not_done")
        if not request.attempt:
            await request.assign()
    assert (await gateway.read(request.rid)).json["input"] is not None


async def test_erasing_again_and_at_once_makes_one_event(world: World, gateway: Gateway) -> None:
    world.record()
    request = await told_everything(world)
    answers = await asyncio.gather(*(erase(gateway, request.rid) for _ in range(8)))
    answers.append(await erase(gateway, request.rid))
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body for answer in answers}) == 1
    events = [codec.requests.decode(stored.data) for stored in await world.stored()]
    assert [event.actor for event in events if isinstance(event, Erased)] == ["user:ada"]


async def test_who_may_erase(world: World, gateway: Gateway) -> None:
    world.record()
    request = await told_everything(world)
    for key, status, code in [
        ("", 401, "unauthenticated"),
        ("wsk_wrong", 401, "unauthenticated"),
        (AGENT_KEY, 403, "forbidden"),
        (BOB, 404, "not_found"),
        (ONLY_OTHER, 404, "not_found"),
    ]:
        answer = await erase(gateway, request.rid, key)
        assert (answer.status, answer.json["code"]) == (status, code)
    assert (await erase(gateway, "0" * 34)).status == 404
    assert (await gateway.read(request.rid)).json["input"] is not None
    assert (await erase(gateway, request.rid, ADMIN)).status == 200


async def test_while_nothing_is_recorded_it_says_that_the_data_are_still_there(
    world: World, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "RECORDED_S", 0.1)
    request = await told_everything(world)
    answer = await erase(gateway, request.rid)
    assert (answer.status, answer.json["erased"], answer.json["input"]) == (202, True, None)
    world.record()
    await world.recorded()
    assert (await erase(gateway, request.rid)).status == 200
    assert await in_database(world) == []
    await clean(world)


@pytest.mark.parametrize("recorded", [True, False])
async def test_a_chain_that_has_left_the_stream_is_erased(
    world: World, gateway: Gateway, recorded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorders = world.record()
    request = await told_everything(world)
    await world.recorded()
    await trim_everything(world)
    assert await world.stored() == []
    if not recorded:
        monkeypatch.setattr(lists, "RECORDED_S", 0.1)
        for recorder in recorders:
            recorder.cancel()
        await asyncio.wait(recorders)
        world.tasks.clear()
    answers = await asyncio.gather(*(erase(gateway, request.rid) for _ in range(4)))
    assert {answer.status for answer in answers} == {200 if recorded else 202}
    (erased,) = [codec.requests.decode(stored.data) for stored in await world.stored()]
    assert (type(erased), erased.prev_seq) == (Erased, request.seq)
    assert (await gateway.read(request.rid)).json["input"] is None
    if not recorded:
        world.record()
        await world.recorded()
    assert await in_database(world) == []
    await purged(world)
    await trim_everything(world)
    assert await world.stored() == [], "the late event is trimmed like others"
    assert (await gateway.read(request.rid)).json["erased"] is True
    await clean(world)


async def test_what_is_erased_stays_erased_when_nats_has_lost_its_data(world: World, gateway: Gateway) -> None:
    world.record()
    request, later = await told_everything(world), await told_everything(world)
    still_open = await world.request().accept(b'{"open":1}', user="ada")
    assert (await erase(gateway, request.rid)).status == 200
    await stop_recording(world, world.tasks)
    await lose_nats(world)
    recovered = await recover(world)
    assert recovered is not None
    assert (recovered.requests, recovered.findings) == (1, [])
    await clean(world)
    world.record()
    await until(lambda: not gateway.process.not_ready(), "the gateway is ready again")
    assert (await gateway.read(request.rid)).json["erased"] is True
    assert (await gateway.read(still_open.rid)).json["input"] == {"open": 1}

    # A request that ended before the loss: its chain is of the epoch before.
    answer = await erase(gateway, later.rid)
    assert (answer.status, answer.json["input"]) == (200, None)
    assert await in_database(world) == []
    assert await purged(world) == 2, "the one before the loss was still due"
    assert (await gateway.read(later.rid)).json["erased"] is True
    await clean(world)


async def test_an_erasure_that_only_the_replaced_stream_knows_is_kept(world: World, gateway: Gateway) -> None:
    recorders = world.record()
    request = await told_everything(world)
    await stop_recording(world, recorders)
    aside = await photograph(world)
    recorders = world.record()
    await world.live(6)
    await stop_recording(world, recorders)
    await bring_back(world, aside)
    # The stream has lost its end, and somebody is told after that that the request is erased.
    await request.write(Erased(**request.common()))
    for _ in range(2):
        done = await recover(world)
    assert done is None, "the second time there is nothing to do"
    assert await in_database(world) == []
    await clean(world)
    world.record()
    await world.recorded()
    assert await purged(world) == 1
    assert await in_streams(world) == []
    answer = await gateway.read(request.rid)
    assert (answer.json["erased"], answer.json["input"]) == (True, None)


async def test_whoever_dies_between_recording_and_purging_purges_later(world: World, gateway: Gateway) -> None:
    (recorder, *_) = world.record(subjects.REQUESTS)
    requests = [await told_everything(world) for _ in range(3)]
    for request in requests:
        assert (await erase(gateway, request.rid)).status == 200
    recorder.cancel()
    await asyncio.wait([recorder])
    world.tasks.clear()
    clock = ServerClock()
    halted = Eraser(world.history, world.pool, clock, lambda: True)
    assert await halted.purge(2**62) == 0, "nothing is purged while the log is halted"
    world.spawn(Recorder(world.history, world.pool, subjects.REQUESTS).run())
    assert await purged(world) == 3
    assert await in_streams(world) == []


async def test_events_that_could_not_be_part_of_the_log_are_erased_as_well(world: World, gateway: Gateway) -> None:
    world.record()
    request = await told_everything(world)
    forged = Failed(**request.common(), error=Problem(code="x", message=f"{SECRET} again"))
    await world.forge(forged)
    await world.recorded()
    assert "event_conflicts.data" in await in_database(world)
    # What is in the stream beside the chain: the erasure follows the last event there.
    event = Erased(**request.common() | {"id": os.urandom(8).hex(), "prev_seq": request.seq})
    await world.forge(event)
    await world.recorded()
    assert await in_database(world) == []
