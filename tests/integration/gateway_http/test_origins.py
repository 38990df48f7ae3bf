"""Keys that stand in web pages: what browsers are told, and who may use them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping

import msgspec
import pytest

from tests.support.bus import Bus, running_bus, until
from tests.support.http_gateway import ADA, ADMIN, Gateway, add_key, fill_directory, serve_registry_at

PAGE, HERE, ELSEWHERE = "wsk_page", "https://example.org", "https://evil.example"
SUBMIT = "/v1/spaces/demo/requests"


@pytest.fixture
async def bus() -> AsyncIterator[Bus]:
    async with running_bus() as here:
        await fill_directory(here)
        await add_key(await here.connect("registry"), PAGE, "ada", scopes=("submit",), origins=[HERE])
        await serve_registry_at(here)
        yield here


def cors(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.startswith("Access-Control-")}


async def preflight(gateway: Gateway, origin: str) -> dict[str, str]:
    answer = await gateway.call("OPTIONS", SUBMIT, key="", Origin=origin, Access_Control_Request_Method="POST")
    assert answer.status == 204
    assert "X-Request-Id" in answer.headers
    return cors(answer.headers)


async def test_browsers_are_told_what_pages_of_a_listed_origin_may_ask(gateway: Gateway) -> None:
    allowed = await preflight(gateway, HERE)
    assert allowed["Access-Control-Allow-Origin"] == HERE
    for name in ("Authorization", "Content-Type", "Prefer", "Idempotency-Key", "Upload-Offset", "Range"):
        assert name in allowed["Access-Control-Allow-Headers"]
    for method in ("POST", "HEAD", "PATCH", "OPTIONS"):
        assert method in allowed["Access-Control-Allow-Methods"]
    assert "Access-Control-Allow-Credentials" not in allowed
    assert await preflight(gateway, ELSEWHERE) == {}
    assert (await gateway.call("OPTIONS", SUBMIT, key="", Origin=HERE)).status == 405, "no question of a browser"


async def test_a_page_submits_and_sees_the_answer(gateway: Gateway) -> None:
    answer = await gateway.submit(key=PAGE, Origin=HERE)
    assert answer.status == 202
    assert answer.headers["Access-Control-Allow-Origin"] == HERE
    assert answer.headers["Vary"] == "Origin"
    exposed = answer.headers["Access-Control-Expose-Headers"]
    assert {"Location", "Retry-After", "X-Request-Id", "Idempotent-Replayed"} <= set(exposed.split(", "))
    refused = await gateway.submit(b"{}", key=PAGE, Origin=HERE)
    assert (refused.status, refused.headers["Access-Control-Allow-Origin"]) == (422, HERE)


async def test_a_page_follows_what_it_has_submitted(gateway: Gateway) -> None:
    headers = {"Authorization": f"Bearer {PAGE}", "Origin": HERE, "Accept": "text/event-stream"}
    async with contextlib.AsyncExitStack() as stack:
        stream = await stack.enter_async_context(
            gateway.http.post(gateway.url + SUBMIT, data=b'{"input":{}}', headers=headers)
        )
        assert stream.headers["Access-Control-Allow-Origin"] == HERE
        await asyncio.wait_for(stream.content.readuntil(b"event: queued"), 30)
        rid = stream.headers["Location"].rpartition("/")[2]
        assert (await gateway.call("POST", f"/v1/requests/{rid}/cancel", key=ADA)).status == 200
        assert b"event: completed" in await asyncio.wait_for(stream.content.read(), 30)


async def test_nobody_else_uses_the_key_of_a_page(gateway: Gateway) -> None:
    for headers in ({}, {"Origin": ELSEWHERE}, {"Origin": "null"}):
        answer = await gateway.submit(key=PAGE, **headers)
        assert (answer.status, answer.json["code"]) == (403, "forbidden")
        assert "`origins`" in answer.json["detail"]
        assert cors(answer.headers) == {}
    assert (await gateway.call("GET", "/v1/requests", key=PAGE, Origin=HERE)).status == 403


async def test_answers_to_other_keys_are_shown_to_no_page(gateway: Gateway) -> None:
    answer = await gateway.submit(key=ADA, Origin=HERE)
    assert (answer.status, cors(answer.headers)) == (202, {})
    assert cors((await gateway.submit(key="wsk_none", Origin=HERE)).headers) == {}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"scopes": ["submit"], "origins": [HERE, "http://localhost:3000"]}, 201),
        ({"scopes": ["submit", "read"], "origins": [HERE]}, 422),
        ({"origins": [HERE]}, 422),
        ({"kind": "agent", "spaces": ["demo"], "origins": [HERE]}, 422),
        ({"scopes": ["submit"], "origins": ["*"]}, 422),
        ({"scopes": ["submit"], "origins": [HERE, HERE]}, 422),
    ],
)
async def test_a_key_for_pages_only_submits(gateway: Gateway, body: dict[str, object], status: int) -> None:
    sent = msgspec.json.encode({"name": "page", **body})
    made = await gateway.call("POST", "/v1/keys", sent, key=ADMIN)
    assert made.status == status, made.body
    if status == 201:
        assert made.json["origins"] == sorted([HERE, "http://localhost:3000"])
        accepted = await gateway.submit(key=made.json["secret"], Origin="http://localhost:3000")
        assert accepted.headers["Access-Control-Allow-Origin"] == "http://localhost:3000"


async def test_a_page_of_a_revoked_key_is_told_no_more(gateway: Gateway) -> None:
    assert (await gateway.call("DELETE", f"/v1/keys/{PAGE}", key=ADMIN)).status == 204

    async def forgotten() -> bool:
        return await preflight(gateway, HERE) == {}

    await until(forgotten, "the preflight is refused")
