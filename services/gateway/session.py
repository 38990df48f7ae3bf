"""The gateway's side of the agent protocol as a state machine without I/O: frames and events in, frames and decisions out.

One object lives as long as one socket; the leases outlive it in the `LeaseTable` that all sessions of a gateway share. The
agent's side mirrors it. Instants are monotonic seconds and come in as arguments.
"""

from typing import Literal, assert_never

from services.contracts.events import Assigned, Requeued, RequeueReason
from services.contracts.reports import AgentReport, AgentState
from services.gateway import replies, results
from services.gateway.decisions import CLOSE_NORMAL, CLOSE_VIOLATION, Append, Close, Decision, RecordRefused
from services.gateway.holding import Holding
from services.gateway.leases import Answer, Lease, LeaseTable
from services.gateway.members import Member
from services.gateway.refusals import Reason, Refusals
from services.gateway.verdicts import Work
from spaces_agent import frames

HELLO_TIMEOUT_S = 10.0
MAX_BAD_FRAMES = 5
"""So many frames that are none get an answer; the next one closes the socket."""


class GatewaySession:
    """The gateway's half of `spaces.v1` over one socket."""

    def __init__(self, conn: str, gateway: str, table: LeaseTable, now: float) -> None:
        self.conn = conn
        self.phase: Literal["hello", "joining", "ready", "closed"] = "hello"
        self.hello: frames.Hello | None = None  # until the welcome
        self.member: Member | None = None
        self.routable = True
        self._gateway, self._table = gateway, table
        self._held = Holding(conn, gateway, table)
        self._refusals = Refusals(conn, gateway, now)
        self._state: AgentState = "ready"
        self._opened_at = self._heard_at = now
        self._bad_frames = 0
        self._outbox: list[frames.GatewayFrame] = []
        self._decisions: list[Decision] = []

    # What comes out

    def frames_to_send(self) -> list[frames.GatewayFrame]:
        """The frames to write to the socket now, in order; each is given out once."""
        taken, self._outbox = self._outbox, []
        return taken

    @property
    def unsent(self) -> int:
        """How many frames wait."""
        return len(self._outbox)

    def events_to_append(self) -> list[Decision]:
        """What is to be done since the last call, in order; each is given out once."""
        taken, self._decisions = self._decisions, []
        return taken

    def take_changed(self) -> bool:
        """Whether reports of this session differ from those before the last call."""
        changed, self._held.changed = self._held.changed, False
        return changed

    def report(self, now: float) -> AgentReport | None:
        """The session as reports show it; None before it is ready and after its end."""
        if self.phase != "ready" or self.member is None:
            return None
        return self.member.report(self.conn, self._state, self._held.listed(now))

    def last_report(self) -> AgentReport | None:
        """How reports say that it is over; None when it was never in them."""
        return None if self.member is None else self.member.last_report(self.conn)

    # The socket

    def tick(self, now: float) -> None:
        """Time has passed: give up a socket that is silent."""
        if self.phase == "hello" and now - self._opened_at >= HELLO_TIMEOUT_S:
            self.refuse("no_hello", f"no hello within {HELLO_TIMEOUT_S:g} s", CLOSE_VIOLATION)
        elif self.phase != "closed" and now - self._heard_at >= frames.HEARTBEAT_TIMEOUT_S:
            self.close(frames.CLOSE_HEARTBEAT_TIMEOUT, f"nothing heard for {frames.HEARTBEAT_TIMEOUT_S:g} s")

    def receive_garbage(self, reason: str, now: float) -> None:
        """Something came that is no frame of this protocol."""
        self._heard_at = now
        if self.phase != "closed":
            self._bad_frame(reason)

    def refuse(self, code: str, message: str, close_code: int) -> None:
        """Say why, and close."""
        if self.phase != "closed":
            self._outbox.append(replies.error(code, message, fatal=True))
            self.close(close_code, code)

    def turn_away(self, reason: str, reconnect_after_s: float = 1.0) -> None:
        """Nothing is wrong with the agent: it shall connect again, elsewhere if possible."""
        if self.phase != "closed":
            self._outbox.append(frames.Goaway(reason=reason, reconnect_after_s=reconnect_after_s))
            self.close(frames.CLOSE_GOAWAY, reason)

    def goaway(self, reason: str, reconnect_after_s: float) -> None:
        """Take no more work for this agent, and let it leave for another gateway with all it holds."""
        self._set_state("draining")
        self._outbox.append(frames.Goaway(reason=reason, reconnect_after_s=reconnect_after_s))

    def unroutable(self) -> None:
        """No work can reach this session any more: tell the agent to go elsewhere."""
        if self.phase == "ready":
            self.routable = False
            self._outbox.append(frames.HeartbeatAck(routable=False))

    def close(self, code: int, reason: str) -> None:
        """End the session; its leases stay in the table for the grace."""
        if self.phase != "closed":
            self.phase = "closed"
            self._decisions.append(Close(code=code, reason=reason))

    def lost(self, now: float) -> None:
        """The socket is gone, or as good as gone: delist what it held and keep it for the grace."""
        self.phase = "closed"
        self._held.lost(now)

    def welcome(self, member: Member, spaces: list[frames.SpaceVerdict], works: list[Work], now: float) -> None:
        """The registry has let the agent in, and its work in flight has been judged."""
        if self.phase != "joining":
            return
        self.phase, self.member, self._held.changed = "ready", member, True
        for lease in self._held.unlisted(member.agent, {work.claimed.lease for work in works}):
            self._give_back(lease, "agent_lost", "the agent came back without it", now)
        for work in works:
            self._held.adopt(work, member.agent, now)
        self.hello = None
        self._outbox.append(replies.welcome(self.conn, self._gateway, spaces, works))

    # Events about leases

    def holds(self, lease: int) -> bool:
        """Whether the agent at this socket holds it."""
        return lease in self._held

    def deliver(self, assigned: Assigned, seq: int) -> Answer:
        """A new assignment for this connection: hand it to the agent, or say why not."""
        if self.phase != "ready" or self._state == "draining" or self.member is None:
            return "no_connection"
        if self._state == "loading" or self._held.slots_taken() >= self.member.slots:
            return "busy"
        self._held.take(Lease.of(assigned, seq, self.conn))
        self._outbox.append(replies.assign(assigned, seq))
        return "held"

    def void(self, lease_number: int, reason: str) -> None:
        """The request has moved on without this lease: stop it. Its slot stays taken until the agent has stopped."""
        lease = self._held.get(lease_number)
        if lease is None or lease.state == "stopping" or lease.outcome is not None:
            return  # an outcome on its way will be refused, and the agent told so then
        if lease.state == "finished":
            self._held.release(lease)
        else:
            self._held.stopping(lease)
            self._outbox.append(replies.cancel(lease, reason))

    def outcome_decided(self, lease: Lease, recorded: bool, now: float) -> None:
        """The append of the lease's outcome is decided: it was recorded, or another event was first."""
        self._held.release(lease)
        if lease.outcome is not None and not isinstance(lease.outcome, Requeued):
            if not recorded:
                self._record_refused(lease.rid, lease.lease, "result", "superseded", now)
            self._outbox.append(replies.result_ack(lease, "accepted" if recorded else "superseded"))

    # Frames

    def receive(self, frame: frames.AgentFrame, now: float) -> None:
        """A frame has arrived."""
        self._heard_at = now
        if self.phase == "closed":
            return
        if self.phase == "hello":
            self._receive_hello(frame)
            return
        match frame:
            case frames.Hello():
                self._bad_frame("hello came twice")
            case frames.Heartbeat():
                self._set_state(frame.state)
                self._outbox.append(frames.HeartbeatAck(routable=self.routable))
            case frames.Accept():
                self._receive_accept(frame, now)
            case frames.Reject():
                self._receive_reject(frame, now)
            case frames.Result():
                self._receive_result(frame, now)
            case frames.Stopped():
                self._receive_stopped(frame, now)
            case frames.Goodbye():
                self._receive_goodbye(frame, now)
            case _:
                assert_never(frame)

    def _receive_hello(self, frame: frames.AgentFrame) -> None:
        if not isinstance(frame, frames.Hello):
            self.refuse("hello_expected", "the first frame must be hello", CLOSE_VIOLATION)
        elif not frame.protocol_min <= frames.PROTOCOL <= frame.protocol_max:
            message = f"this gateway speaks protocol {frames.PROTOCOL}"
            self.refuse("unsupported_version", message, frames.CLOSE_UNSUPPORTED)
        else:
            self.hello, self.phase = frame, "joining"
            self._set_state(frame.state)

    def _set_state(self, state: AgentState) -> None:
        if self._state not in (state, "draining"):
            self._state, self._held.changed = state, True

    def _receive_accept(self, frame: frames.Accept, now: float) -> None:
        lease = self._held.current(frame)
        if lease is None:
            self._refuse_frame(frame, "accept", now)
            self._outbox.append(replies.cancel(frame, "not_held"))
        else:
            self._held.started(lease, now)

    def _receive_reject(self, frame: frames.Reject, now: float) -> None:
        lease = self._held.current(frame)
        if lease is None:
            self._refuse_frame(frame, "reject", now)
            return
        if frame.reason == "draining":
            self._set_state("draining")
        if lease.state == "stopping":
            self._held.release(lease)
        elif lease.outcome is None:
            self._give_back(lease, "rejected", frame.reason, now)

    def _receive_stopped(self, frame: frames.Stopped, now: float) -> None:
        lease = self._held.current(frame)
        if lease is None:
            return  # its result crossed our cancel: that has freed the slot already
        if lease.state == "stopping":
            self._held.release(lease)
        elif lease.outcome is None:
            self._give_back(lease, "agent_lost", f"the agent stopped it: {frame.outcome}", now)

    def _receive_goodbye(self, frame: frames.Goodbye, now: float) -> None:
        for lease in self._held:
            if lease.state != "stopping" and lease.outcome is None:
                self._give_back(lease, "agent_lost", f"the agent left: {frame.reason}", now)
        self.close(CLOSE_NORMAL, "goodbye")

    def _receive_result(self, frame: frames.Result, now: float) -> None:
        lease = self._held.current(frame)
        if lease is None:
            self._receive_late_result(frame, now)
        elif lease.state == "stopping":
            self._held.release(lease)
            self._record_refused(frame.request_id, frame.lease, "result", "superseded", now)
            self._outbox.append(replies.result_ack(frame, "superseded"))
        else:
            self._offer(lease, frame, now)

    def _offer(self, lease: Lease, frame: frames.Result, now: float) -> None:
        try:
            event = results.outcome(lease, frame, self._gateway)
        except results.DigestMismatch as error:
            self._record_refused(frame.request_id, frame.lease, "result", "invalid", now)
            self._bad_frame(str(error), frame.request_id)
            return
        if lease.outcome is None:
            self._held.offered(lease, event, now)
            self._decisions.append(Append(event=event, traceparent=lease.traceparent))
        elif lease.outcome.id != event.id:
            self._record_refused(frame.request_id, frame.lease, "result", "superseded", now)

    def _receive_late_result(self, frame: frames.Result, now: float) -> None:
        """Nobody waits for it here. The agent is told so by lease, so that it forgets it."""
        recorded = self._table.recorded(frame.lease)
        if recorded is not None and recorded == results.outcome_id(frame):
            self._outbox.append(replies.result_ack(frame, "duplicate"))
            return
        self._refuse_frame(frame, "result", now)
        self._outbox.append(replies.result_ack(frame, "superseded"))

    # Steps shared by the above

    def _give_back(self, lease: Lease, reason: RequeueReason, detail: str, now: float) -> None:
        event = self._held.give_back(lease, reason, detail, now)
        self._decisions.append(Append(event=event, traceparent=lease.traceparent))

    def _bad_frame(self, reason: str, request_id: str = "") -> None:
        self._bad_frames += 1
        if self.phase == "hello" or self._bad_frames > MAX_BAD_FRAMES:
            self.refuse("bad_frame", reason, CLOSE_VIOLATION)
        else:
            self._outbox.append(replies.error("bad_frame", reason, request_id))

    def _refuse_frame(self, frame: frames.RequestFrame, kind: str, now: float) -> None:
        """Not current. The error names no request, since the agent may hold another attempt at the same one."""
        reason: Reason = "stale_lease" if frame.lease in self._held else "not_held"
        message = f"{kind} for request {frame.request_id}, lease {frame.lease}: not held by this connection"
        self._outbox.append(replies.error(reason, message))
        self._record_refused(frame.request_id, frame.lease, kind, reason, now)

    def _record_refused(self, rid: str, lease: int, kind: str, reason: Reason, now: float) -> None:
        event = self._refusals.event(rid, lease, kind, reason, self.member.agent if self.member else "", now)
        if event is not None:
            self._decisions.append(RecordRefused(event=event))
