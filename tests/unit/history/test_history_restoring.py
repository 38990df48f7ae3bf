"""Given what the log, and perhaps a replaced stream, says of requests, directory and keys, this is what stands in a new
epoch."""

from typing import Any

import msgspec
import pytest

from services.contracts.directory import ApiKeyCreated, DirectoryEvent, KeyRevoked, UserCreated, UserDisabled, UserEnabled
from services.contracts.events import (
    Accepted,
    Assigned,
    Erased,
    Expired,
    RequestEvent,
    Requeued,
    Restored,
    Succeeded,
    type_of,
)
from services.contracts.idempotency import KeyRecord
from services.contracts.ids import request_id
from services.contracts.requests import RequestState, fold
from services.history.restoring import Link, Unrestorable, directory_again, erasure, keys, restoration

S = 1_000_000_000
NOW = 900 * S
RID = request_id("demo", 1, bytes(10))
INPUT, NO_INPUT = msgspec.Raw(b'{"n":1}'), msgspec.Raw(b"null")
NOBODY = 10**9


def base(prev_seq: int, attempt: int) -> dict[str, Any]:
    common = {"rid": RID, "space": "demo", "actor": "system", "origin": "g1"}
    return common | {"id": f"e{prev_seq}-{attempt}", "prev_seq": prev_seq, "attempt": attempt}


ACCEPTED = Accepted(
    **base(0, 0),
    user="u1",
    key_id="k",
    input=INPUT,
    body_sha256="b",
    start_timeout_s=60.0,
    execution_timeout_s=30.0,
    key_digest="d1",
)


def assigned(prev_seq: int, attempt: int = 1, input: msgspec.Raw = NO_INPUT) -> Assigned:
    run: dict[str, Any] = {"agent": "u1/gpu", "conn": "c", "gateway": "g2", "user": "u1", "execution_timeout_s": 30.0}
    return Assigned(**base(prev_seq, attempt), **run, input=input)


def requeued(prev_seq: int, attempt: int = 1, started: bool = True) -> Requeued:
    return Requeued(**base(prev_seq, attempt), reason="agent_lost", gateway="g2", started=started)


def succeeded(prev_seq: int, attempt: int = 1) -> Succeeded:
    result: dict[str, Any] = {"agent": "u1/gpu", "gateway": "g2", "output": msgspec.Raw(b"[2]"), "output_sha256": "s"}
    return Succeeded(**base(prev_seq, attempt), **result)


def links(*events: RequestEvent, epoch: int = 1, first: int = 10) -> list[Link]:
    """At the sequences 10, 20, ... and as many seconds."""
    return [Link(event, epoch, first + 10 * number, (first + 10 * number) * S) for number, event in enumerate(events)]


def restored(logged: list[Link], left: list[Link] | None = None, diverged_at: int = NOBODY) -> list[RequestEvent]:
    return restoration(logged, left or [], diverged_at, 2, NOW)


def folded(events: list[RequestEvent]) -> RequestState:
    """What the events come to, appended from 1000 on."""
    state = fold([(event, 1000 + number, (1000 + number) * S) for number, event in enumerate(events)])
    assert state is not None
    return state


def test_a_waiting_request_waits_with_its_past() -> None:
    (event,) = restored(links(ACCEPTED))
    assert isinstance(event, Restored)
    assert (event.prev_seq, event.attempt, event.accepted, event.actor) == (0, 0, ACCEPTED, "recovery")
    state = folded([event])
    assert (state.status, state.accepted_at, state.waiting_since, state.input) == ("queued", 10 * S, 10 * S, INPUT)


def test_a_running_request_waits_again_and_its_start_timeout_begins_anew() -> None:
    state = folded(restored(links(ACCEPTED, assigned(10), requeued(20, started=False), assigned(30, 2))))
    assert (state.status, state.attempt, state.losses, state.agent, state.lease) == ("queued", 2, 1, "", 0)
    assert (state.accepted_at, state.waiting_since) == (10 * S, NOW)


def test_one_that_had_started_before_waits_from_when_it_was_requeued() -> None:
    state = folded(restored(links(ACCEPTED, assigned(10), requeued(20))))
    assert (state.attempt, state.losses, state.waiting_since) == (1, 1, 30 * S)


def test_one_that_was_restored_before_keeps_its_past() -> None:
    before = restored(links(ACCEPTED, assigned(10), requeued(20)))
    logged = [*links(ACCEPTED, assigned(10), requeued(20)), *links(*before, epoch=2, first=1000)]
    assert folded(restoration(logged, [], NOBODY, 3, NOW)) == folded(before)


def test_the_same_request_in_the_same_epoch_is_the_same_event() -> None:
    (one,) = restored(links(ACCEPTED))
    (other,) = restoration(links(ACCEPTED), [], NOBODY, 2, NOW + S)
    (later,) = restoration(links(ACCEPTED), [], NOBODY, 3, NOW)
    assert one.id == other.id
    assert one.id != later.id


def test_what_follows_a_break_in_the_chain_is_left_out() -> None:
    state = folded(restored(links(ACCEPTED, assigned(10), requeued(99), assigned(30, 2))))
    assert (state.status, state.attempt) == ("queued", 1)


@pytest.mark.parametrize("logged", [[], links(assigned(10))])
def test_a_request_without_a_beginning_cannot_be_restored(logged: list[Link]) -> None:
    with pytest.raises(Unrestorable):
        restored(logged)


# A replaced stream that went on from sequence 25 on without the log's events from there


def test_a_request_that_only_the_old_stream_knows_is_restored() -> None:
    state = folded(restored([], links(ACCEPTED, first=25), 25))
    assert (state.status, state.attempt, state.accepted_at) == ("queued", 0, 25 * S)


def test_its_outcome_in_the_old_stream_is_kept_whole() -> None:
    for logged in ([], links(ACCEPTED, assigned(10), first=10)):
        begun: list[RequestEvent] = [] if logged else [ACCEPTED, assigned(25)]
        left = links(*begun, succeeded(20 if logged else 35), first=25)
        events = restored(logged, left, 25)
        assert [type_of(event) for event in events] == ["restored", "assigned", "succeeded"]
        state = folded(events)
        assert (state.status, state.attempt, state.agent, bytes(state.output)) == ("succeeded", 1, "u1/gpu", b"[2]")
        assert isinstance(events[1], Assigned)
        assert events[1].input == INPUT
        assert len({event.id for event in events}) == 3


def test_an_outcome_without_an_assignment_and_what_came_after_it_are_kept() -> None:
    events = restored([], links(ACCEPTED, Expired(**base(25, 0)), Erased(**base(35, 0)), first=25), 25)
    assert [type_of(event) for event in events] == ["restored", "expired", "erased"]
    assert folded(events).erased


def test_what_has_ended_in_the_log_and_is_erased_in_the_replaced_stream_alone_is_erased_again() -> None:
    logged, erased = links(ACCEPTED, Expired(**base(10, 0))), links(Erased(**base(20, 0)), first=25)
    event = erasure(logged, erased, 2)
    assert event is not None
    assert (event.prev_seq, event.rid) == (20, RID), "it follows what the log has last"
    assert event == erasure(logged, erased, 2), "a recovery that is run again appends nothing twice"
    assert event.id not in {link.event.id for link in erased}
    assert erasure([*logged, *erased], erased, 2) is None, "the log knows"
    assert erasure(logged, links(succeeded(10)), 2) is None
    assert erasure(logged, [], 2) is None


def test_the_instants_of_a_restored_request_are_those_of_before_to_the_nanosecond() -> None:
    at = 10 * S + 123_456_789
    state = folded(restored([Link(ACCEPTED, 1, 10, at), Link(assigned(10), 1, 20, at), Link(requeued(20), 1, 30, at + 1)]))
    assert (state.accepted_at, state.waiting_since) == (at, at + 1)


def test_an_outcome_after_other_events_than_the_log_s_is_kept() -> None:
    logged = links(ACCEPTED, assigned(10), requeued(20), assigned(30, 2))
    left = [Link(succeeded(20), 1, 26, 26 * S)]
    assert folded(restored(logged, left, 25)).status == "succeeded"


def test_the_later_attempt_counts() -> None:
    logged = links(ACCEPTED, assigned(10))
    left = links(requeued(20), assigned(25, 2), first=25)
    assert folded(restored(logged, left, 25)).attempt == 2
    logged = links(ACCEPTED, assigned(10), requeued(20), assigned(30, 2), requeued(40, 2), assigned(50, 3))
    assert folded(restored(logged, left, 25)).attempt == 3


def test_an_interrupted_recovery_goes_on_with_the_outcome() -> None:
    """It had appended `restored`, and a recorder has recorded that."""
    logged, left = links(ACCEPTED, assigned(10)), links(succeeded(20), first=25)
    events = restored(logged, left, 25)
    again = restored([*logged, *links(events[0], epoch=2, first=1000)], left, 25)
    assert [event.id for event in again] == [event.id for event in events]


def test_an_old_stream_of_an_epoch_before_the_log_s_counts_for_nothing() -> None:
    logged = [*links(ACCEPTED), *links(*restored(links(ACCEPTED)), epoch=2, first=1000)]
    events = restoration(logged, links(assigned(10), succeeded(25), first=25), 25, 3, NOW)
    assert [type_of(event) for event in events] == ["restored"]


# Directory


def key(id: str, key_id: str = "k1") -> DirectoryEvent:
    return ApiKeyCreated(id=id, prev_seq=3, actor="system", key_id=key_id, user="u1", key_hash="h", name="n")


def revoked(id: str, key_id: str = "k1") -> DirectoryEvent:
    return KeyRevoked(id=id, prev_seq=4, actor="system", key_id=key_id)


def test_the_directory_s_events_come_once_and_in_order() -> None:
    user = UserCreated(id="e1", prev_seq=0, actor="system", user="u1", email="a@b", role="admin", password_hash="h")
    log = [user, key("e2"), revoked("e3"), key("e4", "k2")]
    assert list(directory_again([*log, *log])) == log


def test_a_user_that_is_disabled_stays_so() -> None:
    user = UserCreated(id="e1", prev_seq=0, actor="system", user="u1", email="a@b", role="admin", password_hash="h")
    disabled = UserDisabled(id="e2", prev_seq=1, actor="system", user="u1")
    enabled = UserEnabled(id="e3", prev_seq=2, actor="system", user="u1")
    log: list[DirectoryEvent] = [user, disabled, enabled, msgspec.structs.replace(disabled, id="e4")]
    assert list(directory_again([*log, *log])) == log
    assert list(directory_again([disabled])) == []


def test_what_cannot_follow_in_the_directory_is_left_out() -> None:
    log = [key("e2"), revoked("e3")]
    left = [key("e5"), revoked("e6"), revoked("e7", "k9"), key("e8", "k2"), revoked("e9", "k2")]
    assert list(directory_again([*log, *left])) == [*log, *left[3:]]


# Keys


def test_keys_live_as_long_as_they_would_have() -> None:
    (found,) = keys([(ACCEPTED, 100 * S)], now=150 * S, ttl_s=60.0)
    assert (found.digest, found.record, found.ttl_s) == ("d1", KeyRecord(rid=RID, body_sha256="b"), 10.0)


def test_dead_keys_and_requests_without_one_are_left_out() -> None:
    without = msgspec.structs.replace(ACCEPTED, key_digest="")
    assert keys([(ACCEPTED, 100 * S), (without, 149 * S)], now=160 * S, ttl_s=60.0) == []


def test_of_several_requests_with_one_key_the_latest_has_it() -> None:
    later = msgspec.structs.replace(ACCEPTED, rid="r2")
    for order in ([(ACCEPTED, 100 * S), (later, 120 * S)], [(later, 120 * S), (ACCEPTED, 100 * S)]):
        assert [found.record.rid for found in keys(order, now=130 * S, ttl_s=60.0)] == ["r2"]


def test_a_restored_request_has_had_its_key_since_it_was_accepted() -> None:
    (event,) = restored(links(ACCEPTED))
    (found,) = keys([(event, 40 * S)], now=50 * S, ttl_s=60.0)
    assert found.ttl_s == 20.0
