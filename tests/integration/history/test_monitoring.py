"""Connections of agents and numbers of requests over HTTP, with real gateway, history, nats-server and PostgreSQL."""

import os
from typing import Any
from urllib.parse import urlencode

import pytest

from services.contracts import subjects
from services.contracts.connections import Connected, Disconnected
from tests.support.history import World, write_connection
from tests.support.http_gateway import ADA, ADMIN, AGENT, BOB, ONLY_OTHER, Gateway


async def get(gateway: Gateway, path: str, key: str = ADA, **query: str) -> Any:
    answer = await gateway.call("GET", f"{path}?{urlencode(query)}", key=key)
    assert answer.status == 200, answer.body
    return answer.json


async def connect(world: World, agent: str, *spaces: str) -> str:
    """An agent connects; its connection."""
    conn = os.urandom(8).hex()
    told: dict[str, Any] = {"boot_id": "b", "slots": 4, "version": "1.2.3", "address": "192.0.2.7"}
    await write_connection(
        world, Connected(id=f"c{conn}", conn=conn, agent=agent, gateway="gateway-1", spaces=list(spaces), **told)
    )
    return conn


async def disconnect(world: World, conn: str, agent: str, reason: str, code: int) -> None:
    ended = Disconnected(
        id=f"d{conn}", conn=conn, agent=agent, gateway="gateway-1", reason=reason, code=code, connected_s=1.5
    )
    await write_connection(world, ended)


async def seen(gateway: Gateway, key: str = ADA, **query: str) -> list[str]:
    return [each["id"] for each in (await get(gateway, "/v1/connections", key, **query))["results"]]


async def test_a_connection_is_shown_with_the_reason_of_its_end(world: World, gateway: Gateway) -> None:
    world.record()
    first = await connect(world, "ada/gpu", "demo")
    await disconnect(world, first, "ada/gpu", "the heartbeats stopped", 1006)
    second = await connect(world, "ada/gpu", "demo", "other")
    await world.refuse("0" * 34)
    await world.recorded(subjects.CONNECTIONS)
    page = await get(gateway, "/v1/connections")
    assert (page["next"], page["previous"]) == (None, None)
    lasting, over = page["results"]
    assert (lasting["id"], lasting["spaces"], lasting["disconnected_at"], lasting["reason"]) == (
        second,
        ["demo", "other"],
        None,
        None,
    )
    assert over.pop("connected_at") < over.pop("disconnected_at") < lasting["connected_at"]
    assert over == {
        "id": first,
        "agent": "ada/gpu",
        "gateway": "gateway-1",
        "spaces": ["demo"],
        "slots": 4,
        "version": "1.2.3",
        "address": "192.0.2.7",
        "connected_s": 1.5,
        "reason": "the heartbeats stopped",
        "cause": "lost",
        "code": 1006,
    }


async def test_pages_of_connections_stay_in_place_while_agents_connect(world: World, gateway: Gateway) -> None:
    world.record()
    conns = [await connect(world, f"ada/gpu-{number % 3}", "demo") for number in range(25)][::-1]
    await world.recorded(subjects.CONNECTIONS)
    page = await get(gateway, "/v1/connections", limit="7")
    shown = [each["id"] for each in page["results"]]
    newer = []
    while page["next"] is not None:
        newer.append(await connect(world, "ada/new", "demo"))
        page = await get(gateway, "/v1/connections", limit="7", cursor=page["next"])
        shown += [each["id"] for each in page["results"]]
    assert shown == conns
    await world.recorded(subjects.CONNECTIONS)
    back: list[str] = []
    while page["previous"] is not None:
        page = await get(gateway, "/v1/connections", limit="7", cursor=page["previous"])
        back = [each["id"] for each in page["results"]] + back
    assert back == [*newer[::-1], *conns[:21]]
    assert await seen(gateway, agent="ada/gpu-1", limit="3") == conns[2::3][:3]


async def test_who_sees_which_connections(world: World, gateway: Gateway) -> None:
    world.record()
    demo, both = await connect(world, "ada/a", "demo"), await connect(world, "ada/b", "demo", "other")
    other, bobs = await connect(world, "ada/c", "other"), await connect(world, "bob/a", "demo")
    await world.recorded(subjects.CONNECTIONS)
    assert await seen(gateway) == [other, both, demo]
    assert await seen(gateway, BOB) == [bobs]
    assert await seen(gateway, ADMIN) == [bobs, other, both, demo]
    assert await seen(gateway, ONLY_OTHER) == [other], "not one that also serves what the key is not for"
    assert await seen(gateway, space="other") == [other, both]
    assert await seen(gateway, ONLY_OTHER, space="other") == [other]
    assert await seen(gateway, ADMIN, agent="bob/a") == [bobs]
    assert await seen(gateway, ADA, agent="bob/a") == []


async def test_numbers_of_requests(world: World, gateway: Gateway) -> None:
    world.record()
    for number in range(12):
        request = await world.request("demo" if number < 10 else "other").accept(user="ada" if number else "bob")
        if number < 8:
            await request.assign()
            await (request.fail() if number == 7 else request.succeed())
        elif number == 8:
            await request.cancel()
        elif number == 10:
            await request.expire()
    found = await get(gateway, "/v1/stats")
    assert (found["space"], found["window_s"], found["accepted"]) == (None, 3600, 11)
    assert found["ended"] == {"succeeded": 6, "failed": 1, "canceled": 1, "expired": 1}
    assert found["success_rate"] == 0.75
    assert found["throughput"] == round(9 / 3600, 6)
    assert found["run_s"] == {"p50": 0.5, "p95": 0.5, "p99": 0.5}
    assert 0 < found["queue_s"]["p50"] <= found["queue_s"]["p99"] < 60
    assert found["sampled"] == 7
    demo = await get(gateway, "/v1/stats", space="demo", window="5m")
    assert (demo["space"], demo["window_s"], demo["accepted"], demo["ended"]["expired"]) == ("demo", 300, 9, 0)
    everybody = await get(gateway, "/v1/stats", ADMIN, window="24h")
    assert (everybody["accepted"], everybody["ended"]["succeeded"]) == (12, 7)
    only = await get(gateway, "/v1/stats", ONLY_OTHER)
    assert (only["accepted"], only["success_rate"], only["queue_s"], only["run_s"]) == (2, 0.0, None, None)


async def test_what_ended_before_the_window_does_not_count(world: World, gateway: Gateway) -> None:
    world.record()
    request = await world.request().accept(user="ada")
    await request.cancel()
    assert (await get(gateway, "/v1/stats", window="5m"))["ended"]["canceled"] == 1
    await world.execute("UPDATE requests SET completed_at = completed_at - 301 * 1000000000::bigint")
    assert (await get(gateway, "/v1/stats", window="5m"))["ended"]["canceled"] == 0
    assert (await get(gateway, "/v1/stats", window="1h"))["ended"]["canceled"] == 1


@pytest.mark.parametrize("path", ["/v1/connections", "/v1/stats"])
async def test_what_is_refused(gateway: Gateway, path: str) -> None:
    wrong = "cursor=x" if path == "/v1/connections" else "window=2h"
    for key, query, status, code in [
        ("", "", 401, "unauthenticated"),
        ("wsk_wrong", "", 401, "unauthenticated"),
        (AGENT, "", 403, "forbidden"),
        (ONLY_OTHER, "space=demo", 403, "forbidden"),
        (ADA, "space=nowhere", 404, "not_found"),
        (ADA, "user=bob", 400, "invalid_request"),
        (ADA, wrong, 400, "invalid_cursor" if "cursor" in wrong else "invalid_request"),
    ]:
        answer = await gateway.call("GET", f"{path}?{query}", key=key)
        assert (answer.status, answer.json["code"]) == (status, code), query
    if path == "/v1/stats":
        assert (await gateway.call("GET", f"{path}?limit=5")).status == 400, "it is no list"
