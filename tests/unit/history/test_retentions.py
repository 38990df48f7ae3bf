"""When the data of requests are to be erased."""

from typing import Any

import msgspec
import pytest

from services.contracts.accounts import Directory
from services.contracts.directory import SpaceCreated, SpaceDeleted, SpaceEdited
from services.contracts.events import Accepted, Canceled, Erased
from services.contracts.requests import RequestState, evolve
from services.history.requests import row_of
from services.history.retentions import Cutoff, cutoffs, erase_at, expiry

SECOND = 10**9
RID = "0" * 34
COMMON: dict[str, Any] = {"rid": RID, "space": "demo", "attempt": 0, "actor": "user:u", "origin": "g"}


def ended(retention_s: float | None) -> RequestState:
    """Accepted at 1 s, canceled at 100 s."""
    fields: dict[str, Any] = {"user": "u", "key_id": "k", "body_sha256": "", "start_timeout_s": 1.0}
    accepted = Accepted(
        **COMMON, **fields, id="a", prev_seq=0, input=msgspec.Raw(b"{}"), execution_timeout_s=1.0, retention_s=retention_s
    )
    return evolve(evolve(None, accepted, 1, SECOND), Canceled(**COMMON, id="c", prev_seq=1), 2, 100 * SECOND)


def test_a_request_that_says_so_is_erased_so_long_after_its_end() -> None:
    state = ended(60.5)
    assert erase_at(state) == 160_500_000_000
    row = row_of(state, 1)
    assert (row.erase_at, row.erased) == (160_500_000_000, False)


def test_one_that_says_nothing_has_not_ended_or_is_erased_is_not_due_by_itself() -> None:
    state = ended(60.0)
    erased = evolve(state, Erased(**COMMON, id="e", prev_seq=2), 3, 200 * SECOND)
    assert erase_at(ended(None)) is None
    assert erase_at(msgspec.structs.replace(state, status="queued")) is None
    assert erase_at(erased) is None
    assert row_of(erased, 1).erased


@pytest.mark.parametrize(("retention_s", "at"), [(1e300, 2**63 - 1), (-5.0, 100 * SECOND)])
def test_whatever_an_event_says_fits_the_table(retention_s: float, at: int) -> None:
    assert erase_at(ended(retention_s)) == at


def test_spaces_that_keep_data_for_a_time_have_a_cutoff_also_when_they_are_deleted() -> None:
    directory = Directory()
    entry: dict[str, Any] = {"id": "e", "prev_seq": 0, "actor": "system"}
    for name, retention_s in (("kept", None), ("brief", 60.0), ("gone", 5.0), ("changed", 7.0)):
        directory.apply(SpaceCreated(**entry, space=name, owner="u", retention_s=retention_s), "space", name, 1)
    directory.apply(SpaceDeleted(**entry, space="gone"), "space", "gone", 2)
    directory.apply(SpaceEdited(**entry, space="changed", retention_s=None), "space", "changed", 2)
    found = cutoffs(directory, 100 * SECOND)
    assert sorted(found) == [Cutoff("brief", 40 * SECOND), Cutoff("gone", 95 * SECOND)]


def test_whoever_erases_a_request_whose_time_has_come_makes_the_same_event() -> None:
    state = ended(60.0)
    assert expiry(state) == expiry(state)
    assert (expiry(state).prev_seq, expiry(state).actor, len(expiry(state).id)) == (2, "retention", 32)
    assert expiry(msgspec.structs.replace(state, rid="1" * 34)).id != expiry(state).id
