"""Agents in the HTTP API: the test is the registry and the agents' gateway."""

import asyncio

import pytest

from services.contracts.agent_details import AgentDetails, HeldRequest
from services.contracts.instants import nanoseconds
from services.contracts.rpc import ConnectedAgent
from services.gateway import seen_agents
from tests.support.elsewhere import Elsewhere
from tests.support.http_fixtures import bus, elsewhere, gateway
from tests.support.http_gateway import ADA, ADMIN, BOB, ONLY_OTHER, Gateway

__all__ = ["bus", "elsewhere", "gateway"]


def agent(name: str, conn: str, *spaces: str, gateway: str = "g1") -> ConnectedAgent:
    return ConnectedAgent(agent=name, conn=conn, gateway=gateway, spaces=list(spaces), slots=2, state="ready", running=1)


CONNECTED = [agent("ada/gpu.1", "c1", "demo"), agent("ada/two", "c2", "demo", "other"), agent("bob/gpu.1", "c3", "demo")]


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


SHOWN = {
    "id": "ada/gpu.1",
    "spaces": ["demo"],
    "slots": 2,
    "running": 1,
    "state": "ready",
    "gateway": "g1",
    "connection": "c1",
}
UNSAID = dict.fromkeys(("connected_at", "version", "labels", "address", "round_trip_s"))
OWN, OTHERS = "0" * 34, "1" * 34
DETAILS = AgentDetails(
    conn="c1",
    connected_at=nanoseconds("2026-01-01T10:00:00Z"),
    version="1.2",
    labels={"gpu": "a100"},
    address="192.0.2.1",
    round_trip_s=0.0124,
    held=[
        HeldRequest(rid=OWN, attempt=1, space="demo", user="ada", state="running", running_s=1.5),
        HeldRequest(rid=OTHERS, attempt=2, space="demo", user="bob"),
    ],
)


async def test_an_agent_is_shown_with_where_it_is_and_what_its_gateway_says(gateway: Gateway, elsewhere: Elsewhere) -> None:
    await elsewhere.answer_as_registry([*CONNECTED[:1], agent("ada/lost", "c9", "demo", gateway="g2")])
    await elsewhere.answer_as_gateway("g1", {}, [DETAILS])
    said = {
        "connected_at": "2026-01-01T10:00:00.000000Z",
        "version": "1.2",
        "labels": {"gpu": "a100"},
        "address": "192.0.2.1",
        "round_trip_s": 0.0124,
    }
    lost = {**SHOWN, "id": "ada/lost", "connection": "c9", "gateway": "g2", **UNSAID}
    assert (await gateway.call("GET", "/v1/agents")).json["results"] == [SHOWN | said, lost], "a silent gateway hides none"


async def test_what_an_agent_holds_is_shown_with_the_requests_that_its_owner_may_read(
    gateway: Gateway, elsewhere: Elsewhere
) -> None:
    await elsewhere.answer_as_registry(CONNECTED)
    await elsewhere.answer_as_gateway("g1", {}, [DETAILS])
    own = {"id": OWN, "space": "demo", "attempt": 1, "state": "running", "running_s": 1.5, "url": f"/v1/requests/{OWN}"}
    others = {"id": OTHERS, "space": "demo", "attempt": 2, "state": "sent", "running_s": 0.0, "url": None}
    assert (await gateway.call("GET", "/v1/agents/ada/gpu.1")).json["requests"] == [own, others]
    seen = (await gateway.call("GET", "/v1/agents/ada/gpu.1", key=ADMIN)).json["requests"]
    assert [each["url"] for each in seen] == [f"/v1/requests/{OWN}", f"/v1/requests/{OTHERS}"]
    for path in ("bob/gpu.1", "ada/none"):
        refused = await gateway.call("GET", f"/v1/agents/{path}")
        assert (refused.status, refused.json["code"]) == (404, "not_found")


async def test_agents_are_asked_about_in_questions_of_bounded_size(
    gateway: Gateway, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seen_agents, "AT_ONCE", 2)
    many = [agent(f"ada/gpu.{n}", f"c{n}", "demo") for n in range(5)]
    await elsewhere.answer_as_registry(many)
    await elsewhere.answer_as_gateway("g1", {}, [AgentDetails(conn=f"c{n}", connected_at=n, version="1") for n in range(5)])
    answer = await gateway.call("GET", "/v1/agents")
    assert [each["version"] for each in answer.json["results"]] == ["1"] * 5


async def test_an_agent_is_disconnected(gateway: Gateway, elsewhere: Elsewhere) -> None:
    await elsewhere.answer_as_registry(CONNECTED)
    asked = await elsewhere.answer_as_gateway("g1", {"c1": "closing", "c2": "no_connection", "c3": "closing"})
    answer = await gateway.call("POST", "/v1/agents/ada/gpu.1/disconnect")
    assert (answer.status, answer.json["id"], asked) == (202, "ada/gpu.1", ["c1"])
    for path in ("ada/two", "bob/gpu.1", "ada/none"):
        refused = await gateway.call("POST", f"/v1/agents/{path}/disconnect")
        assert (refused.status, refused.json["code"]) == (404, "not_found")
    assert asked == ["c1", "c2"], "others' agents are left alone"
    assert (await gateway.call("POST", "/v1/agents/bob/gpu.1/disconnect", key=ADMIN)).status == 202


async def test_without_a_registry_nobody_knows(gateway: Gateway) -> None:
    one = "/v1/agents/ada/gpu.1"
    for method, path in (("GET", "/v1/agents"), ("GET", one), ("POST", f"{one}/drain"), ("POST", f"{one}/disconnect")):
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
