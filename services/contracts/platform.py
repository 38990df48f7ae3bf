"""How the platform is: what its processes say of themselves, and what history knows of the log and of spaces that may need
somebody."""

import msgspec

from services.contracts.rpc import Position


class Alive(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a process says of itself with its key in `ws_live`: since when it runs (nanoseconds since 1970 by its own clock,
    0: it does not say), its version and its machine's name."""

    since: int = 0
    version: str = ""
    host: str = ""


class GetRecord(msgspec.Struct, frozen=True, kw_only=True):
    """How is the log?"""


class RecordedStream(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A stream, and how far it is recorded: `behind` messages are not yet, the oldest of them for `behind_s` seconds; None
    while PostgreSQL is silent, or when another stream is in this one's place. `max_bytes` -1: without a limit; `missing`: so
    many of its replicas are away or behind."""

    stream: str
    messages: int
    bytes: int
    max_bytes: int = -1
    replicas: int = 1
    missing: int = 0
    behind: int | None = None
    behind_s: float | None = None


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer. `reachable`: PostgreSQL answers; only then the rest of it is known. `size_bytes` of the whole database;
    `conflicts`: so many events contradict the log; `whole`: no row is missing from the read tables."""

    reachable: bool
    version: str = ""
    size_bytes: int = 0
    conflicts: int = 0
    whole: bool = True
    streams: list[RecordedStream] = []


class GetAttention(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How do spaces do, and do agents stay connected? Requests and agents of one user, in some spaces (None: all).
    `depths_at`: how many waited at these instants; of each space the latest `outcomes` that ended after `outcomes_since`;
    connections after `connections_since`. Instants are nanoseconds since 1970."""

    depths_at: list[int]
    outcomes: int
    outcomes_since: int
    connections_since: int
    user: str = ""
    spaces: list[str] | None = None
    recorded: Position | None = None


class SpaceAttention(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A space: how many wait now, the oldest accepted at `oldest_at` (0: none waits), and how many did at each instant that
    was asked for; how many of its latest `judged` outcomes, successes and failures, are failures."""

    space: str
    waiting: int = 0
    oldest_at: int = 0
    depths: list[int] = []
    judged: int = 0
    failed: int = 0


class AgentConnections(msgspec.Struct, frozen=True, kw_only=True):
    """So often an agent has connected."""

    agent: str
    connections: int


class Attention(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer: spaces in which something waits or has ended, and agents that have connected, the most often first."""

    spaces: list[SpaceAttention]
    agents: list[AgentConnections] = []
