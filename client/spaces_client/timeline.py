"""The events of a request so far. Pure."""

from __future__ import annotations

from datetime import datetime

import msgspec

from spaces_client import events
from spaces_client.errors import InvalidAnswer
from spaces_client.events import Event


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """A frame of an agent about this request that was refused: it came too late, twice, or from one who does not hold it."""

    at: datetime | None = None
    frame: str = ""
    reason: str = ""
    lease: int = 0
    agent: str = ""
    gateway: str = ""


class _Listed(msgspec.Struct, frozen=True):
    event: str
    id: str | None = None
    data: msgspec.Raw = msgspec.Raw(b"{}")


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """One answer of the API; `next` is where the next one begins."""

    results: list[_Listed] = []
    next: str | None = None
    done: bool = False
    refused: list[Refusal] | None = None


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """The events so far. `done`: the request has ended. `refused` is None when nobody could tell; `cursor` is where to go on
    (`Client.events(id, after=cursor)`)."""

    events: list[Event]
    refused: list[Refusal] | None
    done: bool
    cursor: str


_decoder = msgspec.json.Decoder(Page)


def page(data: bytes) -> Page:
    """The page in these bytes. Raises InvalidAnswer."""
    try:
        return _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise InvalidAnswer(f"the answer is no list of events: {error}") from error


def join(pages: list[Page]) -> Timeline:
    """All pages as one timeline; there is at least one. Raises InvalidAnswer."""
    listed = [each for page in pages for each in page.results]
    last = pages[-1]
    return Timeline(
        events=[events.parse(each.event, each.id or "", each.data) for each in listed],
        refused=last.refused,
        done=last.done,
        cursor=last.next or "",
    )
