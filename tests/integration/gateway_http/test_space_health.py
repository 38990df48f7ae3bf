"""Queue, agents and health of a space over HTTP; dispatcher, registry and history answer as they are told."""

from collections.abc import AsyncIterator

import pytest

from services.contracts import ids, subjects
from services.contracts.lists import GetStats, Stats
from services.contracts.rpc import ConnectedAgent, GetSpaceOverview, SpaceOverview, WaitingRequest
from services.runtime import rpc
from tests.support.bus import Bus, running_bus
from tests.support.elsewhere import Elsewhere
from tests.support.hearing import heard
from tests.support.http_gateway import ADA, ADMIN, BOB, ONLY_OTHER, Gateway, add_key, fill_directory

MINE, THEIRS = (ids.request_id("demo", n, bytes(10)) for n in (1, 2))
SEEN = SpaceOverview(
    waiting=2,
    delayed=1,
    processing=3,
    agents={"ready": 1},
    oldest_s=4.0,
    slots=3,
    eta_s=9.0,
    next=[WaitingRequest(rid=THEIRS, user="bob"), WaitingRequest(rid=MINE, user="ada")],
)
QUEUE, AGENTS, HEALTH = (f"/v1/spaces/demo/{what}" for what in ("queue", "agents", "health"))
ONLY_SUBMITS = "wsk_only_submits"


@pytest.fixture
async def bus() -> AsyncIterator[Bus]:
    async with running_bus() as here:
        await fill_directory(here)
        await add_key(await here.connect("registry"), ONLY_SUBMITS, "ada", scopes=("submit",))
        yield here


async def dispatching(bus: Bus) -> None:
    async def answer(_: GetSpaceOverview) -> SpaceOverview:
        return SEEN

    subject = subjects.dispatcher_rpc(ids.part_of_space("demo"), "overview")
    operation = rpc.Operation(subject, GetSpaceOverview, answer)
    await rpc.serve(await bus.connect("dispatcher"), "dispatcher", "always the same", {"overview": operation})
    await heard(bus.servers, subject)


async def recording(bus: Bus, stats: Stats) -> None:
    async def answer(asked: GetStats) -> Stats:
        assert (asked.spaces, asked.user) == (["demo"], "")
        return stats

    operation = rpc.Operation(subjects.history_rpc("stats"), GetStats, answer)
    await rpc.serve(await bus.connect("history"), "history", "always the same", {"stats": operation})
    await heard(bus.servers, operation.subject)


async def test_a_queue_names_to_each_only_what_they_may_read(bus: Bus, gateway: Gateway) -> None:
    await dispatching(bus)
    mine = {"id": MINE, "position": 2, "url": f"/v1/requests/{MINE}"}
    theirs = {"id": THEIRS, "position": 1, "url": f"/v1/requests/{THEIRS}"}
    for key, named in ((ADA, [mine]), (BOB, [theirs]), (ADMIN, [theirs, mine])):
        answer = await gateway.call("GET", QUEUE, key=key)
        assert answer.status == 200
        assert answer.json == {
            "space": "demo",
            "paused": False,
            "queued": 3,
            "delayed": 1,
            "processing": 3,
            "slots": 3,
            "free": 0,
            "oldest_s": 4.0,
            "eta_s": 9.0,
            "next": named,
        }


async def test_while_no_dispatcher_answers_the_queue_is_unavailable_and_the_space_degraded(gateway: Gateway) -> None:
    assert (await gateway.call("GET", QUEUE)).status == 503
    answer = await gateway.call("GET", HEALTH)
    assert (answer.status, answer.json["status"], answer.json["success_rate"]) == (200, "degraded", None)


async def test_health_is_told_from_dispatcher_and_history(bus: Bus, gateway: Gateway) -> None:
    await dispatching(bus)
    await recording(bus, Stats(accepted=100, ended={"succeeded": 99, "failed": 1}))
    answer = await gateway.call("GET", HEALTH)
    assert answer.json == {
        "space": "demo",
        "status": "ok",
        "reasons": [],
        "agents": 1,
        "slots": 3,
        "queued": 3,
        "window_s": 3600,
        "success_rate": 0.99,
    }


async def test_agents_of_a_space_are_shown_to_their_owner_and_administrators(bus: Bus, gateway: Gateway) -> None:
    def agent(name: str, *spaces: str) -> ConnectedAgent:
        return ConnectedAgent(agent=name, conn="c", gateway="g", spaces=list(spaces), slots=1, state="ready")

    elsewhere = await Elsewhere.connect(bus)
    await elsewhere.answer_as_registry([agent("ada/gpu", "demo"), agent("bob/gpu", "demo"), agent("ada/cpu", "other")])
    for key, named in ((ADA, ["ada/gpu"]), (BOB, ["bob/gpu"]), (ADMIN, ["ada/gpu", "bob/gpu"])):
        answer = await gateway.call("GET", AGENTS, key=key)
        assert [each["id"] for each in answer.json["results"]] == named


@pytest.mark.parametrize("path", [QUEUE, AGENTS, HEALTH])
async def test_who_may_not_read_the_space_is_told_nothing(gateway: Gateway, path: str) -> None:
    assert (await gateway.call("GET", path, key=ONLY_OTHER)).status == 403
    assert (await gateway.call("GET", path, key=ONLY_SUBMITS)).status == 403
    assert (await gateway.call("GET", path, key="")).status == 401
    assert (await gateway.call("GET", path.replace("demo", "nowhere"))).status == 404
