"""Instants as they are typed: some time ago, or a date. Pure."""

import re
from datetime import datetime, timedelta

_AGO = re.compile(r"(\d{1,6})([smhd])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class BadInstant(ValueError):
    """What was typed is no instant; the text is one line that says how to write one."""


def instant(typed: str, now: datetime) -> datetime:
    """`30m` is so long before `now` (units: s, m, h, d); else it is a date, with a time or without, in the time zone of
    `now` when it names none. Raises BadInstant."""
    ago = _AGO.fullmatch(typed)
    try:
        if ago is not None:
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        at = datetime.fromisoformat(typed)
    except (ValueError, OverflowError):
        raise BadInstant(f"{typed!r} is no instant: write 30m, 12h or 7d for so long ago, or 2025-01-31T09:30:00Z") from None
    return at if at.tzinfo is not None else at.replace(tzinfo=now.tzinfo)


def duration_s(typed: str) -> float:
    """The seconds of a span like `90s`, `12h` or `30d`. Raises BadInstant."""
    span = _AGO.fullmatch(typed)
    if span is None:
        raise BadInstant(f"{typed!r} is no span of time: write 30m, 12h or 7d")
    return timedelta(**{_UNITS[span[2]]: int(span[1])}).total_seconds()
