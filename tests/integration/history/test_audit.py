"""Who did what: real gateway, registry and history, nats-server and PostgreSQL."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest

from services.contracts import codec, subjects
from services.contracts.directory import SpaceResumed
from services.history.positions import Position
from services.history.requests import Message
from services.history.statements import sql
from services.history.store import write_batch
from services.runtime.loops import cancel
from tests.support.bus import Bus
from tests.support.history import World
from tests.support.http_gateway import ADA, ADMIN, Gateway, HttpAnswer, serve_registry_at
from tests.support.listing import gateway_in

HOUR_NS = 3600 * 10**9


@pytest.fixture
async def gateway(world: World) -> AsyncIterator[Gateway]:
    bus = Bus(world.servers)
    try:
        await serve_registry_at(bus)
        async with gateway_in(world) as gateway:
            world.record(subjects.DIRECTORY)
            yield gateway
    finally:
        await bus.close()


async def do(gateway: Gateway, method: str, path: str, body: Any = None, key: str = ADMIN) -> HttpAnswer:
    answer = await gateway.call(method, path, None if body is None else msgspec.json.encode(body), key=key)
    assert answer.status < 300, answer.body
    return answer


async def page(gateway: Gateway, **filters: str | list[str]) -> Any:
    return (await do(gateway, "GET", f"/v1/audit?{urlencode(filters, doseq=True)}")).json


async def types(gateway: Gateway, **filters: str | list[str]) -> list[str]:
    return [each["type"] for each in (await page(gateway, **filters))["results"]]


async def test_what_was_done_just_now_is_told_with_its_actor_and_without_secrets(gateway: Gateway) -> None:
    await do(gateway, "PATCH", "/v1/users/bob", {"role": "admin"})
    told = (await page(gateway))["results"][0]
    assert told["type"] == "user_role_set"
    assert told["actor"] == {"id": "root", "email": "root@example.org"}
    assert told["subject"] == {"kind": "user", "id": "bob", "name": "bob@example.org"}
    assert told["event"]["role"] == "admin"
    assert (told["id"], told["at"].endswith("Z")) == (told["event"]["id"], True)
    await do(gateway, "POST", "/v1/users/ada/password-reset")
    await do(gateway, "POST", "/v1/users", {"email": "new@example.org", "password": "long enough"})
    everything = (await page(gateway, limit="100"))["results"]
    assert {"password_reset_made", "user_created", "api_key_created"} <= {each["type"] for each in everything}
    assert not [name for each in everything for name in each["event"] if "hash" in name]
    assert everything[-1]["actor"] is None, "the directory was filled by the system"


async def test_a_revoked_key_is_told_with_its_name_and_owner(gateway: Gateway) -> None:
    made = (await do(gateway, "POST", "/v1/keys", {"name": "nightly", "scopes": ["read"]}, ADA)).json
    await do(gateway, "DELETE", f"/v1/keys/{made['id']}")
    revoked, created = (await page(gateway, user="ada@example.org", limit="2"))["results"]
    assert (revoked["type"], created["type"]) == ("key_revoked", "api_key_created")
    assert revoked["subject"] == created["subject"] == {"kind": "key", "id": made["id"], "name": "nightly"}
    assert revoked["user"] == created["user"] == {"id": "ada", "email": "ada@example.org"}
    assert (revoked["actor"]["id"], created["actor"]["id"]) == ("root", "ada")


async def test_filters(gateway: Gateway) -> None:
    await do(gateway, "POST", "/v1/spaces", {"id": "mine", "title": "Mine"}, ADA)
    await do(gateway, "PUT", "/v1/spaces/mine/members/bob", {"role": "viewer"}, ADA)
    await do(gateway, "POST", "/v1/spaces/demo/pause")
    await do(gateway, "POST", "/v1/users/bob/disable")
    assert await types(gateway, space="mine") == ["space_member_set", "space_created"]
    assert await types(gateway, actor="ada") == ["space_member_set", "space_created"]
    assert (await types(gateway, user="bob"))[:2] == ["user_disabled", "space_member_set"]
    assert (await types(gateway, user="ada"))[0] == "space_created"
    assert await types(gateway, actor="root", type=["user_disabled", "space_paused"]) == ["user_disabled", "space_paused"]
    assert await types(gateway, type="user_disabled,space_paused", limit="1") == ["user_disabled"]
    assert set(await types(gateway, actor="system")) == {
        "user_created",
        "space_created",
        "api_key_created",
        "agent_key_created",
    }
    paused = (await page(gateway, type="space_paused"))["results"][0]["at"]
    assert await types(gateway, since=paused) == ["user_disabled", "space_paused"]
    assert (await types(gateway, until=paused))[0] == "space_member_set"


async def test_pages_follow_each_other_without_gap_or_repetition(gateway: Gateway) -> None:
    whole = await page(gateway, limit="100")
    ids = [each["id"] for each in whole["results"]]
    assert len(ids) == len(set(ids)) > 6
    found, cursors, at = [], [], await page(gateway, limit="3")
    while at["next"] is not None:
        found += [each["id"] for each in at["results"]]
        cursors.append(at["next"])
        at = await page(gateway, limit="3", cursor=cursors[-1])
    assert found + [each["id"] for each in at["results"]] == ids
    await do(gateway, "POST", "/v1/spaces/demo/pause")
    back = await page(gateway, limit="3", cursor=at["previous"])
    assert [each["id"] for each in back["results"]] == found[-3:]


@pytest.mark.parametrize(
    ("query", "status"),
    [("type=user_eaten", 400), ("actor=nobody", 404), ("user=nobody", 404), ("space=nowhere", 404), ("cursor=x", 400)],
)
async def test_what_cannot_be_meant_is_refused(gateway: Gateway, query: str, status: int) -> None:
    assert (await gateway.call("GET", f"/v1/audit?{query}", key=ADMIN)).status == status


async def test_what_a_recovery_has_appended_again_is_told_once_and_when_it_was_done(world: World, gateway: Gateway) -> None:
    await do(gateway, "POST", "/v1/spaces/demo/pause")
    before = (await page(gateway, limit="100"))["results"]
    await cancel(world.tasks)
    resumed = SpaceResumed(id="e1", prev_seq=1, actor="user:root", space="demo")
    async with world.pool.acquire() as connection:
        stored = await connection.fetch(
            "SELECT seq, at, subject, data FROM event_log WHERE stream = 'DIRECTORY' ORDER BY seq"
        )
        last = stored[-1]
        again: list[Message] = [(seq + 1000, at + HOUR_NS, subject, data) for seq, at, subject, data in stored]
        further = last["seq"] + 1001, last["at"] + 2 * HOUR_NS, "ws.dir.space.demo.space_resumed"
        first = again[0][0]
        await connection.execute(sql("turn_to_epoch"), subjects.DIRECTORY, 2, first)
        messages = [*again, (*further, codec.directory.encode(resumed))]
        await write_batch(connection, subjects.DIRECTORY, Position(2, first, first - 1), messages)
    told = (await page(gateway, limit="100"))["results"]
    assert (told[0]["type"], told[1:]) == ("space_resumed", before)
    assert await types(gateway, space="demo") == ["space_resumed", "space_paused", "space_created"]
