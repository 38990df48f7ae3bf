"""What was observed of a platform under faults, by those who stand outside of it: from the stream, the log, clients,
handlers, and the wires between agents and gateways. Pure values; instants are nanoseconds since 1970 by the machine's own
clock, which is also the NATS server's."""

from typing import Any, Literal

import msgspec


class Event(msgspec.Struct, frozen=True):
    """A request event; `data` is its payload without the input."""

    seq: int
    at: int
    type: str
    rid: str
    data: dict[str, Any]

    @property
    def prev_seq(self) -> int:
        """The sequence of the event that it says it follows."""
        return int(self.data["prev_seq"])

    @property
    def attempt(self) -> int:
        """How many attempts there were up to it, as it says."""
        return int(self.data["attempt"])


class Record(msgspec.Struct, frozen=True):
    """A record in the stream OUTPUT."""

    seq: int
    rid: str
    lease: int
    index: int


class Answer(msgspec.Struct, frozen=True):
    """What a client was told over HTTP: `request` is the request object, None when there was none in the answer."""

    client: str
    operation: Literal["submit", "read", "cancel", "retry"]
    status: int
    began: int
    ended: int
    key: str = ""
    request: dict[str, Any] | None = None


class Shown(msgspec.Struct, frozen=True):
    """One server-sent event as its reader got it."""

    id: str
    event: str
    data: dict[str, Any]


class Reading(msgspec.Struct):
    """All that one reader of a request's events was shown, over however many connections. `whole`: it has read all."""

    rid: str
    shown: list[Shown]
    whole: bool = False


class Run(msgspec.Struct):
    """One start of a handler, as the handler itself wrote it down. `ended` is 0 when its process died first."""

    agent: str
    pid: int
    rid: str
    attempt: int
    began: int
    ended: int = 0


class Process(msgspec.Struct):
    """One life of an agent, from start to end (0: it lives) of its handler process."""

    agent: str
    pid: int
    slots: int
    began: int
    ended: int = 0


class Frame(msgspec.Struct, frozen=True):
    """A frame that got through between an agent and a gateway. `socket` numbers their connections."""

    socket: int
    at: int
    by_agent: bool
    data: dict[str, Any]

    @property
    def type(self) -> str:
        """Its type on the wire."""
        return str(self.data["type"])

    @property
    def lease(self) -> int:
        """The lease that it is about, 0 when it is about none."""
        return int(self.data.get("lease", 0))


class Fault(msgspec.Struct, frozen=True):
    """What was done to the platform, and from when to when."""

    name: str
    began: int
    ended: int


class Logged(msgspec.Struct, frozen=True):
    """An event as the log in PostgreSQL has it."""

    seq: int
    type: str
    rid: str
    data: dict[str, Any]


class History(msgspec.Struct, kw_only=True):
    """Everything about one run. `listed`: instants at which some gateway reported a lease, by lease, in order. `complaints`:
    what `spaces log verify` found, before and after the read table was made anew. `deaths`: processes that ended although
    nobody had touched them, with what they said last."""

    events: list[Event] = []
    records: list[Record] = []
    log: list[Logged] = []
    answers: list[Answer] = []
    readings: list[Reading] = []
    runs: list[Run] = []
    processes: list[Process] = []
    frames: list[Frame] = []
    listed: dict[int, list[int]] = {}
    faults: list[Fault] = []
    complaints: list[str] = []
    deaths: list[str] = []
