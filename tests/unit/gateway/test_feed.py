"""What a reader is shown of a request's chain and output."""

import msgspec
import pytest

from services.contracts.requests import CutChain
from services.gateway.cursor import Cursor, parse
from services.gateway.feed import MAX_HELD, Feed
from services.gateway.items import Item, OutputResetEvent, RequeuedEvent
from services.gateway.problems import ApiProblem
from tests.unit.gateway.given_feed import EPOCH, Life, feed


def whole(life: Life, start: Cursor | None = None) -> list[Item]:
    """What is shown of a life that is over, read at once."""
    here = feed(start)
    items = here.events(life.links)
    items += here.records(life.records)
    return items + here.stored(life.records[-1][1] if life.records else 0)


def names(items: list[Item]) -> list[str]:
    return [item.name for item in items]


def after(item: Item) -> Cursor:
    return parse(item.id)


def test_a_life_without_trouble_is_shown_as_it_was() -> None:
    life = Life().accepted().assigned().record("progress").record("log").record().succeeded()
    items = whole(life)
    assert names(items) == ["queued", "assigned", "progress", "log", "output", "completed"]
    shown = [msgspec.to_builtins(msgspec.json.decode(msgspec.json.encode(item.data))) for item in items]
    assert shown[0] == {"attempt": 0, "at": "1970-01-01T00:16:42.000000Z"}
    assert shown[1] == {"attempt": 1, "at": shown[1]["at"], "agent": {"id": "ada/gpu"}, "gateway": "g", "lease": life.lease}
    assert shown[2] == {"index": 1, "attempt": 1, "fraction": 0.5, "message": ""}
    assert shown[3] == {"index": 2, "attempt": 1, "lines": ["a line"]}
    assert shown[4] == {"index": 3, "attempt": 1, "data": "text"}
    assert (shown[5]["status"], shown[5]["output"], shown[5]["done"]) == ("succeeded", {"n": 1}, True)


def test_each_id_names_the_last_event_and_the_last_record() -> None:
    life = Life().accepted().assigned().record().record().succeeded()
    (accepted, assigned, succeeded), (first, second) = [link[1] for link in life.links], [each[1] for each in life.records]
    assert [item.id for item in whole(life)] == [
        f"{EPOCH}-{accepted}-0",
        f"{EPOCH}-{assigned}-0",
        f"{EPOCH}-{assigned}-{first}",
        f"{EPOCH}-{assigned}-{second}",
        f"{EPOCH}-{succeeded}-{second}",
    ]


def test_a_record_waits_for_its_assignment() -> None:
    life = Life().accepted().assigned().record().record()
    here = feed()
    here.events(life.links[:1])
    assert here.records(life.records) == []
    assert names(here.events(life.links[1:])) == ["assigned", "output", "output"]


def test_too_many_waiting_records_are_noticed() -> None:
    life = Life().accepted().assigned()
    for _ in range(MAX_HELD):
        life.record()
    here = feed()
    here.events(life.links[:1])
    here.records(life.records[:-1])
    assert not here.crowded
    here.records(life.records)
    assert here.crowded
    here.events(life.links)
    assert not here.crowded


def test_records_whose_assignment_never_comes_do_not_crowd_the_rest_out() -> None:
    life = Life().accepted().canceled()
    for _ in range(MAX_HELD):
        life.record(lease=10**6, attempt=1)
    here = feed()
    here.events(life.links[:1])
    here.records(life.records)
    assert here.crowded
    here.events(life.links)
    assert not here.crowded
    for _ in range(MAX_HELD):
        life.record(lease=10**6, attempt=1)
    assert here.records(life.records) == []
    assert not here.crowded
    assert names(here.stored(life.records[-1][1])) == ["completed"]


def test_records_of_a_void_attempt_are_dropped() -> None:
    life = Life().accepted().assigned().record().requeued().assigned().record().succeeded()
    here = feed()
    items = here.events(life.links[:4]) + here.records(life.records)
    assert names(items) == ["queued", "assigned", "requeued", "assigned", "output"]
    assert items[-1].data.attempt == 2  # type: ignore[attr-defined]


def test_a_requeue_voids_what_was_shown() -> None:
    life = Life().accepted().assigned().record().requeued()
    here = feed()
    here.events(life.links[:2])
    here.records(life.records)
    requeued, reset = here.events(life.links[2:])
    assert isinstance(requeued.data, RequeuedEvent)
    assert isinstance(reset.data, OutputResetEvent)
    assert (requeued.data.reason, requeued.data.detail, requeued.data.attempt, reset.data.attempt) == (
        "agent_lost",
        "gone",
        1,
        1,
    )


def test_a_requeue_of_which_nothing_was_shown_resets_nothing() -> None:
    assert names(feed().events(Life().accepted().assigned().requeued().links)) == ["queued", "assigned", "requeued"]


def test_a_reader_cut_off_before_the_reset_gets_it_and_only_it() -> None:
    life = Life().accepted().assigned().record().requeued()
    here = feed()
    here.events(life.links[:2])
    here.records(life.records)
    requeued, reset = here.events(life.links[2:])
    assert names(feed(after(requeued)).events(life.links)) == ["output_reset"]
    assert feed(after(reset)).events(life.links) == []


def test_a_reader_away_during_a_requeue_is_told_to_forget() -> None:
    life = Life().accepted().assigned().record().requeued().assigned().record().succeeded()
    shown = whole(Life().accepted().assigned().record())
    assert names(whole(life, after(shown[-1]))) == ["requeued", "output_reset", "assigned", "output", "completed"]


def test_completed_waits_for_every_record_that_was_stored() -> None:
    life = Life().accepted().assigned().record().record().succeeded()
    here = feed()
    here.events(life.links)
    assert (here.finishing, here.ended) == (True, False)
    assert here.stored(life.records[-1][1]) == []
    assert names(here.records(life.records[:1])) == ["output"]
    assert names(here.records(life.records)) == ["output", "completed"]
    assert (here.finishing, here.ended) == (False, True)


def test_records_that_age_out_while_they_are_waited_for_are_not_waited_for() -> None:
    life = Life().accepted().assigned().record().succeeded()
    here = feed()
    here.events(life.links)
    assert here.stored(life.records[-1][1]) == []
    assert names(here.stored(0)) == ["completed"]


@pytest.mark.parametrize("end", ["failed", "canceled"])
def test_every_outcome_completes_after_the_last_record(end: str) -> None:
    life = Life().accepted().assigned().record()
    getattr(life, end)()
    assert names(whole(life)) == ["queued", "assigned", "output", "completed"]


def test_an_erased_request_is_complete_without_its_payloads() -> None:
    life = Life().accepted().assigned().record().succeeded().erased()
    here = feed()
    items = here.events(life.links) + here.stored(0)
    assert names(items) == ["queued", "assigned", "completed"]
    assert bytes(items[-1].data.output) == b"null"  # type: ignore[attr-defined]


def test_a_reader_whom_the_outcome_of_an_erased_request_cannot_reach_has_to_read_again() -> None:
    life = Life().accepted().assigned().succeeded().erased()
    here = feed()
    here.events(life.links[:2])
    with pytest.raises(CutChain):
        here.events(life.links[3:])


def test_a_reader_who_has_seen_the_outcome_is_shown_nothing_more() -> None:
    life = Life().accepted().assigned().succeeded()
    cursor = after(whole(life)[-1])
    for links in (life.links, life.erased().links):
        here = feed(cursor)
        assert (here.events(links), here.ended) == ([], True)


def test_what_is_known_already_changes_nothing() -> None:
    life = Life().accepted().assigned().record()
    here = feed()
    here.events(life.links)
    here.records(life.records)
    assert here.events(life.links) == here.records(life.records) == []


def test_an_event_that_cannot_follow_is_left_out() -> None:
    life = Life().accepted().canceled().assigned()
    unfit: list[int] = []
    here = Feed(EPOCH, None, lambda event, seq, error: unfit.append(seq))
    items = here.events(life.links) + here.stored(0)
    assert (names(items), unfit) == (["queued", "completed"], [life.links[-1][1]])


def test_a_request_that_was_restored_is_shown_over_both_epochs() -> None:
    life = Life().accepted().assigned().record().restored().assigned().record().succeeded()
    items = whole(life)
    assert names(items) == ["queued", "assigned", "queued", "assigned", "output", "completed"]
    assert items[-1].data.attempt == 2  # type: ignore[attr-defined]


def test_a_cursor_of_another_epoch_begins_again_and_voids_what_it_had_seen() -> None:
    life = Life().restored().assigned().record()
    with_output = whole(life, Cursor(EPOCH - 1, 77, 5000))
    assert names(with_output) == ["output_reset", "queued", "assigned", "output"]
    assert with_output[0].id == f"{EPOCH}-0-0"
    assert with_output[1].data.reason == "restored"  # type: ignore[attr-defined]
    assert names(whole(life, Cursor(EPOCH - 1, 77))) == ["queued", "assigned", "output"]


def test_output_that_is_numbered_anew_is_shown_anew() -> None:
    life = Life().accepted().assigned().record().record()
    here = feed()
    here.events(life.links)
    here.records(life.records)
    assert names(here.renumbered()) == ["output_reset"]
    assert names(here.records([(record, n) for n, (record, _) in enumerate(life.records, 1)])) == ["output", "output"]
    assert names(feed().renumbered()) == []


@pytest.mark.parametrize("text", ["", "1-2", "1-2-3-4", "a-2-3", "1--3", "-1-2-3", "1-2-3\n", "1-2-" + "9" * 30, "١-2-3"])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(ApiProblem) as refused:
        parse(text)
    assert (refused.value.code, refused.value.status) == ("invalid_cursor", 400)


def test_a_cursor_comes_back_as_it_went_out() -> None:
    assert parse(str(Cursor(1, 2, 3))) == Cursor(1, 2, 3)
