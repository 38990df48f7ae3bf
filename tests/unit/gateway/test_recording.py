"""Storing the output of one lease: refusals, silence, other gateways, and what has aged out."""

import random

import pytest

from services.contracts.output import Progress
from services.gateway.recording import MAX_WAITING, MAX_WAITING_BYTES, AppendRecord, Last, ReadLast, Recording
from tests.unit.gateway.agent_session import RID
from tests.unit.gateway.output_stream import Subject, adopted, finish, progress, record, recording, take, text


def test_the_first_record_expects_none_and_each_later_one_the_one_before() -> None:
    here, subject = recording(1, 2), Subject()
    assert here.next_step() == AppendRecord(0, record(1))
    take(here, subject)
    assert here.next_step() == AppendRecord(subject.stored[0][0], record(2))
    take(here, subject)
    assert (here.next_step(), here.stored, subject.indexes()) == (None, 2, [1, 2])


def test_what_is_known_is_not_stored_twice() -> None:
    here, subject = recording(1, 2), Subject()
    take(here, subject)
    assert here.offer(text(1)) == "stored"
    assert here.offer(text(2)) == "known"
    finish(here, subject)
    assert subject.indexes() == [1, 2]


def test_a_second_attempt_appends_after_the_records_of_the_first() -> None:
    here, subject = recording(1, lease=9), Subject(record(1), record(2))
    take(here, subject)
    assert here.next_step() == ReadLast()
    finish(here, subject)
    assert (subject.indexes(5), subject.indexes(9)) == ([1, 2], [1])


def test_an_append_that_was_stored_but_not_acknowledged_is_found() -> None:
    here, subject = recording(1, 2), Subject()
    step = here.next_step()
    assert isinstance(step, AppendRecord)
    subject.append(step)
    here.undecided()
    finish(here, subject)
    assert (here.stored, subject.indexes()) == (2, [1, 2])


def test_an_append_that_arrives_after_its_own_repetition_is_refused() -> None:
    here, subject = recording(1), Subject()
    delayed = here.next_step()
    assert isinstance(delayed, AppendRecord)
    here.undecided()
    finish(here, subject)
    assert subject.append(delayed) is None


def test_a_delayed_duplicate_from_another_gateway_is_taken_for_ours() -> None:
    subject = Subject(record(1))
    here = adopted(subject.last(), 2, 3)
    subject.put(record(2))  # sent by the other gateway before the agent came here
    finish(here, subject)
    assert (here.stored, subject.indexes()) == (3, [1, 2, 3])


def test_what_another_gateway_has_stored_beyond_ours_counts() -> None:
    here, subject = recording(1), Subject(record(1), record(2), record(3))
    finish(here, subject)
    assert here.stored == 3
    assert here.offer(text(3)) == "stored"
    assert here.offer(text(4)) == "taken"


def test_a_higher_lease_ends_it() -> None:
    here, subject = recording(1, 2), Subject(record(1, lease=9))
    finish(here, subject)
    assert here.settled(2)
    assert here.offer(text(3)) == "known"
    assert (here.next_step(), subject.indexes()) == (None, [])


def test_records_that_have_aged_out_are_no_gap() -> None:
    here, subject = recording(1, 2), Subject()
    finish(here, subject)
    subject.age_out()
    here.offer(text(3))
    finish(here, subject)
    assert (here.stored, subject.indexes()) == (3, [3])


def test_an_unreadable_record_is_appended_after() -> None:
    here = recording(1)
    here.undecided()
    here.read(Last(7, None))
    step = here.next_step()
    assert isinstance(step, AppendRecord)
    assert step.expected == 7


# Gaps


def test_a_gap_is_told_once_and_what_came_after_it_is_dropped() -> None:
    here, subject = recording(1, 3, 4), Subject()
    finish(here, subject)
    assert (here.take_gap(), here.take_gap()) == (True, False)
    assert (here.stored, subject.indexes()) == (1, [1])
    assert here.offer(text(2)) == "taken", "the missing piece may yet come"


def test_a_gap_that_nobody_was_told_of_is_forgotten_when_the_lease_comes_back() -> None:
    here, subject = recording(1, 3), Subject()
    finish(here, subject)
    here.adopt(subject.last())
    here.offer(text(2))
    finish(here, subject)
    assert (here.take_gap(), subject.indexes()) == (False, [1, 2])


def test_what_seems_a_gap_is_none_when_another_gateway_has_stored_it() -> None:
    subject = Subject(record(1))
    here = adopted(subject.last())
    subject.put(record(2))  # acknowledged to the agent by the gateway it came from
    here.offer(text(3))
    finish(here, subject)
    assert (here.take_gap(), subject.indexes()) == (False, [1, 2, 3])


def test_after_the_result_a_missing_piece_is_not_waited_for() -> None:
    here, subject = recording(1, 3), Subject()
    here.complete()
    finish(here, subject)
    assert (here.take_gap(), here.stored, subject.indexes()) == (False, 3, [1, 3])


# Progress


def test_each_record_tells_the_latest_progress() -> None:
    here, subject = Recording(RID, 1, 5), Subject()
    for piece in (text(1), progress(2, 0.5), text(3), progress(4, 0.75), text(5)):
        here.offer(piece)
    finish(here, subject)
    told = [stored.progress.fraction if stored.progress else None for _, stored in subject.stored]
    assert told == [None, 0.5, 0.5, 0.75, 0.75]


def test_an_adopted_lease_goes_on_telling_the_progress_of_its_last_record_and_a_new_attempt_does_not() -> None:
    subject = Subject(record(1, progress=Progress(fraction=0.25)))
    here = adopted(subject.last(), 2)
    finish(here, subject)
    assert subject.stored[-1][1].progress == Progress(fraction=0.25)
    retry = recording(1, lease=9)
    finish(retry, subject)
    assert subject.stored[-1][1].progress is None


# Bounds and ends


def test_what_may_wait_is_bounded() -> None:
    here = recording(*range(1, MAX_WAITING + 1))
    assert here.offer(text(MAX_WAITING + 1)) == "too_much"
    take(here, Subject())
    assert here.offer(text(MAX_WAITING + 1)) == "taken"
    heavy = Recording(RID, 1, 5)
    piece = text(1)
    large = [type(piece)(index, "chunk", piece.data, MAX_WAITING_BYTES // 2) for index in (1, 2, 3)]
    assert [heavy.offer(piece) for piece in large] == ["taken", "taken", "too_much"]


def test_the_end_drops_what_waits() -> None:
    here, subject = recording(1, 2), Subject()
    step = here.next_step()
    assert isinstance(step, AppendRecord)
    here.end()
    assert here.next_step() is None
    here.appended(step.record, 102)  # its answer comes after the end
    assert (here.next_step(), here.settled(2), subject.indexes()) == (None, True, [])


def test_an_outcome_waits_for_what_has_come_before_it() -> None:
    here, subject = recording(1, 2), Subject()
    assert not here.settled(2)
    take(here, subject)
    assert not here.settled(2)
    take(here, subject)
    assert here.settled(2)
    assert here.settled(9), "what has not come does not keep it"


@pytest.mark.parametrize("seed", range(200))
def test_two_gateways_and_any_delay_leave_neither_gap_nor_repeat(seed: int) -> None:
    """The agent moves from one gateway to another while both have records to store; every append may be delayed, and its
    answer lost."""
    dice = random.Random(seed)
    subject, delayed = Subject(), list[AppendRecord]()
    first = recording(1, 2, 3, 4)
    second: Recording | None = None
    for _ in range(200):
        gateways = [gateway for gateway in (first, second) if gateway is not None]
        match dice.choice(("step", "step", "delay", "lose", "arrive", "move")):
            case "move" if second is None:
                second = adopted(subject.last())
                for index in range(second.stored + 1, 8):
                    second.offer(text(index))
            case "arrive" if delayed:
                subject.append(delayed.pop(dice.randrange(len(delayed))))
            case kind:
                gateway = dice.choice(gateways)
                step = gateway.next_step()
                if isinstance(step, AppendRecord) and kind in ("delay", "lose"):
                    if kind == "lose":
                        subject.append(step)
                    else:
                        delayed.append(step)
                    gateway.undecided()
                elif step is not None:
                    take(gateway, subject)
    for each in (first, second):
        if each is not None:
            finish(each, subject)
    for step in delayed:
        subject.append(step)
    assert subject.indexes() == list(range(1, (7 if second else 4) + 1))
