"""A gateway's session with an agent, brought into the states that tests start from."""

import hashlib
from typing import Any, TypeVar

import msgspec

from services.contracts.events import Assigned
from services.gateway.decisions import Append, Close, Decision, RecordRefused
from services.gateway.leases import Lease, LeaseTable, Outcome
from services.gateway.members import Member
from services.gateway.session import GatewaySession
from services.gateway.verdicts import Work
from spaces_agent import frames

RID = "0" * 32 + "05"
AGENT = "u1/a1"
F = TypeVar("F", bound=frames.Frame)


def hello(**changes: Any) -> frames.Hello:
    said = frames.Hello(agent_id="a1", boot_id="b1", spaces=["demo"], slots=2)
    return msgspec.structs.replace(said, **changes)


def assigned(**changes: Any) -> Assigned:
    event = Assigned(
        id="e1",
        rid=RID,
        space="demo",
        prev_seq=1,
        attempt=1,
        actor="dispatcher:d1",
        origin="gateway-a",
        agent=AGENT,
        conn="c1",
        gateway="gateway-b",
        user="u1",
        input=msgspec.Raw(b'{"x": 1}'),
        execution_timeout_s=30.0,
        traceparent="tp",
    )
    return msgspec.structs.replace(event, **changes)


def names(lease: int, rid: str = RID, attempt: int = 1) -> dict[str, Any]:
    return {"request_id": rid, "attempt": attempt, "lease": lease}


def result(lease: int, output: bytes = b"1", **changes: Any) -> frames.Result:
    sha256 = hashlib.sha256(output).hexdigest()
    frame = frames.Result(**names(lease), status="succeeded", sha256=sha256, output=msgspec.Raw(output))
    return msgspec.structs.replace(frame, **changes)


class Given:
    """One session and what came out of it since the last look."""

    def __init__(self, conn: str = "c1", table: LeaseTable | None = None, now: float = 0.0) -> None:
        self.table = LeaseTable() if table is None else table
        self.session = GatewaySession(conn, "gateway-b", self.table, now)

    def ready(self, *works: Work, now: float = 0.0, said: frames.Hello | None = None, agent: str = AGENT) -> "Given":
        """A session that has been welcomed; its frames are taken."""
        said = said or hello(in_flight=[work.claimed for work in works])
        self.session.receive(said, now)
        member = Member(agent=agent, boot_id=said.boot_id, slots=said.slots, spaces=said.spaces, revision=1)
        verdicts = [frames.SpaceVerdict(space=space, accepted=True) for space in said.spaces]
        self.session.welcome(member, verdicts, list(works), now)
        self.frames(frames.Welcome)
        return self

    def running(self, *leases: int, now: float = 0.0) -> "Given":
        """A ready session whose agent has accepted these leases."""
        self.ready(now=now)
        for lease in leases:
            assert self.session.deliver(assigned(), lease) == "held"
            self.session.receive(frames.Accept(**names(lease)), now)
        self.session.frames_to_send()
        return self

    def frames(self, *kinds: type[frames.Frame]) -> list[Any]:
        """The frames that want to be sent, which must be of these kinds."""
        sent = self.session.frames_to_send()
        assert [type(frame) for frame in sent] == list(kinds)
        return sent

    def decisions(self, *kinds: type[Decision]) -> list[Any]:
        """The decisions, which must be of these kinds."""
        made = self.session.events_to_append()
        assert [type(decision) for decision in made] == list(kinds)
        return made

    def appended(self) -> Outcome:
        """The one event that wants to be appended."""
        (decision,) = self.decisions(Append)
        event: Outcome = decision.event
        return event

    def refused(self) -> tuple[str, str]:
        """The frame and reason of the one refusal that wants to be recorded."""
        (decision,) = self.decisions(RecordRefused)
        return decision.event.frame, decision.event.reason

    def closed(self) -> int:
        """The code with which the socket is to be closed."""
        *_, decision = self.session.events_to_append()
        assert isinstance(decision, Close)
        return decision.code

    def lease(self, number: int) -> Lease:
        lease = self.table.get(number)
        assert lease is not None
        return lease

    def listed(self, now: float = 0.0) -> dict[int, str]:
        """The leases that a report lists, with their states."""
        report = self.session.report(now)
        assert report is not None
        return {held.lease: held.state for held in report.held}
