"""Durations as people say them: about so long, in one unit mostly, as static/request-words.js says them too. Pure."""

from typing import Literal, NamedTuple

Unit = Literal["ms", "s", "min_s", "min", "h", "d"]


class Duration(NamedTuple):
    """A number and its unit; `rest`: the seconds beside the minutes of `min_s`."""

    unit: Unit
    number: str
    rest: int = 0


def duration(seconds: float) -> Duration:
    """How to say that something took so long."""
    if seconds < 0.995:
        return Duration("ms", str(round(max(seconds, 0.0) * 1000)))
    if seconds < 59.5:
        return Duration("s", f"{seconds:.1f}" if seconds < 9.95 else str(round(seconds)))
    if seconds < 599.5 and round(seconds) % 60:
        return Duration("min_s", str(round(seconds) // 60), round(seconds) % 60)
    if seconds < 7170:
        return Duration("min", str(round(seconds / 60)))
    if seconds < 171000:
        return Duration("h", str(round(seconds / 3600)))
    return Duration("d", str(round(seconds / 86400)))


def multiple(count: int, step: float) -> Duration:
    """So many times a step, in the largest unit of which the step has a whole number, or a fraction of a second."""
    if step < 0.1:
        return Duration("ms", f"{count * step * 1000:g}")
    if step < 60:
        return Duration("s", f"{count * step:g}")
    units: tuple[tuple[Unit, int], ...] = (("d", 86400), ("h", 3600), ("min", 60))
    unit, size = next(each for each in units if step >= each[1])
    return Duration(unit, f"{count * step / size:.15g}")
