"""The gateway's side of the agent protocol as a state machine without I/O: frames and events in, frames and decisions out.

One object lives as long as one socket; the leases outlive it in the `LeaseTable` that all sessions of a gateway share. The
agent's side mirrors it. Instants are monotonic seconds and come in as arguments.
"""

from typing import Literal, assert_never

from services.contracts.agent_details import HeldRequest
from services.contracts.events import Assigned
from services.contracts.reports import AgentReport, AgentState
from services.gateway import replies
from services.gateway.decisions import CLOSE_NORMAL, CLOSE_VIOLATION, Close, Decision
from services.gateway.endings import GOODBYE
from services.gateway.granted import NOTHING, Granted
from services.gateway.holding import Holding
from services.gateway.lease_frames import BadFrame, Broken, LeaseFrames
from services.gateway.leases import Answer, Lease, LeaseTable
from services.gateway.members import Member
from services.gateway.outbox import Outbox
from services.gateway.refusals import Refusals
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
        self._gateway = gateway
        self._held = Holding(conn, gateway, table)
        self._outbox = Outbox()
        self._refusals = Refusals(conn, gateway, now)
        self._leases = LeaseFrames(self._held, table, self._outbox, self._refusals, gateway)
        self._state: AgentState = "ready"
        self._opened_at = self._heard_at = now
        self._bad_frames = 0

    # What comes out

    def frames_to_send(self) -> list[frames.GatewayFrame]:
        """The frames to write to the socket now, in order; each is given out once."""
        return self._outbox.take_frames()

    @property
    def unsent(self) -> int:
        """How many frames wait."""
        return self._outbox.unsent

    def events_to_append(self) -> list[Decision]:
        """What is to be done since the last call, in order; each is given out once."""
        return self._outbox.take_decisions()

    def take_changed(self) -> bool:
        """Whether reports of this session differ from those before the last call."""
        changed, self._held.changed = self._held.changed, False
        return changed

    def report(self, now: float) -> AgentReport | None:
        """The session as reports show it; None before it is ready and after its end."""
        if self.phase != "ready" or self.member is None:
            return None
        return self.member.report(self.conn, self._state, self._held.listed(now))

    def held(self, now: float) -> list[HeldRequest]:
        """What the agent holds, for people."""
        return self._held.described(now)

    def slots(self) -> tuple[int, int]:
        """How many slots are taken, and how many there are; none before the welcome and after the end."""
        ready = self.phase == "ready" and self.member is not None
        return (self._held.slots_taken(), self.member.slots) if ready and self.member is not None else (0, 0)

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
            self._outbox.send(replies.error(code, message, fatal=True))
            self.close(close_code, code)

    def turn_away(self, reason: str, reconnect_after_s: float = 1.0) -> None:
        """Nothing is wrong with the agent: it shall connect again, elsewhere if possible."""
        if self.phase != "closed":
            self._outbox.send(frames.Goaway(reason=reason, reconnect_after_s=reconnect_after_s))
            self.close(frames.CLOSE_GOAWAY, reason)

    def goaway(self, reason: str, reconnect_after_s: float) -> None:
        """Take no more work for this agent, and let it leave for another gateway with all it holds."""
        self._set_state("draining")
        self._outbox.send(frames.Goaway(reason=reason, reconnect_after_s=reconnect_after_s))

    def drain(self, reason: str) -> bool:
        """Tell the agent to finish what runs and then to end; False when there is none."""
        if self.phase != "ready":
            return False
        self._set_state("draining")
        self._outbox.send(frames.Drain(reason=reason))
        return True

    def unroutable(self) -> None:
        """No work can reach this session any more: tell the agent to go elsewhere."""
        if self.phase == "ready":
            self.routable = False
            self._outbox.send(frames.HeartbeatAck(routable=False))

    def close(self, code: int, reason: str) -> None:
        """End the session; its leases stay in the table for the grace."""
        if self.phase != "closed":
            self.phase = "closed"
            self._outbox.decide(Close(code=code, reason=reason))

    def lost(self, now: float) -> None:
        """The socket is gone, or as good as gone: delist what it held and keep it for the grace."""
        self.phase = "closed"
        self._held.lost(now)

    def welcome(self, member: Member, spaces: list[frames.SpaceVerdict], works: list[Work], now: float) -> None:
        """The registry has let the agent in, and its work in flight has been judged."""
        if self.phase != "joining":
            return
        self.phase, self.member, self._held.changed = "ready", member, True
        self._refusals.agent = member.agent
        for lease in self._held.unlisted(member.agent, {work.claimed.lease for work in works}):
            self._leases.give_back(lease, "agent_lost", "the agent came back without it", now)
        for work in works:
            if work.verdict == "stop" and work.claimed.state == "result_pending":
                self._leases.brought_late(work.claimed, now)
        verdicts = [replies.verdict(work, self._held.adopt(work, member.agent, now)) for work in works]
        self.hello = None
        self._outbox.send(replies.welcome(self.conn, self._gateway, spaces, verdicts))

    # Events about leases

    def holds(self, lease: int) -> bool:
        """Whether the agent at this socket holds it."""
        return lease in self._held

    def deliver(self, assigned: Assigned, seq: int, granted: Granted = NOTHING) -> Answer:
        """A new assignment for this connection: hand it to the agent, with what is granted, or say why not."""
        if self.phase != "ready" or self._state == "draining" or self.member is None:
            return "no_connection"
        if self._state == "loading" or self._held.slots_taken() >= self.member.slots:
            return "busy"
        self._held.take(Lease.of(assigned, seq, self.conn))
        self._outbox.send(replies.assign(assigned, seq, granted))
        return "held"

    def void(self, lease_number: int, reason: str) -> None:
        """The request has moved on without this lease: stop it."""
        if (lease := self._held.get(lease_number)) is not None:
            self._leases.void(lease, reason)

    def output_stored(self, lease: Lease) -> None:
        """More of the lease's output is stored, or it turned out that a part is missing."""
        try:
            self._leases.stored(lease)
        except Broken as broken:
            self.refuse(broken.code, str(broken), broken.close_code)

    def outcome_decided(self, lease: Lease, recorded: bool, now: float) -> None:
        """The append of the lease's outcome is decided: it was recorded, or another event was first."""
        self._leases.decided(lease, recorded, now)

    # Frames

    def receive(self, frame: frames.AgentFrame, now: float) -> None:
        """A frame has arrived."""
        self._heard_at = now
        if self.phase == "closed":
            return
        if self.phase == "hello":
            self._receive_hello(frame)
            return
        try:
            self._receive(frame, now)
        except BadFrame as bad:
            self._bad_frame(str(bad), bad.request_id)
        except Broken as broken:
            self.refuse(broken.code, str(broken), broken.close_code)

    def _receive(self, frame: frames.AgentFrame, now: float) -> None:
        match frame:
            case frames.Hello():
                self._bad_frame("hello came twice")
            case frames.Heartbeat():
                self._set_state(frame.state)
                self._outbox.send(frames.HeartbeatAck(routable=self.routable))
            case frames.Accept():
                self._leases.accept(frame, now)
            case frames.Reject():
                if frame.reason == "draining" and self._held.current(frame) is not None:
                    self._set_state("draining")
                self._leases.reject(frame, now)
            case frames.Output():
                self._leases.output(frame, now)
            case frames.Result():
                self._leases.result(frame, now)
            case frames.Stopped():
                self._leases.stopped(frame, now)
            case frames.Goodbye():
                self._leases.goodbye(frame.reason, now)
                self.close(CLOSE_NORMAL, GOODBYE)
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

    def _bad_frame(self, reason: str, request_id: str = "") -> None:
        self._bad_frames += 1
        if self.phase == "hello" or self._bad_frames > MAX_BAD_FRAMES:
            self.refuse("bad_frame", reason, CLOSE_VIOLATION)
        else:
            self._outbox.send(replies.error("bad_frame", reason, request_id))
