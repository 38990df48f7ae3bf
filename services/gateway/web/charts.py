"""Charts as geometry: values over time become bars, lines and ticks, which a template draws as SVG. Pure.

Places are percent of the plot's width and height, from its upper left corner: a chart is as wide as its page, and its text
stays as large as other text. Only what is a path is in a box of its own, BOX wide and high, which is stretched."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Literal

BOX = 1000
"""Width and height of the box that paths are drawn in."""
BAR = 0.8
"""How much of its bucket a bar fills."""
Y_TICKS, X_TICKS = 4, 6
"""About so many labels stand at an axis."""
_NS = 1_000_000_000
_STEPS_S = (60, 180, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, *(86400 * days for days in (1, 2, 5, 7, 10)))
"""Distances between labels in time, in seconds."""

Unit = Literal["count", "seconds", "share"]
Kind = Literal["bars", "steps", "lines"]
Values = Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Measure:
    """A row of values, one for each bucket; None: there is none. As `bars` they stand on each other, as `steps` each is
    drawn for its whole bucket, as `lines` in its middle. `filled`: what is below it has its colour too."""

    name: str
    values: Values
    kind: Kind = "lines"
    filled: bool = False


@dataclass(frozen=True, slots=True)
class Tick:
    """A label at an axis. `minor`: it is left out where there is little room."""

    place: float
    label: str
    minor: bool = False


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle of a measure."""

    name: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Path:
    """A line of a measure, or what is below it, as SVG writes paths."""

    name: str
    line: str
    area: str


@dataclass(frozen=True, slots=True)
class Row:
    """What the chart has of one bucket: where it stands, when it begins, and its values in words; empty: none."""

    x: float
    width: float
    start: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart. `names` of its measures, in the order of the values of its rows; `latest` and `highest` value of each in
    words. `empty`: there is no value to be drawn."""

    id: str
    names: tuple[str, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    bars: tuple[Bar, ...]
    paths: tuple[Path, ...]
    rows: tuple[Row, ...]
    latest: tuple[str, ...]
    highest: tuple[str, ...]
    empty: bool


def chart(id: str, unit: Unit, since: int, bucket_s: int, measures: Sequence[Measure]) -> Chart:
    """The chart of some measures of the same unit, whose first bucket begins at an instant (nanoseconds since 1970).
    Raises ValueError without a bucket."""
    count = len(measures[0].values)
    if not count or any(len(each.values) != count for each in measures):
        raise ValueError("each measure needs a value for each bucket, and there is none or one too few")
    ticks = y_ticks(_highest(measures), unit)
    top = ticks[-1]
    said = _words(unit, top)
    return Chart(
        id=id,
        names=tuple(each.name for each in measures),
        x_ticks=tuple(x_ticks(since, bucket_s, count)),
        y_ticks=tuple(Tick(_rounded(100 - 100 * value / top), said(value)) for value in ticks),
        bars=tuple(_bars([each for each in measures if each.kind == "bars"], top)),
        paths=tuple(_path(each, top) for each in measures if each.kind != "bars"),
        rows=tuple(_rows(measures, since, bucket_s, unit)),
        latest=tuple(words(_latest(each.values), unit) for each in measures),
        highest=tuple(words(max(_there(each.values), default=None), unit) for each in measures),
        empty=not any(value for each in measures for value in _there(each.values)),
    )


def y_ticks(highest: float, unit: Unit) -> list[float]:
    """Round values from 0 on, the last of them not below the highest one."""
    if unit == "share":
        return [0.0, 0.25, 0.5, 0.75, 1.0]
    scale = _scale(highest)[0] if unit == "seconds" else 1.0
    step = _nice(highest / scale / Y_TICKS)
    if unit == "count":
        step = max(step, 1.0)
    count = max(math.ceil(round(highest / scale / step, 6)), 1)
    return [round(number * step * scale, 9) for number in range(count + 1)]


def x_ticks(since: int, bucket_s: int, count: int) -> Iterator[Tick]:
    """Labels at full minutes, hours or days (UTC), every second of them minor."""
    whole_s = bucket_s * count
    step_s = next((each for each in _STEPS_S if each * X_TICKS >= whole_s and each >= bucket_s), _STEPS_S[-1])
    first = -(-since // (step_s * _NS))
    for number in range(first, (since + whole_s * _NS - 1) // (step_s * _NS) + 1):
        place = 100 * (number * step_s * _NS - since) / (whole_s * _NS)
        if 2 <= place <= 98:
            yield Tick(_rounded(place), _when(number * step_s * _NS, step_s), minor=number % 2 == 1)


def words(value: float | None, unit: Unit) -> str:
    """A value as people read it, the same in all languages; empty: there is none."""
    if value is None:
        return ""
    if unit == "share":
        return f"{math.floor(value * 1000) / 10:g} %"
    if unit == "count":
        return _count(value)
    scale, name = _scale(value)
    return f"{_three(value / scale)} {name}"


def _words(unit: Unit, top: float) -> Callable[[float], str]:
    """Words for labels of one axis, all in the same unit."""
    if unit != "seconds":
        return lambda value: words(value, unit)
    scale, name = _scale(top)
    return lambda value: f"{value / scale:.6g} {name}" if value else "0"


def _scale(seconds: float) -> tuple[float, str]:
    """In which unit so many seconds are said."""
    for limit, scale, name in ((1.0, 0.001, "ms"), (120.0, 1.0, "s"), (7200.0, 60.0, "min")):
        if seconds < limit:
            return scale, name
    return 3600.0, "h"


def _nice(value: float) -> float:
    """The smallest of 1, 2 and 5, and what is ten times that and so on, which is not below a value."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next((each * power for each in (1.0, 2.0, 5.0) if each * power >= value * (1 - 1e-9)), 10 * power)


def _three(value: float) -> str:
    """A number with three digits that count."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _count(value: float) -> str:
    for limit, name in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if value >= limit:
            return f"{_three(value / (1000.0 if name == 'k' else limit))}{name}"
    return f"{value:g}"


def _when(at: int, step_s: int) -> str:
    instant = datetime.fromtimestamp(at // _NS, UTC)
    return f"{instant:%m-%d}" if step_s >= 86400 else f"{instant:%H:%M}"


def _there(values: Values) -> list[float]:
    return [value for value in values if value is not None]


def _latest(values: Values) -> float | None:
    return values[-1]


def _highest(measures: Sequence[Measure]) -> float:
    """How high the axis has to be: bars stand on each other."""
    stacked = [
        sum(_there(values)) for values in zip(*(each.values for each in measures if each.kind == "bars"), strict=True)
    ]
    others = [value for each in measures if each.kind != "bars" for value in _there(each.values)]
    return max([*stacked, *others], default=0.0)


def _bars(measures: Sequence[Measure], top: float) -> Iterator[Bar]:
    for number, values in enumerate(zip(*(each.values for each in measures), strict=True)):
        slot, below = 100 / len(measures[0].values), 0.0
        for measure, value in zip(measures, values, strict=True):
            if value:
                height = 100 * value / top
                yield Bar(
                    measure.name,
                    x=_rounded(slot * (number + (1 - BAR) / 2)),
                    y=_rounded(100 - below - height),
                    width=_rounded(slot * BAR),
                    height=_rounded(height),
                )
                below += height


def _path(measure: Measure, top: float) -> Path:
    lines, areas = [], []
    for points in _pieces(measure, top):
        (x, y), *others = points
        # A piece of one point is a dot: a line without a length has round ends.
        drawn = f"M{x:g} {y:g}" + "".join(f"L{x:g} {y:g}" for x, y in others or points)
        lines.append(drawn)
        areas.append(f"{drawn}L{points[-1][0]:g} {BOX}L{x:g} {BOX}Z")
    return Path(measure.name, "".join(lines), "".join(areas) if measure.filled else "")


def _pieces(measure: Measure, top: float) -> Iterator[list[tuple[float, float]]]:
    """The points of each piece without a gap."""
    slot, piece = BOX / len(measure.values), list[tuple[float, float]]()
    for number, value in enumerate([*measure.values, None]):
        if value is None:
            if piece:
                yield piece
            piece = []
            continue
        y = _rounded(BOX - BOX * value / top)
        places = (number, number + 1) if measure.kind == "steps" else (number + 0.5,)
        piece += [(_rounded(slot * place), y) for place in places]


def _rows(measures: Sequence[Measure], since: int, bucket_s: int, unit: Unit) -> Iterator[Row]:
    count = len(measures[0].values)
    edges = [100 * number / count for number in range(count + 1)]
    for number, (left, right) in enumerate(pairwise(edges)):
        start = datetime.fromtimestamp((since + number * bucket_s * _NS) // _NS, UTC)
        yield Row(
            x=_rounded(left),
            width=_rounded(right - left),
            start=f"{start:%H:%M:%S}" if bucket_s < 60 else f"{start:%m-%d %H:%M}",
            values=tuple(words(each.values[number], unit) for each in measures),
        )


def _rounded(place: float) -> float:
    return round(place, 3)
