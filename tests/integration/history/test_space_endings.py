"""Purging and deleting spaces: two gateways, a registry and history on real servers."""

import asyncio
from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest

from services.contracts.events import Canceled
from services.contracts.lists import MAX_LIMIT
from services.gateway.canceling import Cancellations
from services.gateway.inventory import Inventory
from services.gateway.purging import Purges
from services.gateway.reading import Reader
from services.runtime.append import Superseded
from tests.support.bus import Bus, until
from tests.support.elsewhere import Elsewhere
from tests.support.history import World
from tests.support.http_gateway import ADA, ADMIN, AGENT, BOB, ONLY_OTHER, Gateway, running_gateway, serve_registry_at
from tests.support.listing import gateway_in


class Pair(NamedTuple):
    """Two gateways, and the rest."""

    one: Gateway
    other: Gateway
    elsewhere: Elsewhere


@pytest.fixture
async def pair(world: World) -> AsyncIterator[Pair]:
    bus = Bus(world.servers)
    try:
        async with gateway_in(world) as one, running_gateway(bus) as other:
            await serve_registry_at(bus)
            yield Pair(one, other, await Elsewhere.connect(bus))
    finally:
        await bus.close()


async def submitted(gateway: Gateway, count: int, key: str = ADA) -> list[str]:
    answers = await asyncio.gather(*(gateway.submit(key=key) for _ in range(count)))
    assert {answer.status for answer in answers} == {202}
    return [answer.json["id"] for answer in answers]


async def made(pair: Pair) -> None:
    """The space `new` of ada's, of which both gateways know."""
    assert (await pair.one.call("POST", "/v1/spaces", b'{"id":"new"}')).status == 201

    async def known() -> bool:
        return (await pair.other.call("GET", "/v1/spaces/new")).status == 200

    await until(known, "the other gateway has seen it")


async def status(gateway: Gateway, rid: str) -> str:
    return str((await gateway.read(rid, key=ADMIN)).json["status"])


async def test_a_purge_cancels_what_waits_in_the_space_and_nothing_else(world: World, pair: Pair) -> None:
    world.record()
    waiting = await submitted(pair.one, 3) + await submitted(pair.other, 2, BOB)
    [running] = await submitted(pair.other, 1)
    elsewhere = (await pair.one.submit(space="other")).json["id"]
    await pair.elsewhere.assign(running)
    purged = await pair.one.call("POST", "/v1/spaces/demo/queue/purge", key=ADMIN)
    assert (purged.status, purged.json) == (200, {"canceled": 5, "more": False})
    assert {await status(pair.other, rid) for rid in waiting} == {"canceled"}
    assert (await status(pair.one, running), await status(pair.one, elsewhere)) == ("processing", "queued")
    for rid in waiting:
        event, _ = await pair.elsewhere.last(rid)
        assert isinstance(event, Canceled)
        assert event.actor == "user:root"
    again = await pair.other.call("POST", "/v1/spaces/demo/queue/purge", key=ADMIN)
    assert again.json == {"canceled": 0, "more": False}


async def test_of_two_purges_at_once_each_request_is_counted_by_one(world: World, pair: Pair) -> None:
    world.record()
    await submitted(pair.one, 130)
    purged = await asyncio.gather(
        *(gateway.call("POST", "/v1/spaces/demo/queue/purge", key=ADMIN) for gateway in (pair.one, pair.other))
    )
    assert [answer.status for answer in purged] == [200, 200]
    assert sum(answer.json["canceled"] for answer in purged) == 130


async def test_a_purge_while_others_submit_and_assign_leaves_every_request_in_one_state(world: World, pair: Pair) -> None:
    world.record()
    waiting = await submitted(pair.one, 40)

    async def assign(rid: str) -> bool:
        try:
            await pair.elsewhere.assign(rid)
        except (Superseded, AssertionError):  # the purge was first
            return False
        return True

    purge, assigned, later = await asyncio.gather(
        pair.other.call("POST", "/v1/spaces/demo/queue/purge", key=ADMIN),
        asyncio.gather(*map(assign, waiting[::2])),
        submitted(pair.one, 20),
    )
    assert purge.status == 200
    assert [await status(pair.one, rid) for rid in waiting[1::2]] == ["canceled"] * 20
    for rid, won in zip(waiting[::2], assigned, strict=True):
        assert await status(pair.one, rid) == ("processing" if won else "canceled")
    ended = [await status(pair.one, rid) for rid in later]
    assert set(ended) <= {"queued", "canceled"}
    assert purge.json["canceled"] == 20 + assigned.count(False) + ended.count("canceled")


async def test_what_is_assigned_after_it_was_found_waiting_is_left_alone_until_it_waits_again(
    world: World, pair: Pair
) -> None:
    [rid] = await submitted(pair.one, 1)
    reader = Reader(world.clients["gateway"])
    cancellations = Cancellations(world.clients["gateway"], reader)
    found = await reader.read(rid)
    assert found is not None
    await pair.elsewhere.assign(rid)
    assert not await cancellations.withdraw(found, "root")
    assert await status(pair.one, rid) == "processing"
    await pair.elsewhere.requeue(rid)
    assert await cancellations.withdraw(found, "root")
    assert await status(pair.one, rid) == "canceled"


async def test_a_purge_that_has_no_more_time_says_that_more_wait(world: World, pair: Pair) -> None:
    world.record()
    await submitted(pair.one, MAX_LIMIT + 1)
    reader = Reader(world.clients["gateway"])
    inventory = Inventory(world.clients["gateway"], reader)
    purges = Purges(inventory, Cancellations(world.clients["gateway"], reader), limit_s=0)
    first, second = [await purges.purge("demo", "root") for _ in range(2)]
    assert (first.canceled, first.more) == (MAX_LIMIT, True)
    assert second.canceled == 1


async def test_without_history_nothing_is_purged_or_deleted(pair: Pair) -> None:
    await submitted(pair.one, 1)
    purged = await pair.one.call("POST", "/v1/spaces/demo/queue/purge", key=ADMIN)
    deleted = await pair.one.call("DELETE", "/v1/spaces/demo", key=ADMIN)
    assert [(answer.status, answer.json["code"]) for answer in (purged, deleted)] == [(503, "unavailable")] * 2


async def test_a_space_with_open_requests_is_deleted_only_after_they_have_ended(world: World, pair: Pair) -> None:
    world.record()
    waiting, running = await submitted(pair.one, 2)
    await pair.elsewhere.assign(running)

    async def delete(gateway: Gateway) -> int:
        return (await gateway.call("DELETE", "/v1/spaces/demo", key=ADMIN)).status

    refused = await pair.other.call("DELETE", "/v1/spaces/demo", key=ADMIN)
    assert (refused.status, refused.json["code"]) == (409, "space_in_use")
    assert "purge" in refused.json["detail"]
    assert (await pair.one.call("POST", "/v1/spaces/demo/queue/purge", key=ADMIN)).json["canceled"] == 1
    assert await delete(pair.other) == 409
    await pair.elsewhere.succeed(running)
    assert await delete(pair.other) == 204
    assert [await status(pair.other, rid) for rid in (waiting, running)] == ["canceled", "succeeded"]


async def test_a_deleted_space_is_gone_and_its_name_is_not_given_again(pair: Pair) -> None:
    await made(pair)
    deleted = await pair.other.call("DELETE", "/v1/spaces/new")
    assert (deleted.status, deleted.body) == (204, b"")
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/requests"), ("PATCH", ""), ("POST", "/queue/purge")):
        answer = await pair.other.call(method, f"/v1/spaces/new{path}", b'{"input":{}}')
        assert (answer.status, answer.json["code"]) == (404, "not_found"), (method, path)
    again = await pair.one.call("POST", "/v1/spaces", b'{"id":"new"}')
    assert (again.status, again.json["code"]) == (409, "exists")


async def test_only_its_owner_or_an_administrator_purges_or_deletes_a_space(pair: Pair) -> None:
    await made(pair)
    for method, path in (("POST", "/queue/purge"), ("DELETE", "")):
        for key in (BOB, ONLY_OTHER, AGENT):
            refused = await pair.other.call(method, f"/v1/spaces/new{path}", key=key)
            assert (refused.status, refused.json["code"]) == (403, "forbidden")
        assert (await pair.other.call(method, f"/v1/spaces/new{path}", key=ADMIN)).status in {200, 204}


async def test_of_an_edit_and_a_deletion_at_once_the_space_is_gone(pair: Pair) -> None:
    await made(pair)
    edited, deleted = await asyncio.gather(
        pair.one.call("PATCH", "/v1/spaces/new", b'{"title":"x"}'), pair.other.call("DELETE", "/v1/spaces/new")
    )
    assert (edited.status in {200, 404}, deleted.status) == (True, 204)
    assert (await pair.other.call("GET", "/v1/spaces/new")).status == 404
