"""Is a space well?"""

from typing import Any

import pytest

from services.contracts.accounts import Space
from services.contracts.lists import Stats
from services.contracts.rpc import SpaceOverview
from services.gateway.health import JUDGED, health_object

READY = SpaceOverview(waiting=2, delayed=1, processing=1, agents={"ready": 2, "loading": 1}, slots=3)


def space(**settings: Any) -> Space:
    defaults: dict[str, Any] = {"start_timeout_s": 60.0, "execution_timeout_s": 10.0, "max_attempts": 1}
    return Space(space="demo", owner="u", title="", connections="many", **(defaults | settings))


def ended(**numbers: int) -> Stats:
    return Stats(accepted=0, ended=numbers, sampled=0)  # type: ignore[arg-type]


def seen(**agents: int) -> SpaceOverview:
    return SpaceOverview(waiting=0, delayed=0, processing=0, agents=agents)  # type: ignore[arg-type]


def test_a_space_with_a_ready_agent_whose_requests_succeed_is_well() -> None:
    found = health_object(space(), READY, ended(succeeded=95, failed=4, expired=1, canceled=500))
    assert (found.status, found.reasons) == ("ok", [])
    assert (found.agents, found.slots, found.queued, found.success_rate) == (3, 3, 3, 0.95)


@pytest.mark.parametrize(
    ("settings", "overview", "stats", "status"),
    [
        ({"enabled": False}, READY, None, "disabled"),
        ({"paused": True}, READY, None, "paused"),
        ({}, seen(), None, "no_agent"),
        ({}, seen(loading=1), None, "degraded"),
        ({}, seen(draining=1), None, "degraded"),
        ({}, None, None, "degraded"),
        ({"queue_limit": 2}, READY, None, "degraded"),
        ({"queue_limit": 3}, READY, None, "ok"),
        ({}, READY, ended(succeeded=8, failed=1, expired=1), "degraded"),
        ({}, READY, ended(succeeded=9, failed=1), "ok"),
        ({}, READY, ended(failed=JUDGED - 1), "ok"),
        ({}, READY, ended(canceled=100), "ok"),
    ],
)
def test_one_word_says_how_it_is_and_the_reasons_why(
    settings: dict[str, Any], overview: SpaceOverview | None, stats: Stats | None, status: str
) -> None:
    found = health_object(space(**settings), overview, stats)
    assert (found.status, bool(found.reasons)) == (status, status != "ok")


def test_the_gravest_comes_first_and_all_are_told() -> None:
    found = health_object(space(enabled=False, paused=True, queue_limit=1), seen(), ended(failed=JUDGED))
    assert found.status == "disabled"
    assert len(found.reasons) == 4


def test_what_nobody_tells_is_null() -> None:
    found = health_object(space(), None, None)
    assert (found.agents, found.slots, found.queued, found.success_rate) == (None, None, None, None)
