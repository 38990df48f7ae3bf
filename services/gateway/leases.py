"""The leases that a gateway answers for: those its agents hold, and those of sockets lost a moment ago. Pure.

A lease is named by the stream sequence of its `assigned` event, so one table serves all connections."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from services.contracts import reports
from services.contracts.agent_details import HeldRequest
from services.contracts.events import Assigned, Failed, Requeued, Succeeded
from services.gateway.recording import Recording

LeaseState = Literal["sent", "running", "finished", "stopping"]
Answer = Literal["held", "busy", "no_connection"]
Outcome = Succeeded | Failed | Requeued

T = TypeVar("T")
REMEMBERED = 16384
"""So many answers and decisions are remembered, to recognise a repeated delivery and a repeated result."""


@dataclass(slots=True)
class Lease:
    """One attempt at one request, in the hands of one agent. Instants are monotonic seconds.

    `finished`: the handler has ended and its result is offered or being recorded, so the slot is free again.
    `stopping`: the lease is void and the agent has not confirmed yet that it stopped."""

    rid: str
    attempt: int
    lease: int
    space: str
    origin: str
    agent: str
    conn: str
    state: LeaseState = "sent"
    user: str = ""
    """Who submitted the request; empty where that does not matter any more."""
    traceparent: str = ""
    retries_left: int = 0
    retry_delay_s: float = 0.0
    files: tuple[str, ...] = ()
    """Those of the request's input, by id."""
    started_at: float | None = None
    ended_at: float | None = None
    outcome: Outcome | None = None
    """What is to be appended after this lease; the first one offered stands."""
    answers_result: bool = False
    """Whether that comes of a result, whose agent is to be told how it was decided."""
    recording: Recording = field(init=False)
    _taken: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self.recording = Recording(self.rid, self.attempt, self.lease)

    @classmethod
    def of(cls, assigned: Assigned, seq: int, conn: str) -> "Lease":
        """The lease that an `assigned` event at `seq` gave, as held by a connection."""
        return cls(
            rid=assigned.rid,
            attempt=assigned.attempt,
            lease=seq,
            space=assigned.space,
            origin=assigned.origin,
            agent=assigned.agent,
            conn=conn,
            user=assigned.user,
            traceparent=assigned.traceparent,
            retries_left=assigned.retries_left,
            retry_delay_s=assigned.retry_delay_s,
            files=assigned.files,
        )

    def due(self) -> Outcome | None:
        """The outcome, once it may be appended: a result waits until the output before it is stored. Given out once."""
        if self._taken or self.outcome is None:
            return None
        if not isinstance(self.outcome, Requeued) and not self.recording.settled(self.outcome.last_index):
            return None
        self._taken = True
        return self.outcome

    @property
    def takes_slot(self) -> bool:
        """Whether a handler may still be running for it."""
        return self.state != "finished"

    def running_s(self, now: float) -> float:
        """Seconds from the handler's start until its result came. Of one that ended while its agent was away, since the
        agent has been back: when it ended is not known, and its result is not waited for without end."""
        if self.started_at is None:
            return 0.0
        return max(0.0, (now if self.ended_at is None else self.ended_at) - self.started_at)

    def reported(self, now: float) -> reports.Held:
        """The lease as reports list it."""
        state: reports.HeldState = "running" if self.state == "finished" else self.state
        return reports.Held(
            rid=self.rid, attempt=self.attempt, lease=self.lease, state=state, running_s=round(self.running_s(now), 3)
        )

    def described(self, now: float) -> HeldRequest:
        """The same for people."""
        held = self.reported(now)
        return HeldRequest(
            rid=held.rid,
            attempt=held.attempt,
            space=self.space,
            user=self.user,
            state=held.state,
            running_s=held.running_s,
        )


class LeaseTable:
    """All leases of one gateway, by number, with what it answered and decided lately."""

    def __init__(self) -> None:
        self._leases: dict[int, Lease] = {}
        self._lost_until: dict[int, float] = {}
        self._answers: dict[int, Answer] = {}
        self._decisions: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self._leases)

    def __iter__(self) -> Iterator[Lease]:
        return iter(list(self._leases.values()))

    def get(self, lease: int) -> Lease | None:
        """The lease, if an agent of ours holds it or its socket was lost within the grace."""
        return self._leases.get(lease)

    def of_agent(self, agent: str) -> list[Lease]:
        """All leases of an agent identity, whichever connection held them."""
        return [lease for lease in self._leases.values() if lease.agent == agent]

    def hold(self, lease: Lease) -> None:
        """An agent of ours holds it from now on."""
        self._leases[lease.lease] = lease
        self._lost_until.pop(lease.lease, None)
        self.answered(lease.lease, "held")

    def lose(self, lease: Lease, until: float) -> None:
        """Its socket is gone; it may come back until then."""
        if self._leases.get(lease.lease) is lease:
            self._lost_until[lease.lease] = until

    def remove(self, lease: Lease) -> None:
        """It is over. One that the table does not hold leaves another of the same number alone."""
        if self._leases.get(lease.lease) is lease:
            del self._leases[lease.lease]
            self._lost_until.pop(lease.lease, None)
            lease.recording.end()

    def expire(self, now: float) -> None:
        """Forget the leases whose agent has not come back in time. One whose outcome is to be recorded stays."""
        for lease in [lease for lease, until in self._lost_until.items() if now >= until]:
            del self._lost_until[lease]
            if self._leases[lease].outcome is None:
                self.remove(self._leases[lease])

    def answered(self, lease: int, answer: Answer) -> None:
        """Remember how the delivery of this lease went."""
        _remember(self._answers, lease, answer)

    def known(self, lease: int) -> Answer | None:
        """The answer to a repeated delivery; None when this lease was never delivered here."""
        if lease in self._leases:
            return "held"
        answer = self._answers.get(lease)
        return "no_connection" if answer == "held" else answer

    def decided(self, lease: int, event_id: str) -> None:
        """This event was recorded after the lease, which is over."""
        _remember(self._decisions, lease, event_id)

    def recorded(self, lease: int) -> str | None:
        """The id of the event that has lately followed a lease, through whichever gateway."""
        return self._decisions.get(lease)


def _remember(memory: dict[int, T], lease: int, value: T) -> None:
    memory[lease] = value
    if len(memory) > REMEMBERED:
        del memory[next(iter(memory))]
