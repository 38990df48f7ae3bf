"""Lists over HTTP: what a query asks for, and the cursors between its pages. Pure.

A cursor names a place and the direction in which to go on from there. Clients must not look into it."""

import base64
import binascii
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import get_args

import msgspec

from services.contracts.instants import nanoseconds
from services.contracts.lifecycle import Status
from services.contracts.lists import MAX_LIMIT, Direction, Place
from services.gateway.problems import ApiProblem

DEFAULT_LIMIT = 20
STATUSES: tuple[Status, ...] = get_args(Status)
PAGING = frozenset({"limit", "cursor"})
_LATEST = 2**63 - 1
_LIMIT = re.compile(r"[0-9]{1,3}")
_INSTANT = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(\.\d{1,9})?(Z|[+ -]\d\d:\d\d)", re.IGNORECASE | re.ASCII)


class _Mark(msgspec.Struct, frozen=True, array_like=True):
    direction: Direction
    at: int
    key: str


_mark_decoder = msgspec.json.Decoder(_Mark)


@dataclass(frozen=True, slots=True)
class Paging:
    """The page that is asked for: so many entries in a direction from a place; None: from the newest entry on."""

    limit: int
    direction: Direction
    beside: Place | None


class Query:
    """The parameters of a list."""

    def __init__(self, given: Iterable[tuple[str, str]], known: Iterable[str], *, paging: bool = True) -> None:
        """Raises ApiProblem for a parameter that is not known: it may be a typing error, and a filter that is left out would
        show more than was asked for."""
        self._values: dict[str, list[str]] = {}
        names = {*known, *(PAGING if paging else ())}
        for name, value in given:
            if name not in names:
                raise _invalid(f"There is no parameter {name[:64]!r} here, only {', '.join(sorted(names))}.")
            self._values.setdefault(name, []).append(value)

    def one(self, name: str) -> str | None:
        """A parameter that may be given once; None when it is not. Raises ApiProblem."""
        values = self._values.get(name, [])
        if len(values) > 1:
            raise _invalid(f"{name} may be given once.")
        if values == [""]:
            raise _invalid(f"{name} is empty.")
        if values and "\0" in values[0]:  # PostgreSQL has no such text
            raise _invalid(f"{name} has a null character in it.")
        return values[0] if values else None

    def statuses(self) -> list[Status]:
        """Which statuses may be listed, empty for all. Raises ApiProblem."""
        given = self.several("status", STATUSES)
        return [status for status in STATUSES if status in given]

    def several(self, name: str, known: Collection[str]) -> list[str]:
        """Which of the known values are wanted, empty for all. Raises ApiProblem."""
        given = [each for value in self._values.get(name, []) for each in value.split(",")]
        if unknown := [each for each in given if each not in known]:
            raise _invalid(f"{name} is one or more of {', '.join(known)}, not {unknown[0][:64]!r}.")
        return given

    def instant(self, name: str) -> int:
        """An instant in nanoseconds since 1970; 0 when it is not given. Raises ApiProblem."""
        text = self.one(name)
        if text is None:
            return 0
        match = _INSTANT.fullmatch(text)
        try:
            if match is None:
                raise ValueError(text)
            # A plus sign that was not escaped has become a space on its way.
            at = nanoseconds(f"{match[1]}T{match[2]}{match[3] or ''}{match[4].upper().replace(' ', '+')}")
        except ValueError:
            raise _invalid(f"{name} must be an instant like 2025-01-31T09:30:00Z (RFC 3339).") from None
        return min(max(at, 1), _LATEST)

    def paging(self) -> Paging:
        """Which page. Raises ApiProblem."""
        limit = self.one("limit") or str(DEFAULT_LIMIT)
        if _LIMIT.fullmatch(limit) is None or not 1 <= int(limit) <= MAX_LIMIT:
            raise _invalid(f"limit must be a number from 1 to {MAX_LIMIT}.")
        cursor = self.one("cursor")
        return Paging(int(limit), "older", None) if cursor is None else Paging(int(limit), *parse(cursor))


def cursor(direction: Direction, beside: Place) -> str:
    """What leads to the page beside a place."""
    mark = msgspec.json.encode(_Mark(direction, beside.at, beside.key))
    return base64.urlsafe_b64encode(mark).rstrip(b"=").decode()


def parse(text: str) -> tuple[Direction, Place]:
    """The reverse of `cursor`. Raises ApiProblem."""
    try:
        mark = _mark_decoder.decode(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
    except (msgspec.MsgspecError, UnicodeError, binascii.Error, ValueError):
        mark = None
    if mark is None or not 0 <= mark.at <= _LATEST or "\0" in mark.key or len(mark.key) > 128:
        raise ApiProblem("invalid_cursor", "cursor must be `next` or `previous` of a page of this list.")
    return mark.direction, Place(mark.at, mark.key)


def around(paging: Paging, places: Sequence[Place], more: bool) -> tuple[str | None, str | None]:
    """The cursors `next` (to older entries) and `previous` (to newer ones) of a page that holds the entries at these places,
    the newest first; `more`: there are others farther in its direction. None where nothing is known to be.

    A page may have become empty when what it held fits the filters no longer: the way back then leads to whatever is beside
    its place, itself included."""
    beside = paging.beside
    if paging.direction == "older":
        ahead = cursor("older", places[-1]) if places and more else None
        if beside is None:
            return ahead, None
        return ahead, cursor("newer", places[0] if places else Place(beside.at, ""))
    assert beside is not None, "only a cursor leads to newer entries"
    ahead = cursor("newer", places[0]) if places and more else None
    return cursor("older", places[-1] if places else Place(min(beside.at + 1, _LATEST), "")), ahead


def _invalid(detail: str) -> ApiProblem:
    return ApiProblem("invalid_request", detail)
