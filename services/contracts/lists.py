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


class ListConnections(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Connections of agents, also those that have ended, by when they began, the newest first; as ListRequests. `owner`:
    whose agents; `agent`: of this identity; `space`: that were let serve it; `within`: that serve nothing but these spaces
    (None: whatever they serve)."""

    limit: int
    owner: str = ""
    agent: str = ""
    space: str = ""
    within: list[str] | None = None
    beside: Place | None = None
    direction: Direction = "older"


class PastConnection(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One connection, at `place` in the list; `ended_at` 0: nobody has recorded its end. `code`: the WebSocket's close code,
    0 without one."""

    place: Place
    conn: str
    agent: str
    gateway: str
    spaces: list[str]
    slots: int
    version: str = ""
    address: str = ""
    ended_at: int = 0
    reason: str = ""
    code: int = 0
    connected_s: float = 0.0


class ConnectionsPage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer to ListConnections; see RequestsPage."""

    connections: list[PastConnection]
    more: bool = False


class GetStats(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of the requests that were accepted, or have ended, after the instant `since` and up to `until`; of one
    user, in some spaces. `recorded`: see ListRequests."""

    since: int
    until: int
    user: str = ""
    spaces: list[str] | None = None
    recorded: Position | None = None


class Percentiles(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds: of a hundred durations so many are no longer than that."""

    p50: float
    p95: float
    p99: float


class Stats(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer: how many were accepted; how many ended, by status; and how long the latest `sampled` of those that ran had
    waited until they were assigned, and ran."""

    accepted: int
    ended: dict[Status, int]
    sampled: int = 0
    queue_s: Percentiles | None = None
    run_s: Percentiles | None = None


class RequestsPage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer, without inputs, outputs and logs. `more`: there are others farther in that direction; a page may be
    shorter than its limit all the same, when its requests are large."""

    requests: list[RequestState]
    more: bool = False
