"""Lists: what to ask for, and the pages that come. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeVar

import msgspec

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


def entries(
    ask: Callable[[Mapping[str, str]], bytes],
    wanted: Mapping[str, str],
    read: Callable[[msgspec.Raw], _T],
    limit: int | None,
) -> Iterator[_T]:
    """What is listed, page by page as it is taken, `limit` at most. Raises what `ask` and `read` do, and InvalidAnswer."""
    cursor: dict[str, str] = {}
    left = limit
    while left is None or left > 0:
        size = PAGE if left is None else min(left, PAGE)
        got = page(ask({**wanted, **cursor, "limit": str(size)}))
        yield from map(read, got.results[:left])
        if not got.next:
            return
        left = None if left is None else left - len(got.results)
        cursor = {"cursor": got.next}


def _text(value: str | Sequence[str] | datetime) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return value if isinstance(value, str) else ",".join(value)
