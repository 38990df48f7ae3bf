"""The geometry of charts."""

import itertools

import pytest

from services.gateway.web.charts import BOX, Measure, Tick, chart, words, x_ticks, y_ticks

NS = 1_000_000_000
TEN = 36_000 * NS
"""Ten o'clock, of the first of January 1970."""


def bars(**values: list[float | None]) -> list[Measure]:
    return [Measure(name, given, "bars") for name, given in values.items()]


@pytest.mark.parametrize(
    ("highest", "expected"),
    [
        (0, [0, 1]),
        (1, [0, 1]),
        (3, [0, 1, 2, 3]),
        (4, [0, 1, 2, 3, 4]),
        (5, [0, 2, 4, 6]),
        (40, [0, 10, 20, 30, 40]),
        (41, [0, 20, 40, 60]),
        (987_654, [0, 500_000, 1_000_000]),
    ],
)
def test_counts_have_round_labels_that_reach_the_highest(highest: float, expected: list[float]) -> None:
    assert y_ticks(highest, "count") == expected


@pytest.mark.parametrize(
    ("highest", "labels"),
    [
        (0.0023, ["0", "1 ms", "2 ms", "3 ms"]),
        (0.31, ["0", "100 ms", "200 ms", "300 ms", "400 ms"]),
        (1.7, ["0", "0.5 s", "1 s", "1.5 s", "2 s"]),
        (90, ["0", "50 s", "100 s"]),
        (600, ["0", "5 min", "10 min"]),
        (9000, ["0", "1 h", "2 h", "3 h"]),
    ],
)
def test_durations_have_labels_in_one_unit(highest: float, labels: list[str]) -> None:
    drawn = chart("c", "seconds", TEN, 60, [Measure("p50", [highest])])
    assert [tick.label for tick in drawn.y_ticks] == labels


@pytest.mark.parametrize("unit", ["count", "seconds"])
@pytest.mark.parametrize("highest", [10**power * digit for power in range(-3, 7) for digit in (1, 1.01, 2.5, 4.99, 9.99)])
def test_labels_are_few_and_nothing_is_above_the_last(highest: float, unit: str) -> None:
    ticks = y_ticks(highest, unit)  # type: ignore[arg-type]
    assert 2 <= len(ticks) <= 6
    assert ticks[-1] >= highest
    assert ticks[0] == 0
    assert ticks == sorted(ticks)


def test_shares_have_the_whole_as_their_axis() -> None:
    drawn = chart("c", "share", TEN, 60, [Measure("rate", [0.2, None, 0.999])])
    assert drawn.y_ticks[-1] == Tick(0.0, "100 %")
    assert drawn.latest == ("99.9 %",)


@pytest.mark.parametrize(
    ("bucket_s", "count", "labels"),
    [
        (15, 60, ["10:03", "10:06", "10:09", "10:12"]),
        (30, 120, ["10:10", "10:20", "10:30", "10:40", "10:50"]),
        (900, 96, ["12:00", "16:00", "20:00", "00:00", "04:00", "08:00"]),
        (7200, 84, ["01-03", "01-05", "01-07"]),
    ],
)
def test_time_has_labels_at_full_spans(bucket_s: int, count: int, labels: list[str]) -> None:
    found = list(x_ticks(TEN, bucket_s, count))
    assert [tick.label for tick in found if tick.label in labels] == labels
    assert len(found) <= 7
    assert all(0 < tick.place < 100 for tick in found)
    assert [tick.place for tick in found] == sorted(tick.place for tick in found)


def test_neighbouring_labels_are_not_both_left_out_on_a_phone() -> None:
    minor = [tick.minor for tick in x_ticks(TEN, 30, 120)]
    assert all(one != other for one, other in itertools.pairwise(minor))


def test_bars_stand_on_each_other_and_on_the_ground() -> None:
    drawn = chart("c", "count", TEN, 60, bars(good=[3.0, 0.0], bad=[1.0, 2.0]))
    first, above, alone = drawn.bars
    assert drawn.y_ticks[-1].label == "4"
    assert (first.name, first.y, first.height) == ("good", 25.0, 75.0)
    assert (above.name, above.y, above.height) == ("bad", 0.0, 25.0)
    assert first.x == above.x == 5.0
    assert first.width == 40.0
    assert (alone.name, alone.x, alone.y, alone.height) == ("bad", 55.0, 50.0, 50.0)


def test_the_axis_is_as_high_as_bars_together_or_the_highest_line() -> None:
    together = chart("c", "count", TEN, 60, bars(a=[30.0], b=[9.0]))
    assert together.y_ticks[-1].label == "40"
    assert chart("c", "count", TEN, 60, [*bars(a=[3.0]), Measure("l", [39.0])]).y_ticks[-1].label == "40"


def test_steps_are_drawn_for_the_whole_bucket() -> None:
    [path] = chart("c", "count", TEN, 60, [Measure("n", [1, 0, 2, 2], "steps", filled=True)]).paths
    assert path.line == "M0 500L250 500L250 1000L500 1000L500 0L750 0L750 0L1000 0"
    assert path.area == path.line + f"L1000 {BOX}L0 {BOX}Z"


def test_a_line_has_gaps_where_there_is_no_value_and_a_dot_for_one_alone() -> None:
    [path] = chart("c", "count", TEN, 60, [Measure("n", [4, 2, None, 0, None], "lines")]).paths
    assert path.line == "M100 0L300 500" + "M700 1000L700 1000"
    assert path.area == ""


def test_every_bucket_has_its_row_with_its_values_in_words() -> None:
    drawn = chart("c", "seconds", TEN, 15, [Measure("p50", [0.25, None]), Measure("p99", [1.5, 75.0])])
    assert [(row.start, row.values) for row in drawn.rows] == [("10:00:00", ("250 ms", "1.5 s")), ("10:00:15", ("", "75 s"))]
    assert [(row.x, row.width) for row in drawn.rows] == [(0.0, 50.0), (50.0, 50.0)]
    assert (drawn.latest, drawn.highest) == (("", "75 s"), ("250 ms", "75 s"))


@pytest.mark.parametrize(
    ("values", "empty"), [([None, None], True), ([0.0, 0.0], True), ([0.0, None], True), ([0.0, 1.0], False)]
)
def test_a_chart_is_empty_without_a_value(values: list[float | None], empty: bool) -> None:
    assert chart("c", "count", TEN, 60, [Measure("n", values)]).empty is empty


@pytest.mark.parametrize("values", [[[]], [[1.0], [1.0, 2.0]]])
def test_what_does_not_fit_together_is_no_chart(values: list[list[float | None]]) -> None:
    with pytest.raises(ValueError, match="bucket"):
        chart("c", "count", TEN, 60, [Measure("n", each) for each in values])


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (None, "count", ""),
        (9999, "count", "9999"),
        (12_345, "count", "12.3k"),
        (2_500_000, "count", "2.5M"),
        (0.0004, "seconds", "0.4 ms"),
        (0.25, "seconds", "250 ms"),
        (90.0, "seconds", "90 s"),
        (4000.0, "seconds", "66.7 min"),
        (0.9999, "share", "99.9 %"),
        (1.0, "share", "100 %"),
        (0.0, "share", "0 %"),
    ],
)
def test_values_are_said_briefly_and_never_better_than_they_are(value: float | None, unit: str, said: str) -> None:
    assert words(value, unit) == said  # type: ignore[arg-type]
