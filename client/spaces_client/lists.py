"""Lists: what to ask for, and the pages that come. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Generic, TypeVar

import msgspec

from spaces_client.call import Call
from spaces_client.errors import InvalidAnswer

PAGE = 100
"""The most that a gateway puts on a page."""
_T = TypeVar("_T")


class Page(msgspec.Struct, frozen=True):
    """One page as the gateway sent it, the newest first. `next` is the cursor of older ones, `previous` of newer ones; None
    where nothing is known to be."""

    results: list[msgspec.Raw]
    next: str | None = None
    previous: str | None = None


_decoder = msgspec.json.Decoder(Page)


def page(data: bytes) -> Page:
    """The page in these bytes. Raises InvalidAnswer."""
    try:
        return _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise InvalidAnswer(f"the answer is no page of a list: {error}") from error


def filters(**given: str | Sequence[str] | datetime | None) -> dict[str, str]:
    """Parameters of a query: those that are not None. An instant without a time zone is one of this machine's."""
    return {name: _text(value) for name, value in given.items() if value is not None}


class Listing(Generic[_T]):
    """A list, read page by page: call what `next_page` says until it is None, and give each page to `received`."""

    def __init__(
        self, path: str, wanted: Mapping[str, str], read: Callable[[msgspec.Raw], _T], limit: int | None = None
    ) -> None:
        """What the path lists, as `wanted`, `limit` at most."""
        self._path, self._wanted, self._read = path, wanted, read
        self._left = limit
        self._cursor: dict[str, str] | None = {}

    def next_page(self) -> Call[Page] | None:
        """The call for what follows; None when all has been read."""
        if self._cursor is None or (self._left is not None and self._left <= 0):
            return None
        size = PAGE if self._left is None else min(self._left, PAGE)
        query = {**self._wanted, **self._cursor, "limit": str(size)}
        return Call(method="GET", path=self._path, query=query, read=page)

    def received(self, page: Page) -> Iterator[_T]:
        """What stands on the page. Raises what reads it does."""
        wanted = page.results[: self._left]
        self._left = None if self._left is None else self._left - len(page.results)
        self._cursor = {"cursor": page.next} if page.next else None
        return map(self._read, wanted)


def _text(value: str | Sequence[str] | datetime) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return value if isinstance(value, str) else ",".join(value)
