"""What a space's settings do to submissions: the test is the registry and the dispatcher."""

from collections.abc import Callable
from typing import Any

from services.contracts.directory import SpaceDisabled, SpaceEdited, SpaceEnabled, SpacePaused
from services.contracts.rpc import SpaceQueue
from tests.support.bus import Bus, until
from tests.support.elsewhere import Elsewhere
from tests.support.http_fixtures import bus, elsewhere, gateway
from tests.support.http_gateway import Gateway, HttpAnswer, change_space

__all__ = ["bus", "elsewhere", "gateway"]


async def given(bus: Bus, gateway: Gateway, event: type[Any], settings: dict[str, Any], seen: Callable[[Any], bool]) -> None:
    """Change the space `demo`, and wait until the gateway has seen it."""
    await change_space(bus, event, **settings)

    async def shown() -> bool:
        return seen((await gateway.call("GET", "/v1/spaces/demo")).json)

    await until(shown, "the gateway has seen it")


def outcome(answer: HttpAnswer) -> tuple[int, str, bool]:
    return answer.status, answer.json["code"], "Retry-After" in answer.headers


async def test_a_disabled_space_takes_no_submission_until_it_is_enabled(bus: Bus, gateway: Gateway) -> None:
    rid = (await gateway.submit()).json["id"]
    await given(bus, gateway, SpaceDisabled, {}, lambda space: not space["enabled"])
    assert outcome(await gateway.submit()) == (503, "space_disabled", True)
    assert (await gateway.read(rid)).status == 200
    assert (await gateway.submit(space="other")).status == 202
    await given(bus, gateway, SpaceEnabled, {}, lambda space: space["enabled"])
    assert (await gateway.submit()).status == 202


async def test_who_repeats_a_submission_finds_what_it_made_in_a_disabled_space(bus: Bus, gateway: Gateway) -> None:
    rid = (await gateway.submit(Idempotency_Key="k")).json["id"]
    await given(bus, gateway, SpaceDisabled, {}, lambda space: not space["enabled"])
    repeated = await gateway.submit(Idempotency_Key="k")
    assert (repeated.status, repeated.json["id"]) == (202, rid)


async def test_a_retry_is_a_submission(bus: Bus, gateway: Gateway) -> None:
    rid = (await gateway.submit()).json["id"]
    assert (await gateway.call("POST", f"/v1/requests/{rid}/cancel")).status == 200
    await given(bus, gateway, SpaceDisabled, {}, lambda space: not space["enabled"])
    assert outcome(await gateway.call("POST", f"/v1/requests/{rid}/retry")) == (503, "space_disabled", True)


async def test_a_paused_space_accepts(bus: Bus, gateway: Gateway) -> None:
    await given(bus, gateway, SpacePaused, {}, lambda space: space["paused"])
    assert (await gateway.submit()).status == 202


async def test_a_space_that_refuses_without_an_agent_takes_submissions_as_soon_as_there_is_one(
    bus: Bus, gateway: Gateway, elsewhere: Elsewhere
) -> None:
    online = False
    await elsewhere.answer_about_queue("demo", lambda: SpaceQueue(waiting=0, online=online))
    assert (await gateway.submit()).status == 202, "by default it waits"
    await given(bus, gateway, SpaceEdited, {"on_no_agent": "reject"}, lambda space: space["on_no_agent"] == "reject")
    assert outcome(await gateway.submit()) == (503, "no_agent_online", True)
    online = True

    async def accepted() -> bool:
        return (await gateway.submit()).status == 202

    await until(accepted, "it is accepted")
    online = False

    async def refused() -> bool:
        return (await gateway.submit()).status == 503

    await until(refused, "it is refused")


async def test_a_queue_at_its_limit_is_full_until_something_has_left_it(
    bus: Bus, gateway: Gateway, elsewhere: Elsewhere
) -> None:
    waiting = 3
    await elsewhere.answer_about_queue("demo", lambda: SpaceQueue(waiting=waiting, online=True))
    await given(bus, gateway, SpaceEdited, {"queue_limit": 3}, lambda space: space["queue_limit"] == 3)
    assert outcome(await gateway.submit()) == (429, "queue_full", True)
    waiting = 2

    async def accepted() -> bool:
        return (await gateway.submit()).status == 202

    await until(accepted, "there is room")


async def test_while_no_dispatcher_answers_submissions_wait(bus: Bus, gateway: Gateway) -> None:
    settings = {"queue_limit": 1, "on_no_agent": "reject"}
    await given(bus, gateway, SpaceEdited, settings, lambda space: space["queue_limit"] == 1)
    assert [(await gateway.submit()).status for _ in range(3)] == [202, 202, 202]
