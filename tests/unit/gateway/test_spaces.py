"""Which submissions a space refuses by its queue, and what bodies become commands."""

from typing import Any

import msgspec
import pytest

from services.contracts.accounts import Space
from services.contracts.rpc import CreateSpace, EditSpace, SpaceQueue
from services.gateway import intake
from services.gateway.spaces import CreateSpaceBody, EditSpaceBody, creation, edition, refusal, space_object

SPACE = Space(
    space="demo",
    owner="ada",
    title="",
    connections="many",
    start_timeout_s=600.0,
    execution_timeout_s=90.0,
    max_attempts=3,
)


def code(queue: SpaceQueue | None, admitted: int = 0, **settings: Any) -> str:
    problem = refusal(msgspec.structs.replace(SPACE, **settings), queue, admitted)
    return "" if problem is None else problem.code


def test_by_default_a_submission_waits_whatever_the_queue() -> None:
    assert code(SpaceQueue(waiting=10**6, online=False)) == ""


@pytest.mark.parametrize(("online", "refused"), [(False, "no_agent_online"), (True, "")])
def test_a_space_may_refuse_what_no_agent_would_take(online: bool, refused: str) -> None:
    assert code(SpaceQueue(waiting=0, online=online), on_no_agent="reject") == refused


@pytest.mark.parametrize(
    ("waiting", "admitted", "refused"), [(2, 0, ""), (3, 0, "queue_full"), (1, 1, ""), (1, 2, "queue_full")]
)
def test_what_has_come_in_since_the_look_is_taken_to_wait(waiting: int, admitted: int, refused: str) -> None:
    assert code(SpaceQueue(waiting=waiting, online=False), admitted, queue_limit=3) == refused


def test_nobody_is_refused_by_a_queue_that_is_not_known() -> None:
    assert code(None, 100, queue_limit=1, on_no_agent="reject") == ""


def test_a_body_becomes_the_command_that_creates_a_space() -> None:
    body = intake.parsed(b'{"id":"demo","queue_limit":5}', CreateSpaceBody)
    assert creation(body, "ada", "user:ada") == CreateSpace(space="demo", owner="ada", queue_limit=5, actor="user:ada")


def test_a_body_becomes_the_command_that_edits_what_it_names() -> None:
    body = intake.parsed(b'{"title":""}', EditSpaceBody)
    assert edition(body, "demo", "user:ada") == EditSpace(space="demo", title="", actor="user:ada")


def test_a_space_is_shown_with_its_switches() -> None:
    shown = space_object(msgspec.structs.replace(SPACE, paused=True, queue_limit=4))
    assert (shown.id, shown.enabled, shown.paused, shown.queue_limit) == ("demo", True, True, 4)
