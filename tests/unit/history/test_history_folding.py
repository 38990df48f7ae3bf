"""What a batch makes of the read rows, and how chains are checked."""

import itertools
from typing import Any

import msgspec
import pytest

from services.contracts import codec, ids
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
from services.contracts.requests import CutChain, RequestState, fold
from services.history.chains import Logged, difference, refold_chain
from services.history.requests import (
    Decoded,
    decode_batch,
    fold_batch,
    follow,
    refold,
    row_of,
    state_of,
    unfitting,
)
from services.runtime.append import request_record

NONE: frozenset[int] = frozenset()
numbers = itertools.count()


def request(start: int = 1, space: str = "demo") -> list[tuple[RequestEvent, int]]:
    """A request that was lost once and then succeeded: (event, seq)."""
    rid = ids.request_id(space, next(numbers), bytes(10))
    common: dict[str, Any] = {"rid": rid, "space": space, "actor": "system", "origin": "g1"}
    first: dict[str, Any] = {
        "user": "u1",
        "key_id": "k",
        "body_sha256": "0",
        "start_timeout_s": 1.0,
        "execution_timeout_s": 1.0,
    }
    run: dict[str, Any] = {"agent": "a/b", "conn": "c", "gateway": "g1", "user": "u1", "execution_timeout_s": 1.0}
    input, output = msgspec.Raw(b'{"n":%d}' % start), msgspec.Raw(b"[1]")
    events: list[RequestEvent] = [
        Accepted(**common, **first, id="1", prev_seq=0, attempt=0, input=input),
        Assigned(**common, **run, id="2", prev_seq=start, attempt=1, input=input),
        Requeued(**common, id="3", prev_seq=start + 1, attempt=1, reason="agent_lost", gateway="g1"),
        Assigned(**common, **run, id="4", prev_seq=start + 2, attempt=2, input=input),
        Succeeded(
            **common, id="5", prev_seq=start + 3, attempt=2, agent="a/b", gateway="g1", output=output, output_sha256="0"
        ),
    ]
    return [(event, start + index) for index, event in enumerate(events)]


def decoded(events: list[tuple[RequestEvent, int]]) -> list[Decoded]:
    messages = [(seq, seq * 10, (record := request_record(event)).subject, record.data) for event, seq in events]
    batch, conflicts = decode_batch(messages)
    assert not conflicts
    return batch


def logged(events: list[tuple[RequestEvent, int]], epoch: int = 1) -> list[Logged]:
    return [
        Logged(e.rid or "", epoch, e.seq, e.at, e.subject, e.type, e.prev_seq, e.payload_sha, e.data)
        for e, _ in decoded(events)
    ]


def state_after(events: list[tuple[RequestEvent, int]]) -> RequestState:
    state = fold((event, entry.seq, entry.at) for entry, event in decoded(events))
    assert state is not None
    return state


@pytest.mark.parametrize("cut", range(6))
def test_batches_cut_anywhere_come_to_the_same_state(cut: int) -> None:
    events = request()
    first = fold_batch({}, decoded(events[:cut]), NONE)
    second = fold_batch(first.states, decoded(events[cut:]), NONE)
    assert (first.states | second.states)[events[0][0].rid] == state_after(events)
    assert [entry.seq for entry in first.entries + second.entries] == [1, 2, 3, 4, 5]
    assert not first.conflicts + second.conflicts


def test_the_input_of_an_assignment_is_stored_once() -> None:
    folded = fold_batch({}, decoded(request()), NONE)
    assert sorted(folded.payloads.values()) == [b"[1]", b'{"n":1}']
    events = request()
    later = fold_batch({events[0][0].rid: state_after(events[:1])}, decoded(events[1:2]), NONE)
    assert not later.payloads


def test_an_event_that_cannot_follow_is_a_conflict_and_changes_nothing() -> None:
    events = request()
    forged = (msgspec.structs.replace(events[4][0], id="9", prev_seq=5), 6)
    folded = fold_batch({}, decoded([*events, forged]), NONE)
    assert [(c.seq, c.reason) for c in folded.conflicts] == [(6, "succeeded cannot follow succeeded")]
    assert folded.conflicts[0].data == request_record(forged[0]).data
    assert folded.states[events[0][0].rid] == state_after(events)


def test_an_event_that_follows_another_than_the_last_is_a_conflict() -> None:
    events = request()
    forged = (msgspec.structs.replace(events[2][0], prev_seq=1), 3)
    folded = fold_batch({}, decoded([*events[:2], forged]), NONE)
    assert [c.seq for c in folded.conflicts] == [3]
    assert "follows 1, but its chain ends at 2" in folded.conflicts[0].reason


def test_a_chain_without_its_beginning_is_a_conflict() -> None:
    folded = fold_batch({}, decoded(request()[1:]), NONE)
    assert [c.seq for c in folded.conflicts] == [2, 3, 4, 5]
    assert not folded.states


def test_what_the_log_has_refused_is_a_conflict_and_not_folded() -> None:
    events = request()
    folded = fold_batch({}, decoded(events[:3]), frozenset({3}))
    assert [c.seq for c in folded.conflicts] == [3]
    assert folded.states[events[0][0].rid] == state_after(events[:2])


def test_a_row_is_in_doubt_when_the_first_event_does_not_follow_it() -> None:
    events = request()
    rid = events[0][0].rid
    assert unfitting({}, decoded(events)) == []
    assert unfitting({}, decoded(events[1:])) == [rid]
    assert unfitting({rid: state_after(events[:1])}, decoded(events[1:])) == []
    assert unfitting({rid: state_after(events[:1])}, decoded(events[2:])) == [rid]


def test_the_log_gives_the_states_again_but_not_of_broken_chains() -> None:
    events, others = request(), request(11)
    mixed = sorted([*decoded(events[:3]), *decoded(others)], key=lambda pair: pair[0].seq)
    assert refold((e.seq, e.at, e.data) for e, _ in mixed) == {
        events[0][0].rid: state_after(events[:3]),
        others[0][0].rid: state_after(others),
    }
    assert refold((e.seq, e.at, e.data) for e, _ in decoded(events[1:])) == {}


def test_a_state_survives_its_row() -> None:
    for end in range(1, 6):
        state = state_after(request()[:end])
        row = row_of(state, 3)
        assert state_of(row.state) == state
        assert (row.completed_at is None) == state.open
        assert (row.epoch, row.last_seq, row.status) == (3, end, state.status)


def test_following_nothing_is_only_for_the_first() -> None:
    first = request()[0][0]
    with pytest.raises(CutChain):
        follow(None, msgspec.structs.replace(first, prev_seq=4), 5, 0)


def test_a_chain_of_the_log_is_refolded_to_its_row() -> None:
    events = request()
    refolded = refold_chain(logged(events))
    assert refolded.faults == []
    assert refolded.row == row_of(state_after(events), 1)
    assert difference(refolded.row, refolded.row) is None


def test_within_an_epoch_nothing_is_restored() -> None:
    (accepted, _), *_ = request()
    assert isinstance(accepted, Accepted)
    common = {name: getattr(accepted, name) for name in ("rid", "space", "actor", "origin")}
    restored = Restored(**common, id="9", prev_seq=0, attempt=0, accepted=accepted, accepted_at="2026-01-01T00:00:00Z")
    state = follow(None, accepted, 1, 10)
    with pytest.raises(CutChain):
        follow(state, restored, 2, 20)


def test_a_new_epoch_begins_a_new_chain() -> None:
    events = request()[:2]
    accepted = events[0][0]
    assert isinstance(accepted, Accepted)
    common: dict[str, Any] = {
        "rid": accepted.rid,
        "space": "demo",
        "actor": "system",
        "origin": "g1",
        "prev_seq": 0,
        "attempt": 1,
    }
    restored = Restored(**common, id="9", accepted=accepted, accepted_at="2026-01-01T00:00:00Z")
    refolded = refold_chain(logged(events) + logged([(restored, 1000)], epoch=2))
    assert refolded.faults == []
    assert refolded.row is not None
    assert (refolded.row.epoch, refolded.row.status, refolded.row.last_seq) == (2, "queued", 1000)


def test_erasing_and_expiring_fold_too() -> None:
    accepted = request()[0]
    common = {name: getattr(accepted[0], name) for name in ("rid", "space", "actor", "origin")}
    chain: list[tuple[RequestEvent, int]] = [
        accepted,
        (Expired(**common, id="2", prev_seq=1, attempt=0), 2),
        (Erased(**common, id="3", prev_seq=2, attempt=0), 3),
    ]
    folded = fold_batch({}, decoded(chain), NONE)
    state = folded.states[accepted[0].rid]
    assert (state.status, state.erased, state.completed_at) == ("expired", True, 20)


def test_a_request_of_an_epoch_before_is_erased_in_this_one() -> None:
    events = request()
    accepted = events[0][0]
    common = {name: getattr(accepted, name) for name in ("rid", "space", "actor", "origin")}
    erased: list[tuple[RequestEvent, int]] = [(Erased(**common, id="9", prev_seq=5, attempt=2), 1000)]
    refolded = refold_chain(logged(events) + logged(erased, epoch=2))
    assert refolded.faults == []
    assert refolded.row is not None
    assert (refolded.row.epoch, refolded.row.status, refolded.row.last_seq) == (2, "succeeded", 1000)
    assert refolded.row == row_of(
        fold_batch({accepted.rid: state_after(events)}, decoded(erased), NONE).states[accepted.rid], 2
    )
    assert refold_chain(logged(events[:4]) + logged(erased, epoch=2)).faults != [], "an open one cannot be"


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda chain: chain[:1] + chain[2:], "broken chain: at 3"),
        (lambda chain: chain[1:], "broken chain: at 2"),
        (lambda chain: [chain[0]._replace(data=b"{}"), *chain[1:]], "broken chain: at 1"),
        (lambda chain: [chain[0], chain[1]._replace(prev_seq=9), *chain[2:]], "mislabeled event: at 2"),
        (lambda chain: [chain[0], chain[1]._replace(type="failed"), *chain[2:]], "mislabeled event: at 2"),
        (lambda chain: [chain[0]._replace(subject="ws.req.x"), *chain[1:]], "mislabeled event: at 1"),
    ],
)
def test_a_damaged_chain_is_named(change: Any, fault: str) -> None:
    faults = refold_chain(change(logged(request()))).faults
    assert len(faults) == 1
    assert faults[0].startswith(fault)


def test_each_difference_of_a_row_is_named() -> None:
    row = row_of(state_after(request()), 1)
    assert difference(row, None) == "missing row: the log says succeeded"
    assert difference(None, row) == "wrong row: the log does not give it"
    assert difference(row, row._replace(status="failed", attempt=7)) == "wrong row: status, attempt"
    assert difference(row, row._replace(state=row_of(state_after(request(50)), 1).state)) == "wrong row: state"
    assert difference(row, row._replace(state=b"?")) == "wrong row: state"


def test_the_types_in_the_log_are_those_of_the_events() -> None:
    assert [entry.type for entry, _ in decoded(request())] == [type_of(event) for event, _ in request()]
    assert codec.requests.decode(decoded(request())[1][0].data).prev_seq == 1
