"""Private spaces and their members: two gateways and a registry on a real nats-server."""

from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest

from services.contracts import codec, subjects
from services.contracts.directory import SpaceMemberSet
from services.runtime import jetstream
from spaces_agent import frames
from tests.support.bus import Bus, until
from tests.support.elsewhere import Elsewhere
from tests.support.gateway_sockets import Door, dial, hello, join
from tests.support.http_gateway import (
    ADA,
    ADMIN,
    BOB,
    Gateway,
    HttpAnswer,
    running_gateway,
    send,
)

ROLES = ("viewer", "submitter", "manager")


class Pair(NamedTuple):
    """Two gateways."""

    one: Gateway
    other: Gateway


@pytest.fixture
async def pair(bus: Bus) -> AsyncIterator[Pair]:
    """ada has the private space `secret`."""
    await (await Elsewhere.connect(bus)).answer_as_history({})
    async with running_gateway(bus) as one, running_gateway(bus) as other:
        made = await send(one, "POST", "/v1/spaces", {"id": "secret", "visibility": "private"})
        assert (made.status, made.json["visibility"]) == (201, "private")

        async def known() -> bool:
            return "secret" in await names(other, ADA)

        await until(known, "the other gateway has seen it")
        yield Pair(one, other)


async def names(gateway: Gateway, key: str) -> list[str]:
    return [space["id"] for space in (await send(gateway, "GET", "/v1/spaces", key=key)).json["results"]]


async def set_member(gateway: Gateway, role: str, user: str = "bob", key: str = ADA) -> HttpAnswer:
    return await send(gateway, "PUT", f"/v1/spaces/secret/members/{user}", {"role": role}, key)


async def remove(gateway: Gateway, user: str = "bob") -> int:
    return (await send(gateway, "DELETE", f"/v1/spaces/secret/members/{user}")).status


async def what_bob_may(gateway: Gateway) -> dict[str, int]:
    """The answer to each of what one may want of a space."""
    asked: dict[str, tuple[str, str, Any]] = {
        "read": ("GET", "/v1/spaces/secret", None),
        "list": ("GET", "/v1/requests?space=secret&limit=0", None),
        "submit": ("POST", "/v1/spaces/secret/requests", {"input": {}}),
        "edit": ("PATCH", "/v1/spaces/secret", {"title": "x"}),
        "pause": ("POST", "/v1/spaces/secret/pause", None),
        "members": ("GET", "/v1/spaces/secret/members", None),
        "invite": ("PUT", "/v1/spaces/secret/members/bob", {"role": "no role"}),
        "agents": ("POST", "/v1/keys", {"name": "k", "kind": "agent", "spaces": ["secret"]}),
        "delete": ("DELETE", "/v1/spaces/secret", None),
    }
    return {name: (await send(gateway, *call, BOB)).status for name, call in asked.items()}


EXPECTED = {
    "viewer": {"read": 200, "list": 400, "submit": 403, "edit": 403, "pause": 403, "members": 403, "invite": 403}
    | {"agents": 403, "delete": 403},
    "submitter": {"read": 200, "list": 400, "submit": 202, "edit": 403, "pause": 403, "members": 403, "invite": 403}
    | {"agents": 403, "delete": 403},
    "manager": {"read": 200, "list": 400, "submit": 202, "edit": 200, "pause": 200, "members": 200, "invite": 422}
    | {"agents": 201, "delete": 403},
}


@pytest.mark.parametrize("role", ROLES)
async def test_a_member_may_what_the_role_says_at_every_gateway(pair: Pair, role: str) -> None:
    assert (await set_member(pair.one, role)).json == {"user": "bob", "role": role}

    async def known() -> bool:
        return "secret" in await names(pair.other, BOB)

    await until(known, "the other gateway has seen it")
    assert await what_bob_may(pair.other) == EXPECTED[role]
    assert (await send(pair.one, "GET", "/v1/spaces/secret/members")).json == {"results": [{"user": "bob", "role": role}]}


async def test_a_user_is_named_by_id_or_by_e_mail_address_whatever_its_case(pair: Pair) -> None:
    assert (await set_member(pair.one, "viewer", "Bob@example.org")).json == {"user": "bob", "role": "viewer"}
    assert (await send(pair.one, "GET", "/v1/spaces/secret", key=BOB)).status == 200
    assert await remove(pair.one, "bob@example.org") == 204
    assert (await send(pair.one, "GET", "/v1/spaces/secret", key=BOB)).status == 404
    assert (await set_member(pair.one, "viewer", "nobody@example.org")).status == 404


async def test_to_a_stranger_a_private_space_is_like_one_that_is_not_there(pair: Pair) -> None:
    for gateway in pair:
        assert "secret" not in await names(gateway, BOB)
        answers = await what_bob_may(gateway)
        assert answers.pop("agents") == 422
        assert set(answers.values()) == {404}
    secret, nothing = [await send(pair.one, "GET", f"/v1/spaces/{slug}", key=BOB) for slug in ("secret", "nothing")]
    assert secret.json["detail"] == nothing.json["detail"]
    keys = [{"name": "k", "spaces": [slug]} for slug in ("secret", "nothing")]
    refused = [(await send(pair.one, "POST", "/v1/keys", key, BOB)).json for key in keys]
    assert refused[0]["errors"] == refused[1]["errors"]
    assert "secret" in await names(pair.one, ADMIN)


async def test_a_space_is_for_everyone_unless_it_is_made_private_and_may_become_so(pair: Pair) -> None:
    assert (await pair.one.submit(space="demo", key=BOB)).status == 202
    await send(pair.one, "PATCH", "/v1/spaces/demo", {"visibility": "private"}, ADMIN)
    assert (await pair.one.submit(space="demo", key=BOB)).status == 404
    await send(pair.one, "PATCH", "/v1/spaces/demo", {"visibility": "everyone"}, ADMIN)
    assert (await pair.one.submit(space="demo", key=BOB)).status == 202


async def test_who_is_removed_still_sees_what_they_submitted(pair: Pair) -> None:
    await set_member(pair.one, "submitter")
    rid = (await pair.one.submit(space="secret", key=BOB)).json["id"]
    assert [await remove(pair.one), await remove(pair.one)] == [204, 204]
    assert (await pair.one.submit(space="secret", key=BOB)).status == 404
    assert (await pair.one.read(rid, key=BOB)).status == 200
    assert (await send(pair.one, "POST", f"/v1/requests/{rid}/cancel", key=BOB)).json["status"] == "canceled"
    assert (await send(pair.one, "POST", f"/v1/requests/{rid}/retry", key=BOB)).status == 404


async def test_only_users_become_members_and_each_change_is_an_event_with_its_actor(pair: Pair, bus: Bus) -> None:
    refused = await set_member(pair.one, "viewer", "nobody")
    assert (refused.status, refused.json["code"]) == (404, "not_found")
    await set_member(pair.one, "viewer", key=ADMIN)
    again = await set_member(pair.one, "viewer")
    assert again.status == 200
    nc = await bus.connect("registry")
    last = await jetstream.get(nc, subjects.DIRECTORY, last=subjects.directory_chain("space", "secret"))
    assert last is not None
    event = codec.directory.decode(last.data)
    assert isinstance(event, SpaceMemberSet)
    assert (event.user, event.role, event.actor) == ("bob", "viewer", "user:root")


async def test_agents_of_a_manager_who_is_removed_are_sent_away_and_not_let_in_again(pair: Pair) -> None:
    await set_member(pair.one, "manager")
    body = {"name": "gpu", "kind": "agent", "spaces": ["secret"]}
    secret = (await send(pair.one, "POST", "/v1/keys", body, BOB)).json["secret"]
    door = Door.of(pair.one.url, secret)
    agent = await join(door, hello(spaces=["secret"]))
    await set_member(pair.one, "submitter")
    assert await agent.closed() == frames.CLOSE_GOAWAY
    again = await dial(door)
    await again.send(hello(spaces=["secret"]))
    assert await again.closed() == frames.CLOSE_NO_SPACE
