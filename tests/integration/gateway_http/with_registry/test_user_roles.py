"""Roles of users: two registries that race, and gateways that follow within a second."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from services.contracts import codec, subjects
from services.contracts.directory import UserRoleSet
from services.contracts.rpc import CreateUser, DisableUser, Recorded, SetRole
from services.registry.directory import user_id
from services.runtime import jetstream
from spaces_agent import frames
from tests.integration.registry.test_operations import PASSWORD, outcome, replica
from tests.support.bus import Bus, until
from tests.support.elsewhere import Elsewhere
from tests.support.gateway_sockets import Door, hello, join
from tests.support.http_gateway import ADA, ADMIN, BOB, Gateway, HttpAnswer, running_gateway
from tests.support.topologies import Topology

EFFECT_S = 5.0
ONE, TWO = (user_id(f"{name}@example.org") for name in ("one", "two"))


@pytest.mark.parametrize("command", [SetRole(user=ONE, role="member"), DisableUser(user=ONE)])
async def test_of_two_administrators_who_take_each_other_away_one_remains(
    topology: Topology, command: SetRole | DisableUser
) -> None:
    async with topology.bus() as bus:
        first, second = [await replica(bus) for _ in range(2)]
        for name in ("one", "two"):
            await first.commands.execute(CreateUser(email=f"{name}@example.org", password=PASSWORD, role="admin"))
        answers = await asyncio.gather(
            outcome(first.commands.execute(command)),
            outcome(second.commands.execute(SetRole(user=TWO, role="member"))),
        )
        assert sorted(isinstance(answer, Recorded) for answer in answers) == [False, True]
        assert "last_admin" in answers


@pytest.fixture
async def gateways(bus: Bus) -> AsyncIterator[tuple[Gateway, Gateway]]:
    await (await Elsewhere.connect(bus)).answer_as_history({})
    async with running_gateway(bus) as one, running_gateway(bus) as other:
        yield one, other


async def give_role(gateway: Gateway, user: str, role: str, key: str = ADMIN) -> HttpAnswer:
    return await gateway.call("PATCH", f"/v1/users/{user}", msgspec.json.encode({"role": role}), key=key)


async def test_keys_may_what_the_new_role_may_at_every_gateway(gateways: tuple[Gateway, Gateway], bus: Bus) -> None:
    one, other = gateways

    async def lists_users(gateway: Gateway, key: str) -> bool:
        return (await gateway.call("GET", "/v1/users", key=key)).status == 200

    async def no_longer(gateway: Gateway, key: str) -> bool:
        return not await lists_users(gateway, key)

    assert not await lists_users(one, ADA)
    given = await give_role(one, "ada", "admin")
    assert (given.status, given.json["role"]) == (200, "admin")
    assert await lists_users(one, ADA)
    await until(lambda: lists_users(other, ADA), "the other gateway has heard of it", EFFECT_S)
    last = await jetstream.get(
        await bus.connect("history"), subjects.DIRECTORY, last=subjects.directory_chain("user", "ada")
    )
    assert last is not None
    event = codec.directory.decode(last.data)
    assert isinstance(event, UserRoleSet)
    assert (event.role, event.actor) == ("admin", "user:root")
    assert (await give_role(other, "root", "member", key=ADA)).status == 200
    for gateway in gateways:
        await until(lambda gateway=gateway: no_longer(gateway, ADMIN), "it has heard of it", EFFECT_S)  # type: ignore[misc]
    assert (await give_role(one, "bob", "admin", key=BOB)).status == 403


async def test_nobody_changes_their_own_role_and_the_last_administrator_stays(gateways: tuple[Gateway, Gateway]) -> None:
    one, _ = gateways
    oneself = await give_role(one, "root", "member")
    assert (oneself.status, oneself.json["code"]) == (403, "forbidden")
    assert (await give_role(one, "nobody", "admin")).status == 404
    assert (await give_role(one, "bob", "owner")).status == 422


async def test_a_stream_that_only_an_administrator_may_read_ends_with_the_role(gateways: tuple[Gateway, Gateway]) -> None:
    one, other = gateways
    assert (await give_role(one, "bob", "admin")).status == 200
    rid = (await one.submit(Prefer="respond-async")).json["id"]
    headers = {"Authorization": f"Bearer {BOB}"}
    async with one.http.get(f"{one.url}/v1/requests/{rid}/events", headers=headers) as stream:
        assert stream.status == 200
        assert await asyncio.wait_for(stream.content.readany(), EFFECT_S)
        assert (await give_role(other, "bob", "member")).status == 200
        assert b"unauthenticated" not in await asyncio.wait_for(stream.content.read(), EFFECT_S)
    assert (await one.call("GET", f"/v1/requests/{rid}/events", key=BOB)).status == 404


async def test_agents_of_a_former_administrator_leave_private_spaces(gateways: tuple[Gateway, Gateway]) -> None:
    one, other = gateways
    assert (await give_role(one, "bob", "admin")).status == 200
    secret_space = msgspec.json.encode({"id": "secret", "visibility": "private"})
    assert (await one.call("POST", "/v1/spaces", secret_space, key=ADA)).status == 201
    key = msgspec.json.encode({"name": "gpu", "kind": "agent", "spaces": ["secret"]})
    secret = (await one.call("POST", "/v1/keys", key, key=BOB)).json["secret"]
    agent = await join(Door.of(one.url, secret), hello(spaces=["secret"]))
    assert (await give_role(other, "bob", "member")).status == 200
    assert await agent.closed() == frames.CLOSE_GOAWAY
