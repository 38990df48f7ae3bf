"""Lists that history answers page by page. A page is found from a *place*: where in the order of the list a reader has come
to. What arrives meanwhile stands before or behind it, so no page has a gap or repeats anything."""

from typing import Literal

import msgspec

from services.contracts.lifecycle import Status
from services.contracts.requests import RequestState
from services.contracts.rpc import Position

MAX_LIMIT = 100

Direction = Literal["older", "newer"]


class Place(msgspec.Struct, frozen=True):
    """Just beside one entry of a list: its instant (nanoseconds since 1970), and what orders entries of the same instant."""

    at: int
    key: str


class ListRequests(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The requests that fit every filter given, in the order in which they were accepted, the newest first: the `limit`
    ones next to the place `beside` in a direction, or the newest ones.

    `spaces` None: all; `statuses` empty: all; `since` and `until`: accepted at that instant or later, and before that one
    (0: whenever). `recorded`: answer when the log has come that far, or after a while as it is."""

    limit: int
    user: str = ""
    spaces: list[str] | None = None
    statuses: list[Status] = []
    since: int = 0
    until: int = 0
    beside: Place | None = None
    direction: Direction = "older"
    recorded: Position | None = None


class RequestsPage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer, without inputs, outputs and logs. `more`: there are others farther in that direction; a page may be
    shorter than its limit all the same, when its requests are large."""

    requests: list[RequestState]
    more: bool = False
