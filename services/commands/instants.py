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
