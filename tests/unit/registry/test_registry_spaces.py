"""Given a space, when a command about it comes, then this event, nothing new or this refusal."""

from typing import Any

import msgspec
import pytest

from services.contracts.accounts import Directory
from services.contracts.directory import (
    DirectoryEvent,
    SpaceCreated,
    SpaceDeleted,
    SpaceDisabled,
    SpaceEdited,
    SpaceEnabled,
    SpacePaused,
    SpaceResumed,
    UserCreated,
    entry_of,
)
from services.contracts.rpc import CreateSpace, DeleteSpace, EditSpace, Switch, SwitchSpace
from services.registry.directory import DirectoryCommand, decide, entry_named
from services.registry.refusal import Existing, Refusal

OWNER = UserCreated(id="e", prev_seq=0, actor="system", user="u1", email="a@example.org", role="member", password_hash="h")
CREATED = SpaceCreated(id="e", prev_seq=0, actor="system", space="demo", owner="u1", title="A demo", max_attempts=2)
DISABLED = SpaceDisabled(id="e", prev_seq=2, actor="system", space="demo")
PAUSED = SpacePaused(id="e", prev_seq=2, actor="system", space="demo")
DELETED = SpaceDeleted(id="e", prev_seq=2, actor="system", space="demo")
EDIT = EditSpace(space="demo", title="Better", queue_limit=5, actor="user:u1")


def given(*events: DirectoryEvent) -> Directory:
    """The owner is at 1, the space at 2, these events after it."""
    folded = Directory()
    for seq, event in enumerate([OWNER, CREATED, *events], 1):
        folded.apply(event, *entry_of(event), seq)
    return folded


def after(command: DirectoryCommand, there: Directory) -> Directory:
    """The directory with the command carried out, at 9."""
    event = decide(command, there, "event")
    assert not isinstance(event, Existing)
    there.apply(event, *entry_of(event), 9)
    return there


def refused(command: DirectoryCommand, there: Directory) -> str:
    with pytest.raises(Refusal) as refusal:
        decide(command, there, "event")
    return refusal.value.code


def test_an_edit_records_only_what_changes() -> None:
    edit = msgspec.structs.replace(EDIT, max_attempts=2)
    assert decide(edit, given(), "event") == SpaceEdited(
        id="event", prev_seq=2, actor="user:u1", space="demo", title="Better", queue_limit=5
    )


def test_an_edited_space_has_what_was_edited_and_keeps_the_rest() -> None:
    space = after(EDIT, given(PAUSED)).spaces["demo"]
    assert (space.title, space.queue_limit, space.max_attempts, space.owner, space.paused) == ("Better", 5, 2, "u1", True)


def test_every_setting_can_be_edited() -> None:
    changes: dict[str, Any] = {"title": "", "connections": "one", "start_timeout_s": 5.0, "execution_timeout_s": 6.0}
    changes |= {"max_attempts": 3, "on_no_agent": "reject", "queue_limit": 7}
    changes |= {"max_in_flight": 8, "max_in_flight_per_user": 1, "retention_s": 60.0}
    changes |= {"features": ("audio",), "input_schema": {"type": "object"}, "example_input": {"audio": "data:,"}}
    space = after(EditSpace(space="demo", **changes), given()).spaces["demo"]
    assert {name: getattr(space, name) for name in changes} == changes


def test_a_limit_of_what_runs_at_once_is_taken_back_with_none() -> None:
    limited = given(SpaceEdited(id="e", prev_seq=2, actor="system", space="demo", max_in_flight=8, max_in_flight_per_user=2))
    space = after(EditSpace(space="demo", max_in_flight=None), limited).spaces["demo"]
    assert (space.max_in_flight, space.max_in_flight_per_user) == (None, 2)
    assert decide(EditSpace(space="demo", max_in_flight=None), given(), "event") == Existing(2)


@pytest.mark.parametrize("name", ["max_in_flight", "max_in_flight_per_user"])
@pytest.mark.parametrize("value", [0, -1, 1_000_001])
def test_a_limit_of_what_runs_at_once_is_at_least_one(name: str, value: int) -> None:
    limit: dict[str, Any] = {name: value}
    assert refused(EditSpace(space="demo", **limit), given()) == "invalid"
    assert refused(CreateSpace(space="new", owner="u1", **limit), given()) == "invalid"


def test_an_edit_that_changes_nothing_is_no_event() -> None:
    assert decide(EditSpace(space="demo"), given(), "event") == Existing(2)
    assert decide(EditSpace(space="demo", title="A demo"), given(), "event") == Existing(2)


def test_an_edit_follows_what_others_have_done_meanwhile() -> None:
    edited = after(EDIT, given())
    second = decide(EditSpace(space="demo", title="Best"), edited, "event")
    assert second == SpaceEdited(id="event", prev_seq=9, actor="system", space="demo", title="Best")


@pytest.mark.parametrize(
    "changes",
    [
        {"title": "x" * 201},
        {"title": "two\nlines"},
        {"start_timeout_s": 0.0},
        {"execution_timeout_s": float("nan")},
        {"max_attempts": 0},
        {"queue_limit": -1},
        {"queue_limit": 1_000_001},
    ],
)
def test_an_edit_has_the_bounds_of_a_creation(changes: dict[str, Any]) -> None:
    assert refused(EditSpace(space="demo", **changes), given()) == "invalid"
    assert refused(CreateSpace(space="new", owner="u1", **changes), given()) == "invalid"


@pytest.mark.parametrize(
    ("there", "to", "made"),
    [
        ([], "disable", SpaceDisabled),
        ([DISABLED], "enable", SpaceEnabled),
        ([], "pause", SpacePaused),
        ([PAUSED], "resume", SpaceResumed),
    ],
)
def test_a_space_is_switched(there: list[DirectoryEvent], to: Switch, made: Any) -> None:
    seq = 2 + len(there)
    decided = decide(SwitchSpace(space="demo", to=to), given(*there), "event")
    assert decided == made(id="event", prev_seq=seq, actor="system", space="demo")


@pytest.mark.parametrize(("there", "to"), [([], "enable"), ([DISABLED], "disable"), ([], "resume"), ([PAUSED], "pause")])
def test_what_is_so_already_is_not_switched(there: list[DirectoryEvent], to: Switch) -> None:
    assert decide(SwitchSpace(space="demo", to=to), given(*there), "event") == Existing(2 + len(there))


def test_pausing_and_disabling_are_apart() -> None:
    space = after(SwitchSpace(space="demo", to="pause"), given(DISABLED)).spaces["demo"]
    assert (space.enabled, space.paused) == (False, True)
    space = after(SwitchSpace(space="demo", to="enable"), given(DISABLED, PAUSED)).spaces["demo"]
    assert (space.enabled, space.paused) == (True, True)


def test_a_deleted_space_is_no_space_and_its_name_is_not_given_again() -> None:
    there = after(DeleteSpace(space="demo"), given(PAUSED))
    assert "demo" not in there.spaces
    assert not there.paused("demo"), "what is open of it goes on"
    assert there.serviceable("demo") is not None
    assert decide(DeleteSpace(space="demo"), there, "event") == Existing(9)
    assert refused(CreateSpace(space="demo", owner="u1", title="A demo", max_attempts=2), there) == "exists"
    assert refused(CreateSpace(space="demo", owner="u1", title="Another"), there) == "exists"
    for command in (EDIT, SwitchSpace(space="demo", to="pause")):
        assert refused(command, there) == "not_found"


def test_events_after_its_deletion_do_not_bring_a_space_back() -> None:
    assert given(DELETED, PAUSED).spaces == {}


@pytest.mark.parametrize(
    "command", [EditSpace(space="none"), SwitchSpace(space="none", to="pause"), DeleteSpace(space="none")]
)
def test_a_space_that_never_was_cannot_be_changed(command: DirectoryCommand) -> None:
    assert refused(command, given()) == "not_found"
    assert entry_named(command) == "none"


def test_the_same_space_again_after_an_edit_is_another_one() -> None:
    again = CreateSpace(space="demo", owner="u1", title="A demo", max_attempts=2)
    assert decide(again, given(), "event") == Existing(2)
    assert refused(again, after(EDIT, given())) == "exists"
