"""Keys and users over HTTP, with a registry and two gateways."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from services.contracts import codec, subjects
from services.contracts.events import Accepted, Limits
from services.contracts.ids import secret_hash
from services.contracts.instants import nanoseconds
from services.runtime import jetstream
from spaces_agent import frames
from tests.support.bus import Bus, running_bus, until
from tests.support.http_gateway import (
    ADA,
    ADMIN,
    BOB,
    SCOPES,
    Gateway,
    HttpAnswer,
    add_key,
    fill_directory,
    running_gateway,
    serve_registry_at,
)
from tests.support.readers import Reader

LIMITED, READER = "wsk_limited", "wsk_manages_and_reads"
EFFECT_S = 1.0
"""Within which a revocation is in effect at every gateway."""


@pytest.fixture
async def bus() -> AsyncIterator[Bus]:
    async with running_bus() as here:
        await fill_directory(here)
        registry = await here.connect("registry")
        await add_key(registry, LIMITED, "root", spaces=["demo"])
        await add_key(registry, READER, "ada", scopes=("manage", "read"))
        await serve_registry_at(here)
        yield here


@pytest.fixture
async def other(bus: Bus) -> AsyncIterator[Gateway]:
    async with running_gateway(bus) as here:
        yield here


async def make(gateway: Gateway, key: str = ADA, **body: Any) -> HttpAnswer:
    return await gateway.call("POST", "/v1/keys", msgspec.json.encode({"name": "new", **body}), key=key)


async def user_of(gateway: Gateway, key: str) -> int:
    return (await gateway.call("GET", "/v1/users/me", key=key)).status


async def test_a_key_is_made_shown_once_and_good_at_once(gateway: Gateway, bus: Bus) -> None:
    made = await make(gateway, spaces=["demo"], scopes=["read", "submit"], expires_in_s=60)
    assert made.status == 201
    secret = made.json["secret"]
    assert secret.startswith("wsk_")
    assert (await gateway.submit(key=secret)).status == 202
    assert (await gateway.submit(key=secret, space="other")).status == 403
    assert (await gateway.call("GET", "/v1/keys", key=secret)).status == 403
    listed = await gateway.call("GET", "/v1/keys")
    [shown] = [each for each in listed.json["results"] if each["id"] == made.json["id"]]
    assert made.json == {**shown, "secret": secret, "last_used_at": None}
    assert shown["last_used_at"] is not None
    assert secret.encode() not in listed.body
    assert secret_hash(secret).encode() not in listed.body


async def test_every_key_is_told_what_it_is(gateway: Gateway) -> None:
    made = (await make(gateway, spaces=["demo"], scopes=["submit"], expires_in_s=60, max_in_flight=2)).json
    told = (await gateway.call("GET", "/v1/keys/me", key=made["secret"])).json
    assert {**told, "last_used_at": None} == {name: value for name, value in made.items() if name != "secret"}
    assert told["last_used_at"] is not None


async def test_who_lists_keys_sees_their_own_and_an_administrator_all(gateway: Gateway) -> None:
    async def seen(key: str, query: str = "") -> set[str]:
        answer = await gateway.call("GET", f"/v1/keys{query}", key=key)
        return {each["id"] for each in answer.json["results"]}

    assert ADA in await seen(ADA)
    assert await seen(BOB) == {BOB}
    assert await seen(ADMIN, "?user=bob") == {BOB}
    assert {ADA, BOB, ADMIN} <= await seen(ADMIN, "?user=")
    assert (await gateway.call("GET", "/v1/keys?user=bob")).status == 403
    assert await seen(LIMITED, "?user=") == {LIMITED, "wsa_agent"}, "only what is for its spaces alone"


@pytest.mark.parametrize(
    ("key", "body", "status"),
    [
        (READER, {}, 403),
        (READER, {"scopes": ["read", "submit"]}, 403),
        (READER, {"scopes": ["read"]}, 201),
        (LIMITED, {"spaces": ["other"]}, 403),
        (LIMITED, {"spaces": ["demo", "other"]}, 403),
        (LIMITED, {"spaces": []}, 403),
        (LIMITED, {"spaces": ["demo"]}, 201),
        (LIMITED, {"kind": "agent", "spaces": ["other"]}, 403),
        (LIMITED, {"kind": "agent"}, 201),
        (ADA, {"user": "bob"}, 403),
        (ADMIN, {"user": "bob"}, 201),
        (ADMIN, {"user": "nobody"}, 403),
        (ADA, {"kind": "agent", "spaces": ["demo"]}, 403),
        (ADMIN, {"kind": "agent", "spaces": ["demo"], "user": "bob"}, 403),
        (ADMIN, {"kind": "agent"}, 422),
        (ADMIN, {"kind": "agent", "spaces": ["demo"], "scopes": ["read"]}, 422),
        (ADMIN, {"spaces": ["nowhere"]}, 422),
        (ADMIN, {"scopes": []}, 422),
        (ADMIN, {"scopes": ["everything"]}, 422),
        (ADMIN, {"expires_in_s": 0}, 422),
        (ADMIN, {"name": ""}, 422),
        (ADMIN, {"nmae": ""}, 422),
    ],
)
async def test_a_key_makes_none_that_may_do_more(gateway: Gateway, key: str, body: dict[str, Any], status: int) -> None:
    answer = await make(gateway, key, **body)
    assert answer.status == status, answer.body
    if status == 201 and key == LIMITED:
        assert answer.json["spaces"] == ["demo"]


async def test_a_key_makes_none_of_which_more_runs_at_once(gateway: Gateway) -> None:
    mother = (await make(gateway, scopes=list(SCOPES), max_in_flight=4)).json
    assert mother["max_in_flight"] == 4
    for more in (5, None):
        assert (await make(gateway, mother["secret"], max_in_flight=more)).status == 403
    fewer, same = [(await make(gateway, mother["secret"], **each)).json for each in ({"max_in_flight": 1}, {})]
    assert (fewer["max_in_flight"], same["max_in_flight"]) == (1, 4)
    listed = (await gateway.call("GET", "/v1/keys")).json["results"]
    assert {each["id"]: each["max_in_flight"] for each in listed}[fewer["id"]] == 1


@pytest.mark.parametrize("body", [{"max_in_flight": 0}, {"kind": "agent", "spaces": ["demo"], "max_in_flight": 1}])
async def test_a_limit_that_no_key_can_have_is_pointed_at(gateway: Gateway, body: dict[str, Any]) -> None:
    refused = await make(gateway, ADMIN, **body)
    assert (refused.status, refused.json["errors"][0]["pointer"]) == (422, "/max_in_flight")


async def accepted_of(bus: Bus, rid: str) -> Accepted:
    stored = await jetstream.get(await bus.connect("gateway"), subjects.REQUESTS, seq=1, following=subjects.chain(rid))
    assert stored is not None
    event = codec.requests.decode(stored.data)
    assert isinstance(event, Accepted)
    return event


async def test_what_was_submitted_with_a_key_says_its_limit_and_a_retry_that_of_the_key_that_retries(
    gateway: Gateway, bus: Bus
) -> None:
    limited = (await make(gateway, scopes=list(SCOPES), max_in_flight=4)).json
    rid = (await gateway.submit(key=limited["secret"])).json["id"]
    event = await accepted_of(bus, rid)
    assert (event.key_id, event.limits) == (limited["id"], Limits(max_in_flight=4))
    assert (await gateway.call("POST", f"/v1/requests/{rid}/cancel")).status == 200
    retried = await gateway.call("POST", f"/v1/requests/{rid}/retry", key=ADA)
    assert (await accepted_of(bus, retried.json["id"])).limits is None
    again = await gateway.call("POST", f"/v1/requests/{rid}/retry", key=limited["secret"])
    assert (await accepted_of(bus, again.json["id"])).limits == Limits(max_in_flight=4)


async def test_a_key_makes_none_that_outlives_it(gateway: Gateway) -> None:
    mother = (await make(gateway, scopes=list(SCOPES), expires_in_s=600)).json
    assert (await make(gateway, mother["secret"], expires_in_s=3600)).status == 403
    shorter, same = [(await make(gateway, mother["secret"], **each)).json for each in ({"expires_in_s": 60}, {})]
    assert nanoseconds(shorter["expires_at"]) < nanoseconds(same["expires_at"])
    assert same["expires_at"] == mother["expires_at"]


async def test_an_expired_key_says_so_and_its_streams_end(gateway: Gateway, bus: Bus) -> None:
    rid = (await gateway.submit()).json["id"]
    secret = (await make(gateway, expires_in_s=8)).json["secret"]
    reader = Reader([gateway.url], secret, rid)
    reading = bus.spawn(reader.read())
    await until(lambda: bool(reader.seen), "it is read")
    assert await asyncio.wait_for(reading, 30) == "ended"
    assert reader.seen[-1].data["detail"] == "This key has expired."
    refused = await gateway.read(rid, key=secret)
    assert (refused.status, refused.json["code"], refused.json["detail"]) == (
        401,
        "unauthenticated",
        "This key has expired.",
    )


class Agent:
    """An agent that joins and then only listens. `code` is the close code, `at` when it came."""

    def __init__(self) -> None:
        self.joined = asyncio.Event()
        self.code: int | None = None
        self.at = 0.0

    async def run(self, gateway: Gateway, secret: str) -> None:
        """Until the gateway closes the socket."""
        headers = {"Authorization": f"Bearer {secret}"}
        url = gateway.url.replace("http", "ws") + frames.CONNECT_PATH
        async with connect(url, additional_headers=headers, subprotocols=[Subprotocol(frames.SUBPROTOCOL)]) as socket:
            hello = frames.Hello(agent_id="gpu", boot_id="b1", spaces=["demo"], slots=1)
            await socket.send(frames.encode(hello), text=True)
            try:
                while True:
                    if isinstance(frames.decode_gateway_frame(await socket.recv(decode=False)), frames.Welcome):
                        self.joined.set()
            except ConnectionClosed as error:
                self.code, self.at = error.rcvd.code if error.rcvd else None, time.monotonic()


async def test_a_revocation_at_one_gateway_is_in_effect_at_every_one(gateway: Gateway, other: Gateway, bus: Bus) -> None:
    rid = (await gateway.submit(key=ADMIN)).json["id"]
    key = (await make(gateway, ADMIN)).json
    agent_key = (await make(gateway, ADMIN, kind="agent", spaces=["demo"])).json
    await until(lambda: accepted(other, key["secret"]), "the other gateway knows the key")
    reader = Reader([other.url], key["secret"], rid)
    agent = Agent()
    reading, serving = bus.spawn(reader.read()), bus.spawn(agent.run(other, agent_key["secret"]))
    await until(lambda: bool(reader.seen), "it is read")
    await asyncio.wait_for(agent.joined.wait(), 30)
    for made in (key, agent_key):
        begun = time.monotonic()
        assert (await gateway.call("DELETE", f"/v1/keys/{made['id']}", key=ADMIN)).status == 204
    assert await user_of(gateway, key["secret"]) == 401
    await until(lambda: refused(other, key["secret"]), "the other gateway refuses it", EFFECT_S)
    assert await asyncio.wait_for(reading, EFFECT_S) == "ended"
    assert reader.seen[-1].data["code"] == "unauthenticated"
    await asyncio.wait_for(serving, 10)
    assert agent.code == frames.CLOSE_BAD_KEY
    assert agent.at - begun < EFFECT_S
    again = await gateway.call("DELETE", f"/v1/keys/{key['id']}", key=ADMIN)
    assert (again.status, again.json["code"]) == (404, "not_found")


async def accepted(gateway: Gateway, secret: str) -> bool:
    return await user_of(gateway, secret) == 200


async def refused(gateway: Gateway, secret: str) -> bool:
    return await user_of(gateway, secret) == 401


async def test_nobody_revokes_what_they_do_not_see(gateway: Gateway) -> None:
    for key, id in ((BOB, ADA), (LIMITED, ADMIN), (ADA, "none")):
        assert (await gateway.call("DELETE", f"/v1/keys/{id}", key=key)).status == 404
    assert await user_of(gateway, ADA) == await user_of(gateway, ADMIN) == 200


async def test_a_user_is_made_given_a_key_disabled_and_enabled(gateway: Gateway, other: Gateway) -> None:
    body = msgspec.json.encode({"email": "new@example.org", "password": "long enough"})
    made = await gateway.call("POST", "/v1/users", body, key=ADMIN)
    assert (made.status, made.json["role"], made.json["disabled"]) == (201, "member", False)
    assert (await gateway.call("POST", "/v1/users", body, key=ADMIN)).json == made.json
    changed = await gateway.call("POST", "/v1/users", body.replace(b"long", b"very long"), key=ADMIN)
    assert (changed.status, changed.json["code"]) == (409, "exists")
    assert made.json in (await gateway.call("GET", "/v1/users", key=ADMIN)).json["results"]
    user = made.json["id"]

    async def known() -> bool:
        return made.json in (await other.call("GET", "/v1/users", key=ADMIN)).json["results"]

    await until(known, "the other gateway knows the user")
    secret = (await make(other, ADMIN, user=user, scopes=["read"])).json["secret"]
    assert (await other.call("GET", "/v1/users/me", key=secret)).json == made.json
    disabled = await gateway.call("POST", f"/v1/users/{user}/disable", key=ADMIN)
    assert (disabled.status, disabled.json["disabled"]) == (200, True)
    for each in (gateway, other):
        await until(lambda each=each: refused(each, secret), "its keys are refused", EFFECT_S)  # type: ignore[misc]
    assert (await gateway.call("GET", "/v1/users/me", key=secret)).json["detail"] == "This key's user is disabled."
    assert (await gateway.call("POST", f"/v1/users/{user}/enable", key=ADMIN)).json == made.json
    await until(lambda: accepted(other, secret), "its key is good again", EFFECT_S)
    oneself = (await gateway.call("GET", "/v1/users/me", key=ADMIN)).json["id"]
    assert (await gateway.call("POST", f"/v1/users/{oneself}/disable", key=ADMIN)).status == 403
