"""What the agent at one socket holds. Pure."""

from collections.abc import Iterator

from services.contracts import reports
from services.contracts.agent_details import HeldRequest
from services.contracts.events import Requeued, RequeueReason
from services.gateway import results
from services.gateway.leases import REMEMBERED, Lease, LeaseTable, Outcome
from services.gateway.verdicts import Work
from spaces_agent import frames


class Holding:
    """The leases of one connection. They stand in the gateway's table as well, which outlives the socket.

    `changed` says that reports would now list something else."""

    def __init__(self, conn: str, gateway: str, table: LeaseTable) -> None:
        self._conn, self._gateway, self._table = conn, gateway, table
        self._leases: dict[int, Lease] = {}
        self._cancels: dict[int, int] = {}
        self.changed = False

    def __contains__(self, lease: int) -> bool:
        return lease in self._leases

    def __iter__(self) -> Iterator[Lease]:
        return iter(list(self._leases.values()))

    def get(self, lease: int) -> Lease | None:
        """The lease of this number."""
        return self._leases.get(lease)

    def current(self, frame: frames.RequestFrame) -> Lease | None:
        """The lease that a frame is about, when all that it says fits."""
        lease = self._leases.get(frame.lease)
        if lease is None or lease.rid != frame.request_id or lease.attempt != frame.attempt:
            return None
        return lease

    def slots_taken(self) -> int:
        """How many handlers may be running."""
        return sum(lease.takes_slot for lease in self._leases.values())

    def listed(self, now: float) -> list[reports.Held]:
        """What reports list. A lease that is being given back is delisted before that is recorded."""
        return [lease.reported(now) for lease in self._leases.values() if not isinstance(lease.outcome, Requeued)]

    def described(self, now: float) -> list[HeldRequest]:
        """The same for people."""
        return [lease.described(now) for lease in self._leases.values() if not isinstance(lease.outcome, Requeued)]

    def take(self, lease: Lease) -> None:
        """The agent has it."""
        self._leases[lease.lease] = lease
        self._table.hold(lease)
        self.changed = True

    def release(self, lease: Lease) -> None:
        """It is over."""
        self._leases.pop(lease.lease, None)
        self._table.remove(lease)
        self.changed = True

    def started(self, lease: Lease, now: float) -> None:
        """The agent says that the handler has begun."""
        if lease.started_at is None:
            lease.started_at = now
            lease.state = "running" if lease.state == "sent" else lease.state
            self.changed = True

    def stopping(self, lease: Lease) -> None:
        """It is void; the agent is being told."""
        lease.state, self.changed = "stopping", True
        lease.recording.end()

    def canceled(self, lease: int) -> None:
        """The agent has been told to stop this, held or not: one answer to that is in order, even when it comes late."""
        self._cancels[lease] = self._cancels.get(lease, 0) + 1
        if len(self._cancels) > REMEMBERED:
            del self._cancels[next(iter(self._cancels))]

    def answers_cancel(self, lease: int) -> bool:
        """Whether a lease that is not held any more may yet be confirmed as stopped; once for each time it was canceled."""
        left = self._cancels.pop(lease, 0) - 1
        if left > 0:
            self._cancels[lease] = left
        return left >= 0

    def offered(self, lease: Lease, event: Outcome, now: float) -> None:
        """This event is to be appended after it; no handler runs any more."""
        lease.state, lease.outcome, self.changed = "finished", event, True
        lease.ended_at = now if lease.ended_at is None else lease.ended_at
        if isinstance(event, Requeued):
            lease.recording.end()
        else:
            lease.recording.complete()

    def give_back(self, lease: Lease, reason: RequeueReason, detail: str, now: float) -> Requeued:
        """Let another agent run the request: the event to be appended."""
        event = results.requeued(lease, self._gateway, reason, detail)
        self.offered(lease, event, now)
        return event

    def adopt(self, work: Work, agent: str, now: float) -> int:
        """The agent came with this work in flight: the index from which on it is to send its output."""
        claimed = work.claimed
        if work.verdict == "continue" and work.assigned is not None:
            lease = self._table.get(claimed.lease) or Lease.of(work.assigned, claimed.lease, self._conn)
            self._go_on(lease, work, now)
            return lease.recording.stored + 1
        self.canceled(claimed.lease)
        if work.assigned is not None and claimed.state == "running":
            # Not in the table: nobody will deliver it or record an outcome. It only takes its slot until it has stopped.
            void = Lease(claimed.request_id, claimed.attempt, claimed.lease, "", "", agent, self._conn, "stopping")
            self._leases[void.lease] = void
        return 1

    def _go_on(self, lease: Lease, work: Work, now: float) -> None:
        lease.conn = self._conn
        if work.claimed.state == "result_pending":
            lease.state = "finished"
            if lease.outcome is None:
                lease.started_at = now
        else:
            lease.state = "running"
            if lease.started_at is None:
                # Counted from the assignment, since nobody here saw the handler start.
                lease.started_at = now - work.age_s
        lease.recording.adopt(work.last)
        self.take(lease)

    def unlisted(self, agent: str, listed: set[int]) -> list[Lease]:
        """What the agent held before and does not name any more: free at once (protocol, rule 2)."""
        return [
            lease
            for lease in self._table.of_agent(agent)
            if lease.lease not in listed and lease.outcome is None and lease.state != "stopping"
        ]

    def lost(self, now: float) -> None:
        """The socket is gone: the table keeps the leases for the grace, except those that a newer session has."""
        for lease in self._leases.values():
            if lease.conn != self._conn:
                continue
            if lease.state == "stopping":
                self._table.remove(lease)
            else:
                self._table.lose(lease, now + frames.GRACE_S)
        self._leases.clear()
