"""Lists: parameters, and cursors over a list that grows while it is read."""

import random

import pytest

from services.contracts.lists import Place
from services.gateway.lists import Paging, Query, around, cursor, parse
from services.gateway.problems import ApiProblem

S = 1_000_000_000


def query(**given: str) -> Query:
    return Query(given.items(), ("status", "since"))


def read(given: dict[str, str]) -> None:
    asked = query(**given)
    asked.paging(), asked.statuses(), asked.instant("since")


def refused(**given: str) -> str:
    with pytest.raises(ApiProblem) as caught:
        read(given)
    assert caught.value.status == 400
    return caught.value.code


def test_without_parameters_it_is_the_newest_twenty() -> None:
    assert query().paging() == Paging(20, "older", None)
    assert (query().statuses(), query().instant("since"), query().one("since")) == ([], 0, None)


def test_statuses_may_be_repeated_and_joined_by_commas() -> None:
    assert query(status="failed,queued").statuses() == ["queued", "failed"]
    several = Query([("status", "failed"), ("status", "queued,failed")], ["status"])
    assert several.statuses() == ["queued", "failed"]


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("1970-01-01T00:00:01Z", S),
        ("1970-01-01T00:00:01.000000001z", S + 1),
        ("1970-01-01T02:00:01+02:00", S),
        ("1970-01-01T02:00:01 02:00", S),
        ("1969-01-01T00:00:00Z", 1),
        ("9999-12-31T23:59:59Z", 2**63 - 1),
    ],
)
def test_instants_are_read_also_when_the_plus_sign_was_not_escaped(text: str, at: int) -> None:
    assert query(since=text).instant("since") == at


@pytest.mark.parametrize(
    "given",
    [
        {"limit": "0"}, {"limit": "101"}, {"limit": "-1"}, {"limit": "ten"}, {"limit": ""}, {"limit": "٣"},
        {"status": "done"}, {"status": ""}, {"status": "failed,"},
        {"since": "yesterday"}, {"since": "2025-02-30T00:00:00Z"}, {"since": "2025-01-01"}, {"since": "2025-01-01T00:00:00"},
        {"stauts": "failed"},
    ],
)  # fmt: skip
def test_what_is_not_understood_is_refused(given: dict[str, str]) -> None:
    assert refused(**given) == "invalid_request"


def test_a_text_that_the_database_cannot_hold_is_refused() -> None:
    with pytest.raises(ApiProblem, match="agent has a null character"):
        Query([("agent", "ada/\0")], ("agent",)).one("agent")


def test_a_parameter_that_counts_once_is_refused_twice() -> None:
    with pytest.raises(ApiProblem, match="once"):
        Query([("limit", "1"), ("limit", "2")], ()).paging()


@pytest.mark.parametrize("text", ["x", "====", "ü", "bnVsbA", cursor("older", Place(1, "a"))[:-2], "W10", "a" * 9])
def test_a_cursor_that_we_did_not_make_is_refused(text: str) -> None:
    assert refused(cursor=text) == "invalid_cursor"


@pytest.mark.parametrize("at", [-1, 2**63])
def test_a_cursor_with_a_place_that_cannot_be_is_refused(at: int) -> None:
    assert refused(cursor=cursor("older", Place(at, "a"))) == "invalid_cursor"


def test_a_cursor_is_read_as_it_was_made() -> None:
    assert parse(cursor("newer", Place(2**62, "0" * 34))) == ("newer", Place(2**62, "0" * 34))


class Listed:
    """A list as history keeps it: places in order, the newest first."""

    def __init__(self, *places: Place) -> None:
        self.places = sorted(places, key=_order, reverse=True)

    def add(self, *places: Place) -> None:
        self.places = sorted([*self.places, *places], key=_order, reverse=True)

    def page(self, limit: int, text: str | None = None) -> tuple[list[Place], str | None, str | None]:
        given = {"limit": str(limit)} | ({} if text is None else {"cursor": text})
        paging = Query(given.items(), ()).paging()
        beside = paging.beside
        if paging.direction == "older":
            behind = [place for place in self.places if beside is None or _order(place) < _order(beside)]
            found, more = behind[:limit], len(behind) > limit
        else:
            assert beside is not None
            before = [place for place in self.places if _order(place) > _order(beside)]
            found, more = before[-limit:], len(before) > limit
        return (found, *around(paging, found, more))


def _order(place: Place) -> tuple[int, str]:
    return place.at, place.key


def places(first: int, count: int) -> list[Place]:
    return [Place(at, f"r{at:04}") for at in range(first, first + count)]


@pytest.mark.parametrize("seed", range(20))
def test_while_entries_arrive_every_earlier_one_is_shown_once_and_in_order(seed: int) -> None:
    chance = random.Random(seed)
    listed = Listed(*places(100, 57))
    before = list(listed.places)
    shown, next_, _ = listed.page(chance.randint(1, 20))
    arrived = 200
    while next_ is not None:
        listed.add(*places(arrived, new := chance.randint(0, 5)))
        arrived += new
        page, next_, previous = listed.page(chance.randint(1, 20), next_)
        shown = [*shown, *page]
        assert previous is not None
    assert shown == before


def test_the_way_back_shows_every_entry_once_also_those_that_have_arrived() -> None:
    listed = Listed(*places(100, 50))
    first, next_, previous = listed.page(10)
    assert previous is None, "nothing newer is known"
    assert next_ is not None
    second, _, previous = listed.page(10, next_)
    listed.add(*places(200, 7))
    back: list[Place] = []
    while previous is not None:
        page, _, previous = listed.page(10, previous)
        back = [*page, *back]
    assert back == [*reversed(places(200, 7)), *first]
    assert second == list(reversed(places(130, 10)))


def test_from_a_page_that_has_become_empty_both_ways_lead_on() -> None:
    listed = Listed(*places(100, 20))
    page, next_, _ = listed.page(10)
    assert next_ is not None
    listed.places = page  # what was behind fits the filters no longer
    empty, next_, previous = listed.page(10, next_)
    assert (empty, next_) == ([], None)
    assert previous is not None
    assert listed.page(10, previous)[0] == page, "the entry at the cursor included"

    _, _, previous = Listed(*places(100, 20)).page(10, cursor("older", Place(110, "r0110")))
    assert previous is not None
    listed = Listed(*places(100, 10))
    empty, next_, previous = listed.page(10, previous)
    assert (empty, previous) == ([], None)
    assert next_ is not None
    assert listed.page(10, next_)[0] == listed.places


def test_entries_of_one_instant_are_told_apart() -> None:
    listed = Listed(*(Place(7, f"r{n}") for n in range(5)))
    page, next_, _ = listed.page(2)
    shown = page
    while next_ is not None:
        page, next_, _ = listed.page(2, next_)
        shown = [*shown, *page]
    assert [place.key for place in shown] == ["r4", "r3", "r2", "r1", "r0"]
