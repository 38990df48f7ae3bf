"""The agent's side of the protocol as a state machine without I/O: frames and commands in, frames and events out.

One object outlives its sockets: it knows which leases the agent holds, says so in each `hello`, and applies the verdicts of
each `welcome`. There may be several sockets at a time, which its caller numbers as told. The gateway's side mirrors it. The
clock (seconds, monotonic) and entropy are arguments.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from spaces_agent import frames
from spaces_agent.conversation import Conversation
from spaces_agent.events import Abandon, Connect, EndAgent, Moving, Ready, Refused, SessionEvent
from spaces_agent.profile import Profile
from spaces_agent.sockets import Sockets
from spaces_agent.work import Work

_BEFORE_WELCOME = frames.Welcome | frames.Error | frames.Goaway


class AgentSession:
    """The agent's half of `spaces.v1`, across sockets.

    `running`, `pending` and `outputs` are what a predecessor of this process left behind: handlers that still run, results
    that no gateway has acknowledged, and output of both that is not acknowledged, in order. `loading`: it takes no work
    before `loaded`."""

    def __init__(
        self,
        profile: Profile,
        *,
        running: Iterable[frames.InFlight] = (),
        pending: Iterable[frames.Result] = (),
        outputs: Iterable[frames.Output] = (),
        loading: bool = False,
    ) -> None:
        self._profile = profile
        self._state: frames.AgentState = "loading" if loading else "ready"
        self._events: list[SessionEvent] = []
        self._sockets = Sockets()
        self._work = Work(profile, self._sockets, self._emit)
        self._work.restore(running, pending, outputs)

    # What comes out

    def frames_to_send(self, socket: int) -> list[frames.AgentFrame]:
        """The frames to write to this socket now, in order; each is given out once."""
        return self._sockets[socket].frames_to_send()

    def events(self) -> list[SessionEvent]:
        """What has happened since the last call, in order; each is given out once."""
        taken, self._events = self._events, []
        return taken

    def wakeup(self) -> float | None:
        """The time at which `tick` has something to do; None when it has nothing."""
        return self._sockets.wakeup()

    # The sockets

    def connected(self, socket: int, now: float) -> None:
        """The socket is open: say hello with everything that is in flight."""
        hello = frames.Hello(
            agent_id=self._profile.agent_id,
            boot_id=self._profile.boot_id,
            spaces=self._profile.spaces,
            slots=self._profile.slots,
            version=self._profile.version,
            state=self._state,
            in_flight=self._work.in_flight(),
        )
        self._sockets[socket].opened(hello, now)

    def disconnected(self, socket: int, now: float, entropy: float, reason: str, code: int | None = None) -> None:
        """The socket is gone, or could not be opened. `code` is the WebSocket close code if the gateway sent one."""
        closed = self._sockets.closed(socket, now, entropy, reason, code, in_flight=bool(self._work))
        if closed is not None:
            self._emit(closed)

    def tick(self, now: float) -> None:
        """Time has passed: open a socket when it is time, give up those that are silent or have had their time, send a
        heartbeat when one is due."""
        for conversation in self._sockets:
            reason = conversation.overdue(now)
            if reason is not None:
                self._abandon(conversation, reason)
            elif conversation.heartbeat_due(now):
                conversation.send(self._heartbeat())
        connecting = self._sockets.connect_due(now)
        if connecting is not None:
            self._emit(Connect(socket=connecting.socket))

    # Frames from a gateway

    def receive(self, socket: int, frame: frames.GatewayFrame, now: float) -> None:
        """A frame has arrived. One that is out of order gives the socket up."""
        conversation = self._sockets[socket]
        if conversation.phase == "abandoned":
            return
        conversation.heard(now)
        if conversation.phase == "hello" and not isinstance(frame, _BEFORE_WELCOME):
            self._abandon(conversation, f"the gateway sent {type(frame).__name__.lower()} before welcome")
            return
        match frame:
            case frames.Welcome():
                self._receive_welcome(conversation, frame, now)
            case frames.HeartbeatAck():
                if not frame.routable and conversation is self._sockets.speaker:
                    self._abandon(conversation, "no work can reach this agent through that gateway")
            case frames.Assign():
                self._work.assigned(frame, conversation, self._state)
            case frames.OutputAck():
                self._work.output_stored(frame.lease, frame.index)
            case frames.ResultAck():
                self._work.decided(frame.lease)
            case frames.Cancel():
                self._work.cancelled(frame, conversation)
            case frames.Drain():
                self._emit(EndAgent(reason=frame.reason))
            case frames.Goaway():
                self._receive_goaway(conversation, frame, now)
            case frames.Error():
                self._emit(Refused(code=frame.code, message=frame.message, request_id=frame.request_id))
                self._work.refused(frame.request_id)
            case _:
                assert_never(frame)

    def _receive_welcome(self, conversation: Conversation, welcome: frames.Welcome, now: float) -> None:
        hello = conversation.hello
        if conversation.phase != "hello" or hello is None:
            self._abandon(conversation, "the gateway sent welcome twice")
            return
        conversation.welcomed(welcome, now)
        self._sockets.take_over(conversation, now)
        self._emit(Ready(socket=conversation.socket, welcome=welcome))
        if hello.state != self._state:
            conversation.send(self._heartbeat())
        self._work.welcomed(conversation, hello, welcome.verdicts)

    def _receive_goaway(self, conversation: Conversation, goaway: frames.Goaway, now: float) -> None:
        if conversation.phase == "hello":
            conversation.turned_away(goaway.reason, now + goaway.reconnect_after_s)
        elif conversation is self._sockets.speaker:
            connect_at = self._sockets.move(goaway.reconnect_after_s, now)
            if connect_at is not None:
                self._emit(Moving(reason=goaway.reason, connect_in_s=connect_at - now))

    # Commands from the handlers' side

    def handler_started(self, lease: int) -> None:
        """The handler of this lease has begun."""
        self._work.started(lease)

    def handler_produced(self, output: frames.Output) -> None:
        """The handler has something to say. It is kept until acknowledged, or dropped when its lease is being stopped."""
        self._work.produced(output)

    def handler_finished(self, result: frames.Result) -> None:
        """The handler has an outcome. It is kept until acknowledged, or dropped when its lease was being stopped."""
        self._work.finished(result)

    def handler_stopped(self, lease: int) -> None:
        """The handler of this lease has ended without an outcome, or was never begun."""
        self._work.stopped(lease)

    def loaded(self) -> None:
        """The handler is ready for work."""
        if self._state == "loading":
            self._state = "ready"
            self._sockets.say(self._heartbeat())

    def drain(self) -> None:
        """Take no more work, and say so; what runs may finish."""
        if self._state != "draining":
            self._state = "draining"
            self._sockets.say(self._heartbeat())

    def leave(self, reason: str) -> None:
        """Say goodbye: whatever is still held is free at once."""
        self._state = "draining"
        for conversation in self._sockets:
            conversation.say_goodbye(frames.Goodbye(reason=reason))

    # Steps shared by the above

    def _heartbeat(self) -> frames.Heartbeat:
        return frames.Heartbeat(running=self._work.running(), state=self._state)

    def _abandon(self, conversation: Conversation, reason: str) -> None:
        conversation.phase = "abandoned"
        self._emit(Abandon(socket=conversation.socket, reason=reason))

    def _emit(self, event: SessionEvent) -> None:
        self._events.append(event)
