"""A waiter folds the events of one chain, whatever they come before or after."""

import msgspec
from nats.aio.client import Client

from services.contracts import codec
from services.contracts.events import Accepted, Assigned, Erased, RequestEvent, Succeeded
from services.contracts.requests import RequestState, fold
from services.gateway.reading import Reader
from services.gateway.waiting import Waiter, Waiting
from services.runtime.jetstream import Stored

RID = "0" * 32 + "06"
ACCEPTED = Accepted(
    id="1",
    rid=RID,
    space="demo",
    prev_seq=0,
    attempt=0,
    actor="user:ada",
    origin="g",
    user="ada",
    key_id="k",
    input=msgspec.Raw(b"{}"),
    body_sha256="s",
    start_timeout_s=60,
    execution_timeout_s=60,
)
ASSIGNED = Assigned(
    id="2",
    rid=RID,
    space="demo",
    prev_seq=10,
    attempt=1,
    actor="dispatcher:d",
    origin="g",
    agent="ada/gpu",
    conn="c",
    gateway="h",
    user="ada",
    input=msgspec.Raw(b"{}"),
    execution_timeout_s=60,
)
SUCCEEDED = Succeeded(
    id="3",
    rid=RID,
    space="demo",
    prev_seq=20,
    attempt=1,
    actor="agent:ada/gpu",
    origin="g",
    agent="ada/gpu",
    gateway="h",
    output=msgspec.Raw(b"1"),
    output_sha256="s",
)
ERASED = Erased(id="4", rid=RID, space="demo", prev_seq=30, attempt=1, actor="user:ada", origin="g")
CHAIN: list[tuple[RequestEvent, int]] = [(ACCEPTED, 10), (ASSIGNED, 20), (SUCCEEDED, 30)]


def stored(event: RequestEvent, seq: int) -> Stored:
    return Stored(seq, seq * 1000, "subject", codec.requests.encode(event))


def read(upto: int) -> RequestState:
    state = fold((event, seq, seq * 1000) for event, seq in CHAIN if seq <= upto)
    assert state is not None
    return state


def test_it_is_finished_by_the_outcome_only() -> None:
    waiter = Waiter()
    seen = []
    for event, seq in CHAIN:
        waiter.see(stored(event, seq))
        seen.append((waiter.begun.is_set(), waiter.finished.is_set()))
    assert seen == [(True, False), (True, False), (True, True)]
    assert waiter.state == read(30)


def test_of_a_request_that_was_erased_before_its_outcome_came_here_nothing_more_is_waited_for() -> None:
    waiter = Waiter()
    for event, seq in CHAIN[:2]:
        waiter.see(stored(event, seq))
    waiter.see(stored(ERASED, 40))
    assert waiter.finished.is_set()
    assert (waiter.state, waiter.error) == (read(20), None)


def test_an_event_seen_twice_counts_once() -> None:
    waiter = Waiter()
    for event, seq in [*CHAIN[:2], *CHAIN]:
        waiter.see(stored(event, seq))
    assert (waiter.state, waiter.error) == (read(30), None)


def test_events_from_before_the_state_is_known_are_kept() -> None:
    waiter = Waiter()
    waiter.see(stored(SUCCEEDED, 30))
    assert not waiter.begun.is_set()
    waiter.seed(read(20))
    assert waiter.finished.is_set()
    assert waiter.state == read(30)


def test_an_older_reading_changes_nothing() -> None:
    waiter = Waiter()
    for event, seq in CHAIN:
        waiter.see(stored(event, seq))
    waiter.seed(read(10))
    assert waiter.state == read(30)


def test_an_event_that_cannot_be_understood_fails_this_waiter_only() -> None:
    waiter = Waiter()
    waiter.see(stored(ACCEPTED, 10))
    waiter.see(Stored(20, 0, "subject", b'{"type": "from the future"}'))
    assert isinstance(waiter.error, codec.UndecodableEvent)
    assert waiter.finished.is_set()


def test_an_event_that_cannot_follow_fails_this_waiter_only() -> None:
    waiter = Waiter()
    waiter.see(stored(ACCEPTED, 10))
    waiter.see(stored(SUCCEEDED, 30))
    assert waiter.error is not None


def test_those_who_wait_for_one_request_share_its_waiter_and_leave_nothing_behind() -> None:
    nc = Client()
    waiting = Waiting(nc, "g", Reader(nc))
    with waiting.expect(RID) as first, waiting.expect(RID) as second:
        assert first is second
    with waiting.expect(RID) as later:
        assert later is not first
