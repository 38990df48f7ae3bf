"""Storing the output of a lease that an agent has brought along."""

import pytest

from services.gateway.recording import Last
from tests.unit.gateway.output_stream import Subject, adopted, finish, record, recording, take, text


def test_it_goes_on_after_the_last_record() -> None:
    subject = Subject(record(1), record(2))
    here = adopted(subject.last())
    assert here.stored == 2
    here.offer(text(3))
    take(here, subject)
    assert subject.indexes() == [1, 2, 3]


def test_records_of_an_older_attempt_mean_that_it_begins_with_the_first() -> None:
    subject = Subject(record(1, lease=4), record(2, lease=4))
    here = adopted(subject.last(), 1)
    take(here, subject)
    assert subject.indexes() == [1]
    other = adopted(subject.last())
    other.offer(text(3))
    finish(other, subject)
    assert other.take_gap()


def test_without_any_record_whatever_comes_first_goes_on() -> None:
    here, subject = adopted(None, 8, 9), Subject()
    finish(here, subject)
    assert (here.take_gap(), here.stored, subject.indexes()) == (False, 9, [8, 9])
    here.offer(text(11))
    finish(here, subject)
    assert here.take_gap(), "that held for the first one only"


def test_a_record_of_a_higher_lease_ends_it_at_once() -> None:
    here = adopted(Last(9, record(1, lease=6)))
    assert here.offer(text(1)) == "known"
    assert here.settled(1)


def test_a_lease_that_comes_back_keeps_what_waits_here() -> None:
    here, subject = recording(1, 2, 3), Subject()
    take(here, subject)
    here.adopt(subject.last())
    assert here.offer(text(2)) == "known"
    finish(here, subject)
    assert subject.indexes() == [1, 2, 3]


@pytest.mark.parametrize("before", [None, Last(90, record(1, lease=4)), Last(95, record(1))])
def test_a_lease_that_comes_back_is_not_set_back_by_an_older_answer(before: Last | None) -> None:
    here, subject = recording(1, 2), Subject()
    finish(here, subject)
    here.adopt(before)
    assert here.stored == 2
    here.offer(text(3))
    take(here, subject)
    assert subject.indexes() == [1, 2, 3]


def test_a_lease_that_was_elsewhere_meanwhile_goes_on_from_there() -> None:
    here, subject = recording(1, 2), Subject(record(1), record(2), record(3))
    here.adopt(subject.last())
    assert (here.stored, here.next_step()) == (3, None)
