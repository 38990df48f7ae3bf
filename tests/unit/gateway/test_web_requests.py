"""What the pages about requests show is decided without a browser."""

from typing import Any

import pytest

from services.contracts.accounts import User
from services.contracts.events import Problem
from services.gateway.web.durations import Duration
from services.gateway.web.request_views import Actor, actor_of, requests_view
from tests.unit.gateway.requests_shown import (
    AT,
    S,
    accepted,
    assigned,
    canceled,
    chain,
    erased,
    failed,
    refused,
    requeued,
    restored,
    succeeded,
    view,
)
from tests.unit.gateway.test_web_views import ADA, ROOT, SPACE

USERS: dict[str, Any] = {"ada": ADA, "root": ROOT}


def test_steps_stand_in_the_order_in_which_things_happened_late_frames_among_them() -> None:
    links = chain((accepted(), 0), (assigned(1), 1), (requeued(1, detail="gone", delay_s=2.0), 30), (assigned(2), 32))
    shown = view([*links, (succeeded(2, run_s=3.0), 5, AT + 40 * S)], ADA, (refused(2), AT + 35 * S), **USERS)
    assert [step.kind for step in shown.steps] == ["accepted", "assigned", "requeued", "assigned", "refused", "succeeded"]
    lost, again, late, done = shown.steps[2:]
    assert (lost.reason, lost.detail, lost.delay, lost.after) == (
        "agent_lost",
        "gone",
        Duration("s", "2.0"),
        Duration("s", "30"),
    )
    assert (again.attempt, again.agent, again.gateway) == (2, "ada/gpu", "g1")
    assert (late.attempt, late.reason, late.detail) == (1, "stale_lease", "result"), (
        "its lease was that of the first attempt"
    )
    assert (done.ran, done.actor) == (Duration("s", "3.0"), Actor("agent", "ada/gpu"))


def test_a_request_shows_how_long_it_waited_and_ran() -> None:
    shown = view(chain((accepted(), 0), (assigned(1), 4), (succeeded(1, started_s=1.0, run_s=5.0), 12)), ADA)
    assert (shown.queued, shown.ran, shown.total) == (Duration("s", "4.0"), Duration("s", "5.0"), Duration("s", "12"))
    assert (shown.status, shown.done, shown.attempt, shown.short) == ("succeeded", True, 1, "0000a70b")


def test_an_open_request_has_lasted_until_now() -> None:
    shown = view(chain((accepted(), 0)), ADA)
    assert (shown.queued, shown.ran, shown.total, shown.done) == (None, None, Duration("min", "17"), False)


def test_a_failed_request_says_why() -> None:
    shown = view(chain((accepted(), 0), (assigned(1), 1), (failed(1, error=Problem(code="odd", message="words")), 2)), ADA)
    assert (shown.error, shown.error_text) == ("odd", "words")
    assert (shown.steps[-1].reason, shown.steps[-1].detail) == ("odd", "words")


def test_the_request_of_somebody_else_says_whose_it_is() -> None:
    links = chain((accepted(), 0))
    assert view(links, ADA, **USERS).user == ""
    assert view(links, ROOT, **USERS).user == "ada@example.org"
    assert view(links, ROOT).user == "ada"


def test_an_erased_request_says_so_and_who_did_it() -> None:
    shown = view(chain((accepted(), 0), (canceled(0), 1), (erased(0, "retention"), 100)), ADA)
    assert (shown.erased, shown.steps[-1].actor) == (True, Actor("retention", ""))


def test_addresses_of_others_are_for_administrators() -> None:
    links = chain((accepted(), 0), (canceled(0), 1), (erased(0, "user:root"), 2))
    assert view(links, ADA, **USERS).steps[2].actor == Actor("user", "root")
    assert view(links, ADA, **USERS).steps[0].actor == Actor("user", "ada@example.org")
    assert view(links, ROOT, **USERS).steps[2].actor == Actor("user", "root@example.org")


def test_a_restored_request_counts_from_its_acceptance() -> None:
    shown = view(chain((restored(1), 50), (assigned(2), 60)), ADA)
    assert [step.after for step in shown.steps] == [Duration("s", "50"), Duration("min", "1")]


def test_it_is_said_when_refused_frames_cannot_be_known() -> None:
    links = chain((accepted(), 0))
    assert [view(links, ADA, known=known).refused_known for known in (True, False)] == [True, False]


@pytest.mark.parametrize(
    ("actor", "shown"),
    [
        ("user:ada", Actor("user", "ada@example.org")),
        ("user:gone", Actor("user", "gone")),
        ("dispatcher:d1", Actor("dispatcher", "d1")),
        ("recovery", Actor("recovery", "")),
        ("moon:x", Actor("unknown", "moon:x")),
    ],
)
def test_who_caused_an_event_is_named(actor: str, shown: Actor) -> None:
    assert actor_of(actor, USERS) == shown


def test_only_administrators_choose_among_users() -> None:
    users: dict[str, User] = USERS
    assert (requests_view([SPACE], ADA, users).others, requests_view([SPACE], ADA, users).emails) == (False, {})
    seen = requests_view([SPACE], ROOT, users)
    assert (seen.others, seen.emails["ada"]) == (True, "ada@example.org")
