"""Agents in the HTTP API: the test is the registry and the agents' gateway."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from services.contracts.rpc import ConnectedAgent
from tests.support.bus import Bus
from tests.support.elsewhere import Elsewhere
from tests.support.http_gateway import ADA, ADMIN, BOB, ONLY_OTHER, Gateway, fill_directory, running_gateway
from tests.support.topologies import Topology


def agent(name: str, conn: str, *spaces: str, gateway: str = "g1") -> ConnectedAgent:
    return ConnectedAgent(agent=name, conn=conn, gateway=gateway, spaces=list(spaces), slots=2, state="ready", running=1)


CONNECTED = [agent("ada/gpu.1", "c1", "demo"), agent("ada/two", "c2", "demo", "other"), agent("bob/gpu.1", "c3", "demo")]


@pytest.fixture
async def bus(topology: Topology) -> AsyncIterator[Bus]:
    async with topology.bus() as here:
        await fill_directory(here)
        yield here


@pytest.fixture
async def gateway(bus: Bus) -> AsyncIterator[Gateway]:
    async with running_gateway(bus) as here:
        yield here


@pytest.fixture
async def elsewhere(bus: Bus) -> Elsewhere:
    return await Elsewhere.connect(bus)


@pytest.mark.parametrize(
    ("key", "seen"),
    [
        (ADA, ["ada/gpu.1", "ada/two"]),
        (BOB, ["bob/gpu.1"]),
        (ADMIN, ["ada/gpu.1", "ada/two", "bob/gpu.1"]),
        (ONLY_OTHER, []),
    ],
)
async def test_users_see_their_own_agents_and_administrators_all(
    gateway: Gateway, elsewhere: Elsewhere, key: str, seen: list[str]
) -> None:
    await elsewhere.answer_as_registry(CONNECTED)
    answer = await gateway.call("GET", "/v1/agents", key=key)
    assert (answer.status, [each["id"] for each in answer.json["results"]]) == (200, seen)


async def test_an_agent_is_shown_with_where_it_is(gateway: Gateway, elsewhere: Elsewhere) -> None:
    await elsewhere.answer_as_registry(CONNECTED[:1])
    assert (await gateway.call("GET", "/v1/agents")).json["results"] == [
        {
            "id": "ada/gpu.1",
            "spaces": ["demo"],
            "slots": 2,
            "running": 1,
            "state": "ready",
            "gateway": "g1",
            "connection": "c1",
        }
    ]


async def test_without_a_registry_nobody_knows(gateway: Gateway) -> None:
    for method, path in (("GET", "/v1/agents"), ("POST", "/v1/agents/ada/gpu.1/drain")):
        answer = await gateway.call(method, path)
        assert (answer.status, answer.json["code"]) == (503, "unavailable")
    assert (await gateway.call("GET", "/v1/agents", key="")).status == 401


async def test_an_agent_is_told_to_end(gateway: Gateway, elsewhere: Elsewhere) -> None:
    await elsewhere.answer_as_registry(CONNECTED)
    asked = await elsewhere.answer_as_gateway("g1", {"c1": "draining", "c2": "no_connection", "c3": "draining"})
    answer = await gateway.call("POST", "/v1/agents/ada/gpu.1/drain")
    assert (answer.status, answer.json["id"], answer.json["state"], asked) == (202, "ada/gpu.1", "draining", ["c1"])
    for path in ("ada/two", "bob/gpu.1", "ada/none", "ada/gpu"):
        refused = await gateway.call("POST", f"/v1/agents/{path}/drain")
        assert (refused.status, refused.json["code"]) == (404, "not_found")
    assert asked == ["c1", "c2"], "others' agents are left alone"
    assert (await gateway.call("POST", "/v1/agents/bob/gpu.1/drain", key=ADMIN)).status == 202


async def test_a_gateway_that_is_gone_tells_nobody(gateway: Gateway, elsewhere: Elsewhere) -> None:
    await elsewhere.answer_as_registry(CONNECTED)
    answer = await asyncio.wait_for(gateway.call("POST", "/v1/agents/ada/gpu.1/drain"), 10)
    assert (answer.status, answer.json["code"]) == (503, "unavailable")
