"""Numbers over time, the platform and warnings over HTTP, with real gateway, history, nats-server and PostgreSQL."""

import asyncio
import math
import os
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import pytest

from services.contracts import codec, subjects
from services.contracts.connections import Connected, Disconnected
from services.contracts.events import Accepted, Assigned, Requeued, type_of
from services.contracts.instants import rfc3339
from services.contracts.platform import Record
from services.contracts.requests import RequestState, fold
from services.contracts.series import GetSeries, Latency
from services.history import activity
from services.history.activity import Activity
from services.history.database import create_pool
from services.history.lists import Lists
from services.history.migrations import migrate
from services.history.queries import Queries
from services.history.standing import Standing
from services.history.verify import verify
from services.runtime.live import Liveness
from services.runtime.rpc import Refused, serve
from tests.support.bus import Bus, until
from tests.support.history import World, write_connection
from tests.support.http_gateway import (
    ADA,
    ADMIN,
    BOB,
    ONLY_OTHER,
    Gateway,
    fill_directory,
    running_gateway,
    serve_registry_at,
)
from tests.support.servers import Servers

NS = 1_000_000_000
OUTCOMES = ("succeeded", "failed", "canceled", "expired")


@pytest.fixture
async def gateway(world: World) -> AsyncIterator[Gateway]:
    bus = Bus(world.servers)
    operations = Queries(world.pool).operations() | Standing(world.history, world.pool).operations()
    answers = await serve(world.history, "history", "watching", operations)
    try:
        await fill_directory(bus)
        await serve_registry_at(bus)
        async with running_gateway(bus) as gateway:
            yield gateway
    finally:
        await bus.close()
        await answers.stop()


async def get(gateway: Gateway, path: str, key: str = ADA, **query: str) -> Any:
    answer = await gateway.call("GET", f"{path}?{urlencode(query)}" if query else path, key=key)
    assert answer.status == 200, answer.body
    return answer.json


async def connect(world: World, agent: str, *spaces: str) -> str:
    conn = os.urandom(8).hex()
    told: dict[str, Any] = {"boot_id": "b", "slots": 4}
    await write_connection(
        world, Connected(id=f"c{conn}", conn=conn, agent=agent, gateway="g-1", spaces=list(spaces), **told)
    )
    return conn


async def disconnect(world: World, conn: str, agent: str) -> None:
    await write_connection(
        world, Disconnected(id=f"d{conn}", conn=conn, agent=agent, gateway="g-1", reason="closed", code=1000)
    )


Chain = list[tuple[Any, int, int]]


async def chains(world: World) -> list[Chain]:
    """The events of each request in the stream, with sequence and instant."""
    found: dict[str, Chain] = {}
    for message in await world.stored():
        event = codec.requests.decode(message.data)
        found.setdefault(event.rid, []).append((event, message.seq, message.time_ns))
    return list(found.values())


def went(chain: Chain) -> int | None:
    """The instant from which a request waited no longer: its last assignment, or its end; None: it waits."""
    left = None
    for event, _, at in chain:
        if isinstance(event, Accepted | Requeued):
            left = None
        elif isinstance(event, Assigned):
            left = at
        else:
            left = at if left is None else left
    return left


def nearest_rank(values: list[float]) -> Latency | None:
    ordered = sorted(values)
    if not ordered:
        return None
    p50, p90, p99 = (round(ordered[math.ceil(len(ordered) * percent / 100) - 1], 6) for percent in (50, 90, 99))
    return Latency(p50=p50, p90=p90, p99=p99)


def ended(chain: Chain, first: int, last: int) -> bool:
    event, _, at = chain[-1]
    return type_of(event) in OUTCOMES and first <= at < last


def state_of(chain: Chain) -> RequestState:
    state = fold(chain)
    assert state is not None
    return state


async def test_a_series_is_what_the_events_say(world: World) -> None:
    world.record()
    begin = time.time_ns() // NS * NS - 2 * NS
    async with world.living():  # some wait, and run, while others begin
        while time.time_ns() < begin + 8 * NS:
            await asyncio.sleep(0.1)
    await world.recorded()
    query = GetSeries(since=begin, bucket_s=1, buckets=60)
    found = await Activity(world.pool, Lists(world.pool)).series(query)
    known = await chains(world)
    assert len(known) >= 24
    assert sum(each.accepted for each in found.buckets) == len(known)
    waits: list[float] = []
    for number, bucket in enumerate(found.buckets):
        first, last = begin + number * NS, begin + (number + 1) * NS
        came = [chain for chain in known if first <= chain[0][2] < last]
        over = [state_of(chain) for chain in known if ended(chain, first, last)]
        there = [chain for chain in known if chain[0][2] < last and (left := went(chain) or last) >= last and left]
        assert bucket.accepted == len(came)
        assert bucket.ended == Counter(state.status for state in over)
        assert bucket.waiting == len(there)
        waited = [(state.assigned_at - state.accepted_at) / NS for state in over if state.assigned_at]
        assert bucket.queue_s == nearest_rank(waited)
        ran = [state.run_s for state in over if state.run_s and state.status in ("succeeded", "failed")]
        assert bucket.run_s == nearest_rank(ran)
        waits += waited
    assert (found.sampled, found.queue_s) == (len(waits), nearest_rank(waits))
    assert len({bucket.waiting for bucket in found.buckets}) > 1


async def test_a_series_has_whose_requests_and_agents_one_may_see(world: World, gateway: Gateway) -> None:
    world.record()
    for number in range(6):
        request = await world.request("demo" if number < 4 else "other").accept(user="ada" if number % 2 else "bob")
        if number < 2:
            await request.assign()
            await (request.succeed() if number else request.fail())
    first = await connect(world, "ada/gpu", "demo")
    await connect(world, "ada/other", "other")
    await connect(world, "bob/gpu", "demo")
    await connect(world, "ada/gone", "demo")
    await disconnect(world, first, "ada/gpu")
    await world.recorded(subjects.CONNECTIONS)

    async def seen(key: str, **query: str) -> tuple[int, int, int, float | None]:
        found = await get(gateway, "/v1/stats/series", key, **query)
        last = found["buckets"][-1]
        assert len(found["buckets"]) * found["bucket_s"] == found["window_s"]
        assert sum(bucket["accepted"] for bucket in found["buckets"]) == found["accepted"]
        return found["accepted"], last["waiting"], last["agents"], found["success_rate"]

    assert await seen(ADMIN, window="15m") == (6, 4, 3, 0.5)
    assert await seen(ADMIN, space="demo", window="24h") == (4, 2, 2, 0.5)
    assert await seen(ADA) == (3, 2, 2, 1.0)
    assert await seen(BOB, window="7d") == (3, 2, 1, 0.0)
    assert await seen(ONLY_OTHER, window="30d") == (1, 1, 1, None)
    assert await seen(ADA, space="other") == (1, 1, 1, None)


async def test_buckets_begin_at_full_spans_and_the_last_one_has_now(world: World, gateway: Gateway) -> None:
    world.record()
    await world.request().accept(user="ada")
    found = await get(gateway, "/v1/stats/series", window="24h")
    starts = [bucket["start"] for bucket in found["buckets"]]
    assert len(starts) == 96
    assert all(start[14:16] in ("00", "15", "30", "45") and start[17:19] == "00" for start in starts)
    assert starts == sorted(starts)
    assert starts[-1] <= found["until"] < rfc3339(time.time_ns() + 900 * NS)
    (accepted,) = [rfc3339(message.time_ns) for message in await world.stored()]
    [its] = [bucket["start"] for bucket in found["buckets"] if bucket["accepted"]]
    assert its == max(start for start in starts if start <= accepted)


@pytest.mark.parametrize(("query", "status"), [("window=2h", 400), ("user=bob", 400), ("space=nowhere", 404)])
async def test_what_is_refused(gateway: Gateway, query: str, status: int) -> None:
    assert (await gateway.call("GET", f"/v1/stats/series?{query}")).status == status


async def test_counting_is_given_up_when_it_takes_too_long(
    world: World, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.record()
    await world.request().accept(user="ada")
    await world.recorded()
    async with world.pool.acquire() as connection, connection.transaction():
        await connection.execute("LOCK TABLE requests IN ACCESS EXCLUSIVE MODE")
        monkeypatch.setattr(activity, "BUDGET_S", 0.2)
        with pytest.raises(Refused, match="longer than"):
            await Activity(world.pool, Lists(world.pool)).series(GetSeries(since=0, bucket_s=1, buckets=1))
        answer = await gateway.call("GET", "/v1/stats/series")
        assert (answer.status, answer.json["code"]) == (503, "unavailable")
        assert "shorter" in answer.json["detail"]
        monkeypatch.undo()
    assert (await get(gateway, "/v1/stats/series"))["accepted"] == 1


async def test_a_database_of_before_knows_durations_once_it_is_migrated(world: World) -> None:
    world.record()
    hostile = b'{"assigned_at":1,"completed_at":2,"started_s":3.0,"run_s":4.0,"nul":"\\u0000"}'
    request = await world.request().accept(hostile)
    await request.assign()
    await request.succeed(hostile)
    await world.live(30)
    await world.recorded()
    before = await world.fetch("SELECT rid, waited_ns, ran_s FROM requests ORDER BY rid")
    await world.execute("DROP INDEX requests_in_time")
    await world.execute("ALTER TABLE requests DROP COLUMN waited_ns, DROP COLUMN ran_s")
    await world.execute("DELETE FROM schema_migrations WHERE version = 10")
    assert await migrate(world.servers.database_url) == ["0010_durations"]
    assert await world.fetch("SELECT rid, waited_ns, ran_s FROM requests ORDER BY rid") == before
    assert len([row for row in before if row["waited_ns"] is not None and row["ran_s"] is not None]) >= 10
    report = await verify(world.servers.database_url)
    assert report.clean, report.summary()


async def test_an_administrator_sees_how_the_platform_is(world: World, gateway: Gateway) -> None:
    world.record()
    await world.request().accept(user="ada")
    await world.recorded()
    other = Liveness(world.clients["dispatcher"], "dispatcher", "d1")
    await other.announce()

    async def instances() -> dict[str, list[dict[str, Any]]]:
        found = await get(gateway, "/v1/platform", ADMIN)
        return {each["service"]: each["instances"] for each in found["services"]}

    async def there() -> bool:
        return bool((await instances())["dispatcher"])

    await until(there, "the dispatcher is seen")
    [dispatcher] = (await instances())["dispatcher"]
    assert (dispatcher["id"], dispatcher["current"]) == ("d1", True)
    assert dispatcher["version"] == (await get(gateway, "/v1/platform", ADMIN))["version"]
    assert dispatcher["since"] <= rfc3339(time.time_ns())
    assert dispatcher["host"]
    found = await get(gateway, "/v1/platform", ADMIN)
    assert [each["service"] for each in found["services"]] == ["gateway", "registry", "dispatcher", "history"]
    assert [each["id"] for each in (await instances())["gateway"]] == [found["gateway"]]
    streams = {each["name"]: each for each in found["nats"]["streams"]}
    assert {"REQUESTS", "CONNECTIONS", "DIRECTORY", "OUTPUT", "OBJ_ws_files", "KV_ws_live"} <= set(streams)
    assert (streams["REQUESTS"]["messages"], streams["REQUESTS"]["behind"]) == (1, 0)
    assert streams["REQUESTS"]["max_bytes"] == 8 * 1024**3
    assert found["nats"]["connected"] is True
    assert "@" not in "".join([found["nats"]["server"], *found["nats"]["servers"]])
    assert found["nats"]["storage_bytes"] > 0
    assert found["database"]["reachable"] is True
    assert found["database"]["size_bytes"] > 1_000_000
    assert found["database"]["conflicts"] == 0
    await other.withdraw()

    async def gone() -> bool:
        return not (await instances())["dispatcher"]

    await until(gone, "the dispatcher is gone")


async def test_what_is_not_recorded_yet_is_seen(world: World, gateway: Gateway) -> None:
    world.record(subjects.CONNECTIONS, subjects.DIRECTORY)
    recorder = world.record(subjects.REQUESTS)[0]
    await world.request().accept(user="ada")
    await world.recorded()
    recorder.cancel()
    for _ in range(3):
        await world.request().accept(user="ada")
    found = await get(gateway, "/v1/platform", ADMIN)
    [requests] = [each for each in found["nats"]["streams"] if each["name"] == "REQUESTS"]
    assert requests["behind"] == 3
    assert 0 < requests["behind_s"] < 60


async def rules(gateway: Gateway, key: str = ADA) -> list[tuple[str, str | None]]:
    found = (await get(gateway, "/v1/warnings", key))["results"]
    return [(each["rule"], each["space"] or each["subject"]) for each in found]


async def aged(world: World, seconds: int) -> None:
    """All that waits has done so for longer."""
    await world.execute("UPDATE requests SET accepted_at = accepted_at - $1 * 1000000000::bigint", seconds)


async def test_waiting_requests_without_an_agent_are_warned_of_to_whom_they_concern(world: World, gateway: Gateway) -> None:
    world.record()
    await world.request("demo").accept(user="ada")
    await world.recorded()
    assert await rules(gateway) == [], "an agent may be back in a moment"
    await aged(world, 30)
    assert await rules(gateway) == [("no_agent", "demo")]
    assert await rules(gateway, BOB) == []
    assert await rules(gateway, ONLY_OTHER) == []
    assert ("no_agent", "demo") in await rules(gateway, ADMIN)
    [found] = (await get(gateway, "/v1/warnings"))["results"]
    assert found["severity"] == "critical"
    assert found["detail"].startswith("1 request waits and no agent is connected, the oldest for 3")
    assert "demo" in found["remedy"]


async def test_a_failing_space_and_a_flapping_agent_are_warned_of(world: World, gateway: Gateway) -> None:
    world.record()
    for number in range(12):
        request = await world.request("demo").accept(user="ada")
        await request.assign()
        await (request.fail() if number % 2 else request.succeed())
    for _ in range(5):
        await disconnect(world, await connect(world, "ada/flaps", "demo"), "ada/flaps")
    for _ in range(4):
        await connect(world, "ada/calm", "demo")
    await world.recorded()
    await world.recorded(subjects.CONNECTIONS)
    assert await rules(gateway) == [("space_failing", "demo"), ("agent_flapping", "ada/flaps")]
    assert await rules(gateway, BOB) == []
    for _ in range(20):
        request = await world.request("demo").accept(user="ada")
        await request.assign()
        await request.succeed()
    await world.recorded()
    assert await rules(gateway) == [("agent_flapping", "ada/flaps")], "the latest outcomes count"


async def test_an_administrator_is_warned_of_services_that_nobody_runs(world: World, gateway: Gateway) -> None:
    world.record()
    await world.request("demo").accept(user="ada")
    await world.recorded()
    missing = [("service_missing", "dispatcher"), ("service_missing", "history"), ("service_missing", "registry")]
    assert await rules(gateway, ADMIN) == missing
    for service in ("dispatcher", "history", "registry"):
        await Liveness(world.clients[service], service, "x1").announce()

    async def well() -> bool:
        return await rules(gateway, ADMIN) == []

    await until(well, "all services run")


async def test_the_database_is_missed_and_history_says_so(world: World, gateway: Gateway, servers: Servers) -> None:
    world.record()
    nowhere = await create_pool("postgresql://nobody@127.0.0.1:1/nothing")
    found = await Standing(world.history, nowhere).operations()["record"].handler(None)
    assert isinstance(found, Record)
    assert found.reachable is False
    assert [each.behind for each in found.streams] == [None, None, None]
    await nowhere.close()
