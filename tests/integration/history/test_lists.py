"""Lists of requests over HTTP, with a real gateway, history, nats-server and PostgreSQL."""

import asyncio
from typing import Any
from urllib.parse import urlencode

import pytest

from services.contracts.instants import rfc3339
from services.history import lists
from services.history.statements import sql
from tests.support.history import Request, World
from tests.support.http_gateway import ADA, ADMIN, AGENT, BOB, ONLY_OTHER, Gateway, HttpAnswer


async def listed(gateway: Gateway, key: str = ADA, **filters: str | list[str]) -> Any:
    answer = await asked(gateway, key, **filters)
    assert answer.status == 200, answer.body
    return answer.json


async def asked(gateway: Gateway, key: str = ADA, **filters: str | list[str]) -> HttpAnswer:
    return await gateway.call("GET", f"/v1/requests?{urlencode(filters, doseq=True)}", key=key)


async def ids(gateway: Gateway, key: str = ADA, **filters: str | list[str]) -> list[str]:
    return [each["id"] for each in (await listed(gateway, key, **filters))["results"]]


async def everything(gateway: Gateway, key: str = ADA, **filters: str) -> list[str]:
    """All pages, one after the other."""
    page = await listed(gateway, key, **filters)
    found = page["results"]
    while page["next"] is not None:
        page = await listed(gateway, key, **filters, cursor=page["next"])
        found += page["results"]
    return [each["id"] for each in found]


async def accepted(world: World, count: int, user: str = "ada", space: str = "demo") -> list[Request]:
    """So many requests, the newest first."""
    return [await world.request(space).accept(user=user) for _ in range(count)][::-1]


async def test_what_is_listed_is_the_request_without_input_and_output(world: World, gateway: Gateway) -> None:
    world.record()
    request = await world.request().accept(b'{"secret":"sesame"}', user="ada", metadata={"n": 1})
    await request.assign()
    await request.succeed(b'"abracadabra"')
    page = await listed(gateway)
    whole = (await gateway.read(request.rid)).json
    assert page == {
        "results": [{k: v for k, v in whole.items() if k not in {"input", "output", "queue", "progress"}}],
        "next": None,
        "previous": None,
    }
    assert (whole["input"], whole["user"], whole["erased"]) == ({"secret": "sesame"}, "ada", False)


async def test_a_client_finds_what_it_was_just_told(world: World, gateway: Gateway) -> None:
    world.record()
    for _ in range(20):
        rid = (await gateway.submit()).json["id"]
        assert rid in await ids(gateway, status="queued")
        await gateway.call("POST", f"/v1/requests/{rid}/cancel")
        assert rid not in await ids(gateway, status="queued")
        assert rid in await ids(gateway, status="canceled")


async def test_what_is_not_recorded_in_time_is_left_out(
    world: World, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorders = world.record()
    known = await accepted(world, 1)
    await world.recorded()
    for recorder in recorders:
        recorder.cancel()
    await asyncio.wait(recorders)
    world.tasks.clear()
    monkeypatch.setattr(lists, "RECORDED_S", 0.1)
    await gateway.submit()
    assert await ids(gateway) == [known[0].rid]


async def test_filters(world: World, gateway: Gateway) -> None:
    world.record()
    here, there = await accepted(world, 2), await accepted(world, 2, space="other")
    await here[0].cancel()
    await there[0].expire()
    await there[1].assign()
    everyone = [*there, *here]
    rids = [request.rid for request in everyone]
    assert await ids(gateway) == rids
    assert await ids(gateway, space="demo") == rids[2:]
    assert await ids(gateway, status=["canceled", "expired"]) == [rids[0], rids[2]]
    assert await ids(gateway, status="canceled,queued", space="demo") == rids[2:]
    assert await ids(gateway, status=["queued", "processing"]) == [rids[1], rids[3]]
    assert await ids(gateway, status="failed") == []
    instants = {state.rid: rfc3339(state.accepted_at) for state in (await world.states()).values()}
    assert await ids(gateway, created_after=instants[rids[1]]) == rids[:2]
    assert await ids(gateway, created_before=instants[rids[1]]) == rids[2:]
    assert await ids(gateway, created_after=instants[rids[2]], created_before=instants[rids[0]]) == rids[1:3]


async def test_pages_have_no_gap_and_no_repeat_while_requests_arrive(world: World, gateway: Gateway) -> None:
    world.record()
    before = [request.rid for request in await accepted(world, 45)]
    others = await accepted(world, 5, "bob")
    async with world.living():
        assert await everything(gateway, limit="7") == before
        shown = await everything(gateway, ADMIN, limit="100")
    assert len(set(shown)) == len(shown)
    assert {*before, *(request.rid for request in others)} <= set(shown)
    ordered = sorted((await world.states()).values(), key=lambda state: (state.accepted_at, state.rid), reverse=True)
    assert await everything(gateway, ADMIN, limit="50") == [state.rid for state in ordered]


async def test_previous_leads_back_to_what_has_arrived_since(world: World, gateway: Gateway) -> None:
    world.record()
    first = [request.rid for request in await accepted(world, 30)]
    page = await listed(gateway, limit="10")
    page = await listed(gateway, limit="10", cursor=page["next"])
    newer = [request.rid for request in await accepted(world, 5)]
    back = await listed(gateway, limit="10", cursor=page["previous"])
    assert [each["id"] for each in back["results"]] == first[:10]
    newest = await listed(gateway, limit="10", cursor=back["previous"])
    assert [each["id"] for each in newest["results"]] == newer
    assert newest["previous"] is None
    again = await listed(gateway, limit="10", cursor=newest["next"])
    assert [each["id"] for each in again["results"]] == first[:10]


async def test_a_page_of_large_requests_is_shorter_and_goes_on(
    world: World, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "PAGE_BYTES", 20_000)
    world.record()
    rids = [(await world.request().accept(user="ada", metadata={"x": "y" * 8000})).rid for _ in range(7)][::-1]
    page = await listed(gateway)
    assert [each["id"] for each in page["results"]] == rids[:3]
    assert await everything(gateway) == rids


@pytest.mark.parametrize(
    ("key", "filters", "seen"),
    [
        (ADA, {}, {"ada demo", "ada other"}),
        (ADA, {"user": "ada"}, {"ada demo", "ada other"}),
        (ADA, {"user": "ADA@example.org", "space": "other"}, {"ada other"}),
        (BOB, {}, {"bob demo"}),
        (ONLY_OTHER, {}, {"ada other"}),
        (ONLY_OTHER, {"space": "other"}, {"ada other"}),
        (ADMIN, {}, {"ada demo", "ada other", "bob demo"}),
        (ADMIN, {"user": "bob"}, {"bob demo"}),
        (ADMIN, {"user": "ada@example.org", "space": "demo"}, {"ada demo"}),
    ],
)
async def test_who_sees_what(world: World, gateway: Gateway, key: str, filters: dict[str, str], seen: set[str]) -> None:
    world.record()
    for user, space in (("ada", "demo"), ("ada", "other"), ("bob", "demo")):
        await world.request(space).accept(user=user)
    page = await listed(gateway, key, **filters)
    assert {f"{each['user']} {each['space']}" for each in page["results"]} == seen


async def test_what_is_refused(gateway: Gateway) -> None:
    for key, query, status, code in [
        ("", "", 401, "unauthenticated"),
        ("wsk_wrong", "", 401, "unauthenticated"),
        (AGENT, "", 403, "forbidden"),
        (ADA, "user=bob", 403, "forbidden"),
        (ADA, "user=nobody", 403, "forbidden"),
        (ADMIN, "user=nobody", 404, "not_found"),
        (ONLY_OTHER, "space=demo", 403, "forbidden"),
        (ADA, "space=nowhere", 404, "not_found"),
        (ADA, "stauts=failed", 400, "invalid_request"),
        (ADA, "limit=1000", 400, "invalid_request"),
        (ADA, "cursor=1-2-3", 400, "invalid_cursor"),
    ]:
        answer = await gateway.call("GET", f"/v1/requests?{query}", key=key)
        assert (answer.status, answer.json["code"]) == (status, code), query


async def test_without_postgresql_it_is_unavailable(world: World, gateway: Gateway) -> None:
    await asyncio.to_thread(world.servers.postgres.stop)
    try:
        answer = await asked(gateway)
    finally:
        await asyncio.to_thread(world.servers.postgres.start)
    assert (answer.status, answer.json["code"]) == (503, "unavailable")


async def test_each_list_finds_its_index(world: World) -> None:
    """On many rows no list reads more than it shows."""
    await world.execute(
        "INSERT INTO requests SELECT lpad(n::text, 34, '0'), 1, 0, 'space' || n % 50, 'user' || n % 50, 'succeeded', 1,"
        " n, n, n, n, '{}' FROM generate_series(1, 50000) AS n"
    )
    await world.execute("ANALYZE requests")
    everything = (None, None, None, None, False, 0, 2**62, 2**62, "", 21)
    for number, value in ((None, None), (0, "user7"), (1, "space7")):
        values = list(everything)
        if number is not None:
            values[number] = value
        async with world.pool.acquire() as connection, connection.transaction(readonly=True):
            await connection.execute(sql("custom_plans"))
            for _ in range(7):  # after five times a plan may be kept for any value
                plan = await connection.fetch(f"EXPLAIN (ANALYZE, BUFFERS) {sql('requests_older')}", *values)
        text = "\n".join(row[0] for row in plan)
        assert "Rows Removed by Filter" not in text, text
        assert "Sort" not in text, text
