"""Spaces over HTTP: gateways and a registry, as their mains wire them, on a real nats-server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.contracts import subjects
from services.registry import main as registry
from services.runtime.process import Process, new_process_id
from services.runtime.settings import Settings
from tests.support.bus import Bus, until
from tests.support.hearing import heard
from tests.support.http_gateway import (
    ADA,
    ADMIN,
    AGENT,
    BOB,
    ONLY_OTHER,
    Gateway,
    HttpAnswer,
    running_gateway,
    send,
)

VISIBLE_S = 1.0
"""What one gateway has answered, the others show within this."""
NEW = {"id": "new", "title": "Ada's", "max_attempts": 3, "on_no_agent": "reject", "queue_limit": 7}


@contextlib.asynccontextmanager
async def running_registry(bus: Bus) -> AsyncIterator[None]:
    process = Process("registry", Settings(), await bus.connect("registry"), new_process_id("registry"))
    try:
        await registry.start(process)
        await until(lambda: not process.not_ready(), "the registry is ready")
        for operation in ("create_space", "edit_space", "switch_space"):
            await heard(bus.servers, subjects.registry_rpc(operation))
        yield
    finally:
        process.stopping.set()
        await process.close()


@pytest.fixture
async def spaces(bus: Bus, gateway: Gateway) -> AsyncIterator[Gateway]:
    """A gateway with a registry."""
    async with running_registry(bus):
        yield gateway


async def create(gateway: Gateway, body: Any = NEW, key: str = ADA) -> HttpAnswer:
    return await send(gateway, "POST", "/v1/spaces", body, key)


def outcome(answer: HttpAnswer) -> tuple[int, str]:
    return answer.status, answer.json["code"]


async def test_who_creates_a_space_owns_it_and_reads_it_at_once(spaces: Gateway) -> None:
    made = await create(spaces)
    assert (made.status, made.headers["Location"]) == (201, "/v1/spaces/new")
    assert made.json == {
        "id": "new",
        "title": "Ada's",
        "owner": "ada",
        "connections": "many",
        "start_timeout_s": 3600.0,
        "execution_timeout_s": 120.0,
        "max_attempts": 3,
        "on_no_agent": "reject",
        "queue_limit": 7,
        "visibility": "everyone",
        "features": [],
        "max_in_flight": None,
        "max_in_flight_per_user": None,
        "retention_s": None,
        "input_schema": None,
        "example_input": None,
        "enabled": True,
        "paused": False,
        "urls": {"self": "/v1/spaces/new", "requests": "/v1/spaces/new/requests"},
    }
    assert (await send(spaces, "GET", "/v1/spaces/new")).json == made.json


async def test_the_same_space_again_is_the_same_and_another_of_its_name_exists(spaces: Gateway) -> None:
    made = await create(spaces)
    assert (await create(spaces)).json == made.json
    assert outcome(await create(spaces, NEW | {"title": "Another"})) == (409, "exists")
    assert outcome(await create(spaces, key=BOB)) == (409, "exists")


async def test_an_edit_changes_what_it_names_and_nothing_else(spaces: Gateway) -> None:
    made = await create(spaces)
    edited = await send(spaces, "PATCH", "/v1/spaces/new", {"title": "", "queue_limit": 0, "execution_timeout_s": 5})
    assert (edited.status, edited.json) == (200, made.json | {"title": "", "queue_limit": 0, "execution_timeout_s": 5.0})
    assert (await send(spaces, "PATCH", "/v1/spaces/new", {})).json == edited.json


async def test_a_limit_of_what_runs_at_once_is_set_and_taken_back_with_null(spaces: Gateway) -> None:
    made = (await create(spaces, {"id": "new", "max_in_flight": 8, "max_in_flight_per_user": 2})).json
    assert (made["max_in_flight"], made["max_in_flight_per_user"]) == (8, 2)
    edited = await send(spaces, "PATCH", "/v1/spaces/new", {"max_in_flight": None})
    assert (edited.status, edited.json) == (200, made | {"max_in_flight": None})
    refused = await send(spaces, "PATCH", "/v1/spaces/new", {"max_in_flight_per_user": 0})
    assert (refused.status, refused.json["errors"][0]["pointer"]) == (422, "/max_in_flight_per_user")


async def test_a_submission_has_the_defaults_of_the_edited_space(spaces: Gateway) -> None:
    await create(spaces, {"id": "new"})
    await send(spaces, "PATCH", "/v1/spaces/new", {"max_attempts": 4})
    assert (await spaces.submit(space="new")).json["max_attempts"] == 4


@pytest.mark.parametrize(
    ("word", "changed"),
    [
        ("pause", {"paused": True}),
        ("disable", {"enabled": False}),
        ("resume", {"paused": False}),
        ("enable", {"enabled": True}),
    ],
)
async def test_a_space_is_switched_and_to_repeat_it_changes_nothing(
    spaces: Gateway, word: str, changed: dict[str, bool]
) -> None:
    made = (await create(spaces)).json
    for _ in range(2):
        switched = await send(spaces, "POST", f"/v1/spaces/new/{word}")
        assert (switched.status, switched.json) == (200, made | changed)


@pytest.mark.parametrize(("key", "listed"), [(ADA, ["demo", "other"]), (ADMIN, ["demo", "other"]), (ONLY_OTHER, ["other"])])
async def test_the_list_has_what_the_caller_may_use(gateway: Gateway, key: str, listed: list[str]) -> None:
    answer = await send(gateway, "GET", "/v1/spaces", key=key)
    assert (answer.status, [space["id"] for space in answer.json["results"]]) == (200, listed)


CHANGES = [
    ("PATCH", "", {"title": "x"}),
    ("POST", "/pause", None),
    ("POST", "/resume", None),
    ("POST", "/enable", None),
    ("POST", "/disable", None),
]


@pytest.mark.parametrize(("method", "action", "body"), CHANGES)
async def test_only_its_owner_or_an_administrator_changes_a_space(
    spaces: Gateway, method: str, action: str, body: Any
) -> None:
    await create(spaces)
    path = f"/v1/spaces/new{action}"
    for key in (BOB, AGENT, ONLY_OTHER):
        assert outcome(await send(spaces, method, path, body, key)) == (403, "forbidden")
    assert outcome(await send(spaces, method, path, body, "wsk_nobody")) == (401, "unauthenticated")
    assert (await send(spaces, "GET", "/v1/spaces/new", key=BOB)).json["title"] == "Ada's"
    assert (await send(spaces, method, path, body, ADMIN)).status in (200, 204)


async def test_a_key_for_some_spaces_never_goes_outside_of_them(spaces: Gateway) -> None:
    assert outcome(await create(spaces, key=ONLY_OTHER)) == (403, "forbidden")
    assert outcome(await send(spaces, "GET", "/v1/spaces/demo", key=ONLY_OTHER)) == (403, "forbidden")
    assert (await send(spaces, "GET", "/v1/spaces/other", key=ONLY_OTHER)).status == 200


async def test_only_an_administrator_creates_spaces_for_others(spaces: Gateway) -> None:
    assert outcome(await create(spaces, NEW | {"owner": "bob"})) == (403, "forbidden")
    assert (await create(spaces, NEW | {"owner": "bob"}, ADMIN)).json["owner"] == "bob"
    assert outcome(await create(spaces, {"id": "more", "owner": "nobody"}, ADMIN)) == (404, "not_found")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/id"),
        ({"id": "Not-A-Slug"}, "/id"),
        ({"id": "new", "titel": "x"}, "/titel"),
        ({"id": "new", "title": "x" * 201}, "/title"),
        ({"id": "new", "queue_limit": -1}, "/queue_limit"),
        ({"id": "new", "on_no_agent": "wait"}, "/on_no_agent"),
        ({"id": "new", "max_attempts": None}, "/max_attempts"),
    ],
)
async def test_flaws_are_pointed_at(gateway: Gateway, body: Any, pointer: str) -> None:
    answer = await create(gateway, body)
    assert (outcome(answer), [flaw["pointer"] for flaw in answer.json["errors"]]) == ((422, "input_invalid"), [pointer])


async def test_what_only_the_registry_sees_is_a_flaw_as_well(spaces: Gateway) -> None:
    assert outcome(await create(spaces, {"id": "new", "title": "two\nlines"})) == (422, "input_invalid")
    assert outcome(await gateway_call_without_json(spaces)) == (400, "invalid_request")


async def gateway_call_without_json(gateway: Gateway) -> HttpAnswer:
    return await gateway.call("POST", "/v1/spaces", b"{")


async def test_without_a_registry_spaces_are_shown_and_not_changed(gateway: Gateway) -> None:
    assert (await send(gateway, "GET", "/v1/spaces/demo")).status == 200
    assert outcome(await create(gateway)) == (503, "unavailable")
    assert outcome(await send(gateway, "POST", "/v1/spaces/demo/pause", key=ADMIN)) == (503, "unavailable")


async def test_edits_at_the_same_time_are_all_kept(spaces: Gateway, bus: Bus) -> None:
    """Each is decided on what the others have done, also by another registry."""
    await create(spaces)
    edits = [{"title": "t"}, {"queue_limit": 9}, {"max_attempts": 5}, {"connections": "one"}]
    async with running_registry(bus):
        answers = await asyncio.gather(*(send(spaces, "PATCH", "/v1/spaces/new", edit) for edit in edits))
    assert [answer.status for answer in answers] == [200] * len(edits)
    space = (await send(spaces, "GET", "/v1/spaces/new")).json
    assert (space["title"], space["queue_limit"], space["max_attempts"], space["connections"]) == ("t", 9, 5, "one")


async def test_the_other_gateway_shows_it_within_a_second(spaces: Gateway, bus: Bus) -> None:
    async with running_gateway(bus) as other:

        async def shown(status: int, **settings: Any) -> None:
            async with asyncio.timeout(VISIBLE_S):
                while (answer := await send(other, "GET", "/v1/spaces/new")).status != status or any(
                    answer.json[name] != value for name, value in settings.items()
                ):
                    await asyncio.sleep(0.02)

        await create(spaces)
        await shown(200)
        await send(spaces, "PATCH", "/v1/spaces/new", {"title": "Edited"})
        await shown(200, title="Edited")
        await send(spaces, "POST", "/v1/spaces/new/pause")
        await shown(200, paused=True)
