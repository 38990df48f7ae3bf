"""What the checker says of what clients were told and shown."""

import pytest

from tests.faults.suite.clients import joined, said
from tests.faults.suite.observed import Shown
from tests.unit.faults.given import RID, Given, shown

OUTPUT = [{"rid": RID, "attempt": 1, "agent": "agent-1"}, "0 1 "]


def _ended() -> Given:
    given = Given()
    given.one_that_succeeded()
    return given


# never_backwards


def test_a_request_that_goes_on_again_after_it_had_ended_goes_back() -> None:
    given = _ended()
    given.told_output(OUTPUT)
    given.told()
    assert given.violations("never_backwards") == ["c saw attempt 1 as processing after (1, 2)"]


def test_an_attempt_before_one_that_was_told_goes_back() -> None:
    given = _ended()
    given.told(attempt=2)
    given.told(attempt=1)
    assert len(given.violations("never_backwards")) == 1


def test_each_client_is_told_in_its_own_order() -> None:
    given = _ended()
    given.told(client="a", status="succeeded", done=True, output=OUTPUT)
    given.told(client="b")
    assert given.violations("never_backwards") == []


def test_a_request_goes_on_from_queued_to_processing_to_queued_to_done() -> None:
    given = _ended()
    given.told(status="queued", attempt=0)
    given.told(attempt=1)
    given.told(status="queued", attempt=1)
    given.told(attempt=2)
    given.told_output(OUTPUT)
    assert len(given.violations("never_backwards")) == 1, "the outcome is one of attempt 1"
    given.history.answers.pop()
    assert given.violations("never_backwards") == []


def test_a_cursor_that_comes_twice_goes_back() -> None:
    given = _ended()
    given.reads(shown("assigned", id="1-2-0"), shown("assigned", id="1-2-0"))
    assert given.violations("never_backwards") == ["the event assigned (1, 2, 0) came after (1, 2, 0)"]


def test_output_begins_anew_after_a_reset() -> None:
    given = _ended()
    given.reads(
        shown("output", 1, id="1-2-9"),
        shown("requeued", id="1-3-9"),
        shown("output_reset", id="1-3-0"),
        shown("assigned", id="1-4-0", attempt=2),
    )
    assert given.violations("never_backwards") == []


def test_what_has_no_cursor_has_no_order() -> None:
    given = _ended()
    given.reads(shown("assigned", id="1-2-0"), shown("ping", id=""), shown("output", 1, id="1-2-1"))
    assert given.violations("never_backwards") == []


# told_as_recorded


def test_an_outcome_that_nobody_has_recorded_was_told_wrong() -> None:
    given = Given()
    given.accepted()
    given.told(status="canceled", done=True)
    assert given.violations("told_as_recorded") == ["told canceled, recorded nothing"]


def test_another_outcome_than_the_recorded_one_was_told_wrong() -> None:
    given = _ended()
    given.told(status="canceled", done=True)
    assert given.violations("told_as_recorded") == ["told canceled, recorded succeeded"]


def test_another_output_than_the_recorded_one_was_told_wrong() -> None:
    given = _ended()
    given.told_output([*OUTPUT, "more"])
    assert given.violations("told_as_recorded") == ["told another output than the recorded one"]


def test_a_reader_is_told_an_outcome_too() -> None:
    given = _ended()
    given.reads(Shown("1-3-0", "completed", {"id": RID, "status": "failed", "done": True}))
    assert given.violations("told_as_recorded") == ["told failed, recorded succeeded"]


def test_the_recorded_outcome_was_told_right() -> None:
    given = _ended()
    given.told()
    given.told_output(OUTPUT)
    given.reads(Shown("1-3-0", "completed", {"id": RID, "status": "succeeded", "done": True, "output": OUTPUT}))
    assert given.violations("told_as_recorded") == []


# one_request_per_key


def test_two_requests_for_one_key_are_one_too_many_for_those_who_were_told() -> None:
    given = Given()
    given.told("r1", key="k")
    given.told("r2", key="k")
    assert given.violations("one_request_per_key") == ["clients were told ['r1', 'r2']"]


def test_two_requests_for_one_key_are_one_too_many_though_nobody_was_told() -> None:
    given = Given()
    given.accepted("r1", key_digest="d")
    given.accepted("r2", key_digest="d")
    assert given.violations("one_request_per_key") == ["accepted as ['r1', 'r2']"]


def test_one_request_may_be_told_often_and_two_keys_are_two_requests() -> None:
    given = Given()
    given.accepted("r1", key_digest="d1")
    given.accepted("r2", key_digest="d2")
    given.accepted("r3", key_digest="")
    given.accepted("r4", key_digest="")
    for _ in range(2):
        given.told("r1", key="k1")
    given.told("r2", key="k2")
    assert given.violations("one_request_per_key") == []


# whole_output


def test_a_record_that_is_missing_is_a_gap_in_the_output() -> None:
    given = _ended()
    given.record(1, lease=2)
    given.record(3, lease=2)
    assert given.violations("whole_output") == ["record 3 of lease 2 after 1"]


def test_a_record_that_comes_again_is_a_repeat() -> None:
    given = _ended()
    given.record(1, lease=2)
    given.record(1, lease=2)
    assert given.violations("whole_output") == ["record 1 of lease 2 after 1"]


def test_each_lease_counts_its_records_from_one() -> None:
    given = _ended()
    given.record(1, lease=2)
    given.record(2, lease=2)
    given.record(1, lease=4)
    assert given.violations("whole_output") == []


def test_an_outcome_without_one_of_its_words_is_not_whole() -> None:
    given = Given()
    given.accepted(input={"words": 3})
    given.assigned()
    given.succeeded(words=2)
    assert given.violations("whole_output") == ["the recorded output is not what its handler said"]


def test_a_reader_that_was_not_shown_a_record_has_a_gap() -> None:
    given = _ended()
    given.reads(shown("output", 1, id="1-2-1"), shown("log", 3, id="1-2-3"))
    assert given.violations("whole_output") == ["a reader was shown 3 after 1"]


def test_a_reader_is_shown_each_attempt_from_its_beginning() -> None:
    given = _ended()
    given.reads(shown("output", 1, id="1-2-1"), shown("output", 1, id="1-4-2", attempt=2))
    assert given.violations("whole_output") == []


def test_whoever_has_read_all_has_read_the_output() -> None:
    given = _ended()
    first = shown("output", 1, id="1-2-1", data=[OUTPUT[0]])
    given.reads(first, shown("output", 2, id="1-2-2", data="0 "), shown("output", 3, id="1-2-3", data="1 "), whole=True)
    assert given.violations("whole_output") == []
    given.reads(first, shown("output", 2, id="1-2-2", data="0 "), whole=True)
    assert given.violations("whole_output") == ["what its reader was shown is not its output"]


def test_whoever_has_stopped_reading_need_not_have_read_all() -> None:
    given = _ended()
    given.reads(shown("output", 1, id="1-2-1", data=[OUTPUT[0]]))
    assert given.violations("whole_output") == []


def test_a_reset_takes_back_what_was_shown() -> None:
    before, after = shown("output", 1, id="1-2-1", data="a"), shown("output", 1, id="1-4-1", data="b")
    assert joined([before, shown("output_reset", id="1-3-0"), after]) == ["b"]


@pytest.mark.parametrize(("words", "output"), [(0, []), (2, ["0 1 "])])
def test_the_words_of_a_handler_are_one_text(words: int, output: list[str]) -> None:
    assert said(words) == output
