"""The frames of one agent about its leases, and what they come to. Pure."""

from services.contracts.events import RequeueReason
from services.gateway import pieces, replies, results
from services.gateway.decisions import CLOSE_VIOLATION, Append, RecordRefused, StoreOutput
from services.gateway.holding import Holding
from services.gateway.leases import Lease, LeaseTable
from services.gateway.outbox import Outbox
from services.gateway.refusals import Reason, Refusals
from spaces_agent import frames


class BadFrame(ValueError):
    """A frame about a request that cannot be meant; some are forgiven."""

    def __init__(self, message: str, request_id: str) -> None:
        super().__init__(message)
        self.request_id = request_id


class Broken(Exception):
    """The socket cannot go on, and is closed with this code."""

    def __init__(self, code: str, message: str, close_code: int) -> None:
        super().__init__(message)
        self.code, self.close_code = code, close_code


class LeaseFrames:
    """Handles the frames about the leases in `held`. One that is not current is refused, and never acted upon."""

    def __init__(self, held: Holding, table: LeaseTable, outbox: Outbox, refusals: Refusals, gateway: str) -> None:
        self._held, self._table, self._outbox, self._refusals = held, table, outbox, refusals
        self._gateway = gateway

    # From the agent

    def brought_late(self, claimed: frames.InFlight, now: float) -> None:
        """The agent has brought a result along whose request has moved on: its verdict says so, and the timeline must."""
        self._record_refused(claimed.request_id, claimed.lease, "result", "superseded", now)

    def accept(self, frame: frames.Accept, now: float) -> None:
        """A handler has begun."""
        lease = self._held.current(frame)
        if lease is None:
            self._refuse_and_stop(frame, "accept", now)
        else:
            self._held.started(lease, now)

    def reject(self, frame: frames.Reject, now: float) -> None:
        """The agent does not take it."""
        lease = self._held.current(frame)
        if lease is None:
            self._refuse(frame, "reject", now)
        elif lease.state == "stopping":
            self._held.release(lease)
        elif lease.outcome is None:
            self.give_back(lease, "rejected", frame.reason, now)

    def output(self, frame: frames.Output, now: float) -> None:
        """A handler has something to say. Raises Broken."""
        lease = self._held.current(frame)
        if lease is None:
            self._refuse_and_stop(frame, "output", now)
        elif lease.state != "stopping":  # else it has crossed our cancel
            self._offer_output(lease, frame, now)

    def result(self, frame: frames.Result, now: float) -> None:
        """A handler has an outcome. Raises BadFrame."""
        lease = self._held.current(frame)
        if lease is None:
            self._late_result(frame, now)
        elif lease.state == "stopping":
            self._held.release(lease)
            duplicate = self._is_recorded(frame)
            if not duplicate:
                self._record_refused(frame.request_id, frame.lease, "result", "superseded", now)
            self._outbox.send(replies.result_ack(frame, "duplicate" if duplicate else "superseded"))
        else:
            self._offer_result(lease, frame, now)

    def stopped(self, frame: frames.Stopped, now: float) -> None:
        """No handler runs for it any more."""
        lease = self._held.current(frame)
        if lease is None:
            # A result that crosses our cancel frees the slot; the cancel is answered all the same.
            if frame.lease in self._held or not self._held.answers_cancel(frame.lease):
                self._refuse(frame, "stopped", now)
        elif lease.state == "stopping":
            self._held.release(lease)
        elif lease.outcome is None:
            self.give_back(lease, "agent_lost", f"the agent stopped it: {frame.outcome}", now)

    def goodbye(self, reason: str, now: float) -> None:
        """The agent leaves for good."""
        for lease in self._held:
            if lease.state != "stopping" and lease.outcome is None:
                self.give_back(lease, "agent_lost", f"the agent left: {reason}", now)

    # From the process around

    def void(self, lease: Lease, reason: str) -> None:
        """The request has moved on without this lease: stop it. Its slot stays taken until the agent has stopped."""
        if lease.state == "stopping" or lease.outcome is not None:
            return  # an outcome on its way will be refused, and the agent told so then
        self._held.stopping(lease)
        self._cancel(lease, reason)

    def stored(self, lease: Lease) -> None:
        """More of its output is stored, or cannot be. Raises Broken."""
        if lease.recording.take_gap():
            missing = f"output {lease.recording.stored + 1} of request {lease.rid} is missing"
            raise Broken("output_gap", missing, frames.CLOSE_RESYNC)
        if lease.recording.stored:
            self._outbox.acknowledge(replies.output_ack(lease))

    def decided(self, lease: Lease, recorded: bool, now: float) -> None:
        """The append of the lease's outcome is decided: it was recorded, or another event was first."""
        self._held.release(lease)
        if lease.answers_result:
            if not recorded:
                self._record_refused(lease.rid, lease.lease, "result", "superseded", now)
            self._outbox.send(replies.result_ack(lease, "accepted" if recorded else "superseded"))

    def give_back(self, lease: Lease, reason: RequeueReason, detail: str, now: float) -> None:
        """Let another agent run the request."""
        self._held.give_back(lease, reason, detail, now)
        self._append_when_due(lease)

    # Steps shared by the above

    def _offer_output(self, lease: Lease, frame: frames.Output, now: float) -> None:
        try:
            piece = pieces.piece(frame)
        except pieces.InvalidOutput as error:
            self._record_refused(frame.request_id, frame.lease, "output", "invalid", now)
            raise Broken("invalid_output", str(error), CLOSE_VIOLATION) from error
        match lease.recording.offer(piece):
            case "taken":
                self._outbox.decide(StoreOutput(lease=lease))
            case "stored":
                self._outbox.acknowledge(replies.output_ack(lease))
            case "too_much":
                message = f"too much output of request {lease.rid} waits to be stored: mind the window"
                raise Broken("window_exceeded", message, CLOSE_VIOLATION)
            case "known":
                pass

    def _offer_result(self, lease: Lease, frame: frames.Result, now: float) -> None:
        try:
            event = results.outcome(lease, frame, self._gateway)
        except results.DigestMismatch as error:
            self._record_refused(frame.request_id, frame.lease, "result", "invalid", now)
            raise BadFrame(str(error), frame.request_id) from error
        if lease.outcome is None:
            lease.answers_result = True
            self._held.offered(lease, event, now)
            self._append_when_due(lease)
        elif lease.outcome.id != event.id:
            self._record_refused(frame.request_id, frame.lease, "result", "superseded", now)

    def _append_when_due(self, lease: Lease) -> None:
        if (event := lease.due()) is not None:
            self._outbox.decide(Append(event=event, traceparent=lease.traceparent, files=lease.files))

    def _late_result(self, frame: frames.Result, now: float) -> None:
        """Nobody waits for it here. The agent is told so by lease, so that it forgets it."""
        if self._is_recorded(frame):
            self._outbox.send(replies.result_ack(frame, "duplicate"))
            return
        self._refuse(frame, "result", now)
        self._outbox.send(replies.result_ack(frame, "superseded"))

    def _is_recorded(self, frame: frames.Result) -> bool:
        return self._table.recorded(frame.lease) == results.outcome_id(frame)

    def _refuse_and_stop(self, frame: frames.RequestFrame, kind: str, now: float) -> None:
        """A handler may be running for it, which has to stop; not so when the number is that of a lease which is held."""
        self._refuse(frame, kind, now)
        if frame.lease not in self._held:
            self._cancel(frame, "not_held")

    def _cancel(self, about: replies.About, reason: str) -> None:
        self._held.canceled(about.lease)
        self._outbox.send(replies.cancel(about, reason))

    def _refuse(self, frame: frames.RequestFrame, kind: str, now: float) -> None:
        """Not current. The error names no request, since the agent may hold another attempt at the same one."""
        reason: Reason = "stale_lease" if frame.lease in self._held else "not_held"
        message = f"{kind} for request {frame.request_id}, lease {frame.lease}: not held by this connection"
        self._outbox.send(replies.error(reason, message))
        self._record_refused(frame.request_id, frame.lease, kind, reason, now)

    def _record_refused(self, rid: str, lease: int, kind: str, reason: Reason, now: float) -> None:
        event = self._refusals.event(rid, lease, kind, reason, now)
        if event is not None:
            self._outbox.decide(RecordRefused(event=event))
