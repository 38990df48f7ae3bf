"""Requests whose retention has passed are erased by history, like by their users."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from services.contracts import codec, subjects
from services.contracts.directory import SpaceDeleted, SpaceEdited
from services.contracts.events import Accepted, Erased
from services.history import retention
from services.history.migrations import migrate
from services.history.retention import Retention
from services.history.trim import Trimmer
from services.runtime.clock import ServerClock
from tests.support.bus import Bus, until
from tests.support.history import Request, World
from tests.support.http_gateway import Gateway, change_space
from tests.support.recovery import clean

HOUR_S, DAY_S = 3600.0, 86400.0


@pytest.fixture
async def bus(world: World) -> AsyncIterator[Bus]:
    bus = Bus(world.servers)
    yield bus
    await bus.close()


async def keep(world: World, bus: Bus, retention_s: float | None, space: str = "demo") -> None:
    """The space keeps its data for so long from now on."""
    await change_space(bus, SpaceEdited, space, retention_s=retention_s)
    await world.recorded(subjects.DIRECTORY)


async def ended(world: World, space: str = "demo", **more: Any) -> Request:
    request = await world.request(space).accept(user="ada", metadata={"said": "sesame"}, **more)
    await request.assign()
    await request.succeed(b'"sesame"')
    return request


def retention_of(world: World, every_s: float = 30.0) -> Retention:
    return Retention(world.history, world.pool, ServerClock(), lambda: False, every_s)


async def erased_after(world: World, later_s: float, by: Retention | None = None) -> int:
    """How many a pass finds that is so much later."""
    await world.recorded()
    clock = ServerClock()
    await clock.measure(world.history)
    found = await (by or retention_of(world)).erase_due(clock.now_ns() + int(later_s * 1e9))
    await world.recorded()
    return found


async def erased(world: World) -> list[str]:
    rows = await world.fetch("SELECT rid FROM event_log WHERE stream = 'REQUESTS' AND type = 'erased' ORDER BY seq")
    return [row["rid"] for row in rows]


async def trim_everything(world: World) -> None:
    await world.recorded()
    clock = ServerClock()
    await clock.measure(world.history)
    await Trimmer(world.history, world.pool, clock, 600.0, lambda: False).trim(clock.now_ns() + int(DAY_S * 1e9))


async def test_what_ended_in_a_space_is_erased_when_its_retention_has_passed(
    world: World, gateway: Gateway, bus: Bus
) -> None:
    await keep(world, bus, HOUR_S)
    old, elsewhere, still_open = await ended(world), await ended(world, "other"), await world.request().accept(user="ada")
    assert await erased_after(world, HOUR_S - 60) == 0
    assert await erased_after(world, HOUR_S + 60) == 1
    assert await erased(world) == [old.rid]
    shown = (await gateway.read(old.rid)).json
    assert (shown["erased"], shown["input"], shown["output"], shown["metadata"]) == (True, None, None, {})
    assert (shown["status"], shown["done"]) == ("succeeded", True)
    retried = await gateway.call("POST", f"/v1/requests/{old.rid}/retry")
    assert (retried.status, retried.json["code"]) == (410, "data_expired")
    for other in (elsewhere, still_open):
        assert (await gateway.read(other.rid)).json["input"] is not None
    assert await world.value("SELECT count(*) FROM event_log WHERE rid = $1 AND data LIKE '%sesame%'::bytea", old.rid) == 0
    assert await erased_after(world, 2 * HOUR_S) == 0, "it is erased once"
    await clean(world)


async def test_a_request_may_say_less_than_its_space_and_something_where_its_space_says_nothing(
    world: World, gateway: Gateway, bus: Bus
) -> None:
    await keep(world, bus, DAY_S)
    short, long = await ended(world, retention_s=HOUR_S), await ended(world)
    own, none = await ended(world, "other", retention_s=HOUR_S), await ended(world, "other")
    assert await erased_after(world, HOUR_S - 60) == 0
    assert await erased_after(world, HOUR_S + 60) == 2
    assert set(await erased(world)) == {short.rid, own.rid}
    assert await erased_after(world, DAY_S + 60) == 1
    assert (await erased(world))[2:] == [long.rid]
    assert (await gateway.read(none.rid)).json["erased"] is False
    await clean(world)


async def test_a_space_that_shortens_its_retention_erases_what_ended_before_and_one_that_takes_it_back_keeps_it(
    world: World, gateway: Gateway, bus: Bus
) -> None:
    await keep(world, bus, HOUR_S)
    request, by = await ended(world), retention_of(world)
    await keep(world, bus, None)
    assert await erased_after(world, DAY_S, by) == 0
    await keep(world, bus, DAY_S)
    assert await erased_after(world, 2 * HOUR_S, by) == 0
    await keep(world, bus, 1.0)
    assert await erased_after(world, 2 * HOUR_S, by) == 1
    assert await erased(world) == [request.rid]


async def test_a_deleted_space_keeps_its_word(world: World, gateway: Gateway, bus: Bus) -> None:
    await keep(world, bus, HOUR_S)
    request = await ended(world)
    await change_space(bus, SpaceDeleted)
    await world.recorded(subjects.DIRECTORY)
    assert await erased_after(world, HOUR_S + 60) == 1
    assert await erased(world) == [request.rid]


async def test_what_its_user_has_erased_is_left_alone(world: World, gateway: Gateway, bus: Bus) -> None:
    await keep(world, bus, HOUR_S)
    request = await ended(world, retention_s=60.0)
    await world.recorded()
    assert (await gateway.call("DELETE", f"/v1/requests/{request.rid}/data")).status == 200
    assert await erased_after(world, DAY_S) == 0
    assert await erased(world) == [request.rid]


async def test_a_chain_that_has_left_the_stream_is_erased(world: World, gateway: Gateway, bus: Bus) -> None:
    await keep(world, bus, 2 * DAY_S)
    request = await ended(world)
    await trim_everything(world)
    assert await world.stored() == []
    assert await erased_after(world, 3 * DAY_S) == 1
    (event,) = [codec.requests.decode(stored.data) for stored in await world.stored()]
    assert (type(event), event.prev_seq, event.actor) == (Erased, request.seq, "retention")
    assert (await gateway.read(request.rid)).json["erased"] is True
    await clean(world)


@pytest.mark.parametrize("trimmed", [True, False])
async def test_two_leaders_that_erase_at_once_make_one_event_of_each_request(
    world: World, gateway: Gateway, bus: Bus, trimmed: bool
) -> None:
    await keep(world, bus, HOUR_S)
    rids = {(await ended(world)).rid for _ in range(20)}
    if trimmed:
        await trim_everything(world)
    await asyncio.gather(*(erased_after(world, 2 * DAY_S) for _ in range(2)))
    await erased_after(world, 2 * DAY_S)
    found = await erased(world)
    assert (len(found), set(found)) == (20, rids)
    await clean(world)


async def test_a_pass_is_bounded_and_the_next_goes_on_also_in_another_process(
    world: World, gateway: Gateway, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "AT_ONCE", 3)
    await keep(world, bus, HOUR_S)
    requests = [await ended(world) for _ in range(7)]
    assert [await erased_after(world, DAY_S) for _ in range(4)] == [3, 3, 1, 0]
    assert await erased(world) == [request.rid for request in requests], "the oldest first"


async def test_while_the_directory_is_not_recorded_to_its_end_nothing_is_erased(
    world: World, gateway: Gateway, bus: Bus
) -> None:
    await keep(world, bus, HOUR_S)
    await ended(world)
    await world.recorded()
    end = await world.value("SELECT seq FROM log_position WHERE stream = 'DIRECTORY'")
    for task in world.tasks:
        task.cancel()
    await asyncio.wait(world.tasks)
    world.tasks.clear()
    await change_space(bus, SpaceEdited, retention_s=None)
    assert await erased_after_unrecorded(world, DAY_S) == 0
    assert await world.value("SELECT seq FROM log_position WHERE stream = 'DIRECTORY'") == end
    world.record()
    await world.recorded(subjects.DIRECTORY)
    assert await erased_after(world, DAY_S) == 0
    assert await erased(world) == []


async def erased_after_unrecorded(world: World, later_s: float) -> int:
    clock = ServerClock()
    await clock.measure(world.history)
    return await retention_of(world).erase_due(clock.now_ns() + int(later_s * 1e9))


async def test_while_recovery_is_needed_nothing_is_erased(world: World, gateway: Gateway, bus: Bus) -> None:
    await keep(world, bus, HOUR_S)
    await ended(world)
    halted = Retention(world.history, world.pool, ServerClock(), lambda: True)
    assert await erased_after(world, DAY_S, halted) == 0
    assert await erased(world) == []


async def test_an_erasure_that_an_older_version_has_recorded_is_noted_and_not_repeated(
    world: World, gateway: Gateway, bus: Bus
) -> None:
    await keep(world, bus, HOUR_S)
    request = await ended(world)
    assert await erased_after(world, DAY_S) == 1
    await world.execute("UPDATE requests SET erased = false")
    assert [await erased_after(world, DAY_S) for _ in range(2)] == [1, 0]
    assert await erased(world) == [request.rid]
    await clean(world)


async def test_a_database_of_before_knows_what_is_erased_once_it_is_migrated(
    world: World, gateway: Gateway, bus: Bus
) -> None:
    await keep(world, bus, HOUR_S)
    request = await ended(world)
    assert await erased_after(world, DAY_S) == 1
    later = await ended(world)
    await world.recorded()
    await world.execute("ALTER TABLE requests DROP COLUMN erased, DROP COLUMN erase_at")
    await world.execute("DELETE FROM schema_migrations WHERE version = 8")
    assert await migrate(world.servers.database_url) == ["0008_retention"]
    await clean(world)
    assert await erased_after(world, DAY_S) == 1
    assert await erased(world) == [request.rid, later.rid]


async def test_it_goes_on_by_itself(world: World, gateway: Gateway, bus: Bus) -> None:
    await keep(world, bus, 1.0)
    world.spawn(retention_of(world, every_s=0.1).run())
    request = await ended(world)

    async def gone() -> bool:
        return bool((await gateway.read(request.rid)).json["erased"])

    await until(gone, "it is erased")
    await world.recorded()
    await clean(world)


async def submit(gateway: Gateway, retention_s: float) -> Any:
    body = {"input": {"n": 1}, "policy": {"retention_s": retention_s}}
    return await gateway.submit(msgspec.json.encode(body))


async def test_a_submission_says_how_long_its_data_are_kept_but_not_longer_than_the_space(
    world: World, gateway: Gateway, bus: Bus
) -> None:
    assert (await submit(gateway, DAY_S)).status == 202
    await keep(world, bus, HOUR_S)

    async def shown() -> bool:
        return bool((await gateway.call("GET", "/v1/spaces/demo")).json["retention_s"] == HOUR_S)

    await until(shown, "the gateway has seen it")
    refused = await submit(gateway, HOUR_S + 1)
    assert (refused.status, refused.json["code"]) == (422, "input_invalid")
    assert refused.json["errors"][0]["pointer"] == "/policy/retention_s"
    assert (await submit(gateway, 0)).status == 422
    rid = (await submit(gateway, 60)).json["id"]
    assert (await gateway.call("POST", f"/v1/requests/{rid}/cancel")).status == 200
    again = (await gateway.call("POST", f"/v1/requests/{rid}/retry")).json["id"]
    events = [codec.requests.decode(stored.data) for stored in await world.stored()]
    said = {event.rid: event.retention_s for event in events if isinstance(event, Accepted)}
    assert (said[rid], said[again]) == (60.0, 60.0)
    assert await erased_after(world, 120) == 1
    assert await erased(world) == [rid], "a canceled request has ended; its retry waits"
