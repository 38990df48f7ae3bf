"""Histories made by hand: what was observed of requests, told step by step. Without a word on it, an event follows the last
of its request, and a second passes between any two."""

from typing import Any

from tests.faults.suite import check
from tests.faults.suite.chains import SECOND
from tests.faults.suite.clients import said
from tests.faults.suite.observed import (
    Answer,
    Event,
    Frame,
    History,
    Logged,
    Process,
    Reading,
    Record,
    Run,
    Shown,
)

RID, AGENT, IDENTITY, PID = "r1", "agent-1", "u/agent-1", 7
SOCKET, BOOT = 1, "boot-1"


class Given:
    """A history that grows. `now` is the instant of what comes next, in nanoseconds."""

    def __init__(self) -> None:
        self.history = History()
        self.now = 0

    def violations(self, rule: str) -> list[str]:
        """What a rule says of it."""
        found = check.check(self.history)
        return [violation.detail for violation in found if violation.rule == rule]

    def wait(self, seconds: float) -> "Given":
        """Time passes."""
        self.now += int(seconds * SECOND)
        return self

    # Events

    def event(self, type: str, rid: str = RID, **data: Any) -> int:
        """An event comes into the stream and the log; its sequence."""
        chain = [event for event in self.history.events if event.rid == rid]
        seq = max((event.seq for event in self.history.events), default=0) + 1
        attempt = sum(event.type == "assigned" for event in chain) + (type == "assigned")
        data = {"prev_seq": chain[-1].seq if chain else 0, "attempt": attempt, "actor": "user:u"} | data
        self.wait(1)
        self.history.events.append(Event(seq, self.now, type, rid, data))
        self.history.log.append(Logged(seq, type, rid, data))
        return seq

    def accepted(self, rid: str = RID, **data: Any) -> int:
        return self.event("accepted", rid, **({"input": {"words": 2}, "max_attempts": 1} | data))

    def assigned(self, rid: str = RID, **data: Any) -> int:
        return self.event("assigned", rid, **({"agent": IDENTITY, "conn": "c1", "actor": "dispatcher:d"} | data))

    def requeued(self, reason: str, rid: str = RID, **data: Any) -> int:
        return self.event("requeued", rid, **({"reason": reason, "actor": "dispatcher:d"} | data))

    def succeeded(self, rid: str = RID, *, attempt_said: int = 0, words: int = 2, **data: Any) -> int:
        attempt = attempt_said or sum(event.type == "assigned" and event.rid == rid for event in self.history.events)
        output = [{"rid": rid, "attempt": attempt, "agent": AGENT}, *said(words)]
        return self.event("succeeded", rid, **({"agent": IDENTITY, "actor": f"agent:{IDENTITY}", "output": output} | data))

    def failed(self, rid: str = RID, *, code: str = "handler_error", **data: Any) -> int:
        return self.event("failed", rid, **({"actor": f"agent:{IDENTITY}", "error": {"code": code}} | data))

    def one_that_succeeded(self, rid: str = RID) -> int:
        """A whole request; its lease."""
        self.accepted(rid)
        lease = self.assigned(rid)
        self.succeeded(rid)
        return lease

    # Reports

    def listed(self, lease: int) -> None:
        self.history.listed.setdefault(lease, []).append(self.now)

    def connects(self, conn: str, leases: list[int], boot: str = BOOT) -> None:
        """The agent's hello, and the welcome to what is its connection now."""
        socket = SOCKET + len(self.history.frames)
        hello = {"type": "hello", "agent_id": AGENT, "boot_id": boot, "slots": 1}
        in_flight = [{"lease": lease, "request_id": RID, "state": "running"} for lease in leases]
        self.history.frames.append(Frame(socket, self.now, True, hello | {"in_flight": in_flight}))
        self.history.frames.append(Frame(socket, self.now, False, {"type": "welcome", "session_id": conn}))

    # Clients

    def told(self, rid: str = RID, *, client: str = "c", key: str = "", **request: Any) -> None:
        self.wait(1)
        request = {"id": rid, "status": "processing", "done": False, "attempt": 1} | request
        self.history.answers.append(Answer(client, "read", 200, self.now, self.now, key, request))

    def told_output(self, output: list[Any], rid: str = RID) -> None:
        self.told(rid, status="succeeded", done=True, output=output)

    def reads(self, *shown: Shown, whole: bool = False) -> None:
        self.history.readings.append(Reading(RID, list(shown), whole))

    def record(self, index: int, lease: int) -> None:
        self.history.records.append(Record(len(self.history.records) + 1, RID, lease, index))

    # Agents

    def process(self, slots: int = 1, *, ended: int = 0) -> None:
        self.history.processes.append(Process(AGENT, PID, slots, 0, ended))

    def run(self, rid: str = RID, attempt: int = 1, *, agent: str = AGENT, seconds: float | None = 1) -> None:
        """A handler starts now, and runs for so long; None: it never ends."""
        ended = 0 if seconds is None else self.now + int(seconds * SECOND)
        self.history.runs.append(Run(agent, PID, rid, attempt, self.now, ended))

    def frame(self, type: str, lease: int = 0, *, socket: int = SOCKET, **data: Any) -> None:
        self.wait(1)
        by_agent = type in ("hello", "accept", "result", "stopped", "reject", "output")
        data = {"type": type, "request_id": RID, "lease": lease} | data
        self.history.frames.append(Frame(socket, self.now, by_agent, data))

    def hello(self, slots: int = 1, *, socket: int = SOCKET, in_flight: list[dict[str, Any]] | None = None) -> None:
        self.frame("hello", socket=socket, agent_id=AGENT, boot_id=BOOT, slots=slots, in_flight=in_flight or [])


def shown(event: str, index: int = 0, *, id: str, attempt: int = 1, data: Any = "") -> Shown:
    """Something that a reader was shown."""
    return Shown(id, event, {"attempt": attempt, "index": index, "data": data})
