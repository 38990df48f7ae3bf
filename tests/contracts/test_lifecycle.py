"""The transition table: every pair of status and event is either in it or refused."""

import itertools
from typing import get_args

import pytest

from services.contracts.events import RequestEvent
from services.contracts.lifecycle import OPEN, TRANSITIONS, InvalidTransition, Status, after

EVENTS = [str(type_.__struct_config__.tag) for type_ in get_args(RequestEvent)]
STATUSES: tuple[Status, ...] = get_args(Status)
CLOSED: frozenset[Status] = frozenset({"succeeded", "failed", "canceled", "expired"})
BEFORE: list[Status | None] = [None, *STATUSES]

# The design's own table, written once more so that a change of either is seen.
ALLOWED: dict[tuple[Status | None, str], Status] = {
    (None, "accepted"): "queued",
    (None, "restored"): "queued",
    ("queued", "assigned"): "processing",
    ("queued", "failed"): "failed",
    ("queued", "expired"): "expired",
    ("queued", "canceled"): "canceled",
    ("processing", "requeued"): "queued",
    ("processing", "succeeded"): "succeeded",
    ("processing", "failed"): "failed",
    ("processing", "canceled"): "canceled",
    **{(status, "erased"): status for status in ("succeeded", "failed", "canceled", "expired")},
}


@pytest.mark.parametrize(("before", "event"), list(itertools.product(BEFORE, EVENTS)))
def test_each_pair_is_in_the_table_or_invalid(before: Status | None, event: str) -> None:
    if (before, event) in ALLOWED:
        assert after(before, event) == ALLOWED[before, event]
        return
    with pytest.raises(InvalidTransition) as error:
        after(before, event)
    assert (error.value.before, error.value.event) == (before, event)


def test_an_unknown_event_is_invalid() -> None:
    with pytest.raises(InvalidTransition):
        after("queued", "exploded")


def test_each_status_is_open_or_closed() -> None:
    assert set(STATUSES) == OPEN | CLOSED
    assert not OPEN & CLOSED


def test_nothing_reopens_a_closed_request() -> None:
    assert all(after == before for (before, _), after in TRANSITIONS.items() if before in CLOSED)


def test_terminal_events_are_those_that_close() -> None:
    closing = {event for (before, event), after in TRANSITIONS.items() if before in OPEN and after in CLOSED}
    assert closing == {"succeeded", "failed", "canceled", "expired"}


def test_each_status_can_be_reached_and_each_event_happens() -> None:
    assert set(TRANSITIONS.values()) == set(STATUSES)
    assert {event for _, event in TRANSITIONS} == set(EVENTS)
