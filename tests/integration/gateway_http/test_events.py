"""The events of a request as a stream: what a reader is shown, wherever and however often it reads."""

from tests.support.bus import Bus, until
from tests.support.elsewhere import Elsewhere
from tests.support.http_events import DELETED_S, events, followed, reader_of, run_to_the_end, submitted
from tests.support.http_gateway import BOB, Gateway, running_gateway
from tests.support.readers import check_whole, shown

UNKNOWN_ID = "0" * 34


async def test_a_reader_sees_everything_as_it_happens(gateway: Gateway, elsewhere: Elsewhere, bus: Bus) -> None:
    rid = await submitted(gateway)
    reader = reader_of(rid, gateway)
    reading = bus.spawn(reader.follow())
    await until(lambda: events(reader) == ["queued"], "it is queued")
    await elsewhere.assign(rid)
    await until(lambda: events(reader)[1:] == ["assigned"], "it is assigned")
    await elsewhere.say(rid, {"fraction": 0.25, "message": "warm"}, "progress")
    await until(lambda: events(reader)[2:] == ["progress"], "progress")
    await elsewhere.say(rid, ["a", "b"], "log")
    await elsewhere.say(rid, "hel")
    await elsewhere.say(rid, "lo")
    await until(lambda: events(reader)[3:] == ["log", "output", "output"], "log and output")
    await elsewhere.succeed(rid)
    await reading
    completed = check_whole(reader.seen)
    assert completed == (await gateway.read(rid)).json
    assert (completed["status"], completed["output"], shown(reader.seen)) == ("succeeded", {"answer": 42}, "hello")
    assert [seen.data for seen in reader.seen[2:5]] == [
        {"index": 1, "attempt": 1, "fraction": 0.25, "message": "warm"},
        {"index": 2, "attempt": 1, "lines": ["a", "b"]},
        {"index": 3, "attempt": 1, "data": "hel"},
    ]
    assert (reader.connections, reader.retry_ms) == (1, 2000)
    assert await reader.read() == "nothing"


async def test_the_answer_is_a_stream_that_nobody_keeps(gateway: Gateway, elsewhere: Elsewhere) -> None:
    rid = await submitted(gateway, b'{"input":{"a":\r\n 1}}')
    await run_to_the_end(elsewhere, rid)
    for accept in ("*/*", "text/event-stream", "application/json, TEXT/EVENT-STREAM"):
        answer = await gateway.call("GET", f"/v1/requests/{rid}/events", Accept=accept)
        assert (answer.status, answer.headers["Content-Type"]) == (200, "text/event-stream")
        assert (answer.headers["Cache-Control"], answer.headers["X-Accel-Buffering"]) == ("no-store", "no")
        assert answer.headers["X-Request-Id"] == rid
        assert answer.body.startswith(b"retry: 2000\n\nevent: queued\ndata: {")
        assert b'"input":{"a":   1}' in answer.body, "line breaks would end the field"
    assert (await gateway.call("HEAD", f"/v1/requests/{rid}/events")).status == 200


async def test_another_gateway_goes_on_from_the_last_id(gateway: Gateway, elsewhere: Elsewhere, bus: Bus) -> None:
    rid = await submitted(gateway)
    await elsewhere.assign(rid)
    for n in range(3):
        await elsewhere.say(rid, f"part {n}. ")
    async with running_gateway(bus) as other:
        reader = reader_of(rid, gateway, other)
        assert await reader.read(0, lambda seen: seen.data.get("index") == 2) == "enough"
        await elsewhere.say(rid, "part 3. ")
        await elsewhere.succeed(rid)
        assert await reader.read(1) == "completed"
    check_whole(reader.seen)
    assert shown(reader.seen) == "part 0. part 1. part 2. part 3. "


async def test_a_reader_that_reconnects_after_every_event_misses_nothing(
    gateway: Gateway, elsewhere: Elsewhere, bus: Bus
) -> None:
    rid = await submitted(gateway)
    async with running_gateway(bus) as other:
        reader = reader_of(rid, gateway, other)
        reading = bus.spawn(reader.follow(enough=lambda seen: bool(seen.id)))
        for attempt in (1, 2):
            await elsewhere.assign(rid)
            for n in range(20):
                await elsewhere.say(rid, f"{attempt}.{n} ")
            if attempt == 1:
                await until(lambda: len(reader.of("output")) >= 5, "output of the first attempt")
                await elsewhere.requeue(rid)
        await elsewhere.succeed(rid)
        await reading
    check_whole(reader.seen)
    assert events(reader).count("output_reset") == 1
    assert events(reader)[events(reader).index("output_reset") - 1] == "requeued"
    assert shown(reader.seen) == "".join(f"2.{n} " for n in range(20))
    assert reader.connections > 25
    await until(lambda: followed(elsewhere, 0), "nobody reads output any more", DELETED_S)


async def test_a_requeue_takes_back_what_was_shown(gateway: Gateway, elsewhere: Elsewhere, bus: Bus) -> None:
    rid = await submitted(gateway)
    reader = reader_of(rid, gateway)
    reading = bus.spawn(reader.follow())
    await elsewhere.assign(rid)
    _, first = await elsewhere.last(rid)
    await elsewhere.say(rid, "void")
    await until(lambda: bool(reader.of("output")), "output of the first attempt")
    await elsewhere.requeue(rid)
    await until(lambda: bool(reader.of("requeued")), "the reader is told")
    await elsewhere.say(rid, "late", assigned=first)
    await elsewhere.assign(rid)
    await elsewhere.say(rid, "good")
    await elsewhere.succeed(rid)
    await reading
    check_whole(reader.seen)
    assert events(reader)[2:] == ["output", "requeued", "output_reset", "assigned", "output", "completed"]
    requeued = reader.of("requeued")[0].data
    assert (requeued["attempt"], requeued["reason"], requeued["detail"]) == (1, "agent_lost", "the agent was lost")
    assert shown(reader.seen) == "good"


async def test_what_cannot_be_followed_is_refused(gateway: Gateway, elsewhere: Elsewhere) -> None:
    await elsewhere.answer_as_history({})
    rid = await submitted(gateway)
    path = f"/v1/requests/{rid}/events"
    for answer in (
        await gateway.call("GET", path, key=BOB),
        await gateway.call("GET", f"/v1/requests/{UNKNOWN_ID}/events"),
        await gateway.call("GET", "/v1/requests/a.b/events", Accept="application/json"),
    ):
        assert (answer.status, answer.json["code"]) == (404, "not_found")
    assert (await gateway.call("GET", path, key="wsk_wrong")).status == 401
    for headers, query in (({"Last_Event_ID": "1-2"}, ""), ({}, "?after=none"), ({"Last_Event_ID": "x"}, "?after=1-2-3")):
        answer = await gateway.call("GET", path + query, **headers)
        assert (answer.status, answer.json["code"]) == (400, "invalid_cursor")


async def test_a_reader_with_the_outcome_gets_nothing_more(gateway: Gateway, elsewhere: Elsewhere) -> None:
    rid = await submitted(gateway)
    await run_to_the_end(elsewhere, rid)
    reader = reader_of(rid, gateway)
    assert await reader.read() == "completed"
    for query in ("", "?after=1-1-0"):
        answer = await gateway.call("GET", f"/v1/requests/{rid}/events{query}", Last_Event_ID=reader.last_id)
        assert answer.status == (204 if not query else 200)
    await until(lambda: followed(elsewhere, 0), "nobody reads output any more", DELETED_S)


async def test_a_trimmed_chain_comes_from_history(gateway: Gateway, elsewhere: Elsewhere) -> None:
    rid = await submitted(gateway)
    await run_to_the_end(elsewhere, rid)
    chain = await elsewhere.trim(rid, 1)
    reader = reader_of(rid, gateway)
    assert (await gateway.call("GET", f"/v1/requests/{rid}/events")).status == 503, "history does not answer"
    await elsewhere.answer_as_history({rid: chain})
    assert await reader.read() == "completed"
    check_whole(reader.seen)
    assert events(reader) == ["queued", "assigned", "output", "output", "output", "completed"]


async def test_a_stream_trimmed_past_the_reader_is_read_again(gateway: Gateway, elsewhere: Elsewhere, bus: Bus) -> None:
    rid = await submitted(gateway)
    await elsewhere.assign(rid)
    chain = await elsewhere.trim(rid, 0)
    history = await elsewhere.answer_as_history({rid: chain})
    other = await submitted(gateway)
    await elsewhere.trim(other, 0)
    await submitted(gateway)
    reader = reader_of(rid, gateway)
    reading = bus.spawn(reader.follow())
    await until(lambda: len(history) >= 2, "the chain is read again")
    await until(lambda: followed(elsewhere, 1), "it is followed")
    await elsewhere.succeed_unseen(chain[-1])
    await reading
    assert events(reader) == ["queued", "assigned", "completed"]
