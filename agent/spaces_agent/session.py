"""The agent's side of the protocol as a state machine without I/O: frames and commands in, frames and events out.

One object outlives its sockets: it knows which leases the agent holds, says so in each `hello`, and applies the
verdicts of each `welcome`. The gateway's side mirrors it. The clock (seconds, monotonic) and entropy are arguments.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, assert_never

from spaces_agent import frames
from spaces_agent.backoff import FINAL_CODES, SLOW_CODES, Backoff
from spaces_agent.events import (
    Abandon,
    Closed,
    ForgetResult,
    Ready,
    Refused,
    SessionEvent,
    StartHandler,
    StopHandler,
)
from spaces_agent.leases import FinishedLeases, Held, in_flight
from spaces_agent.profile import Profile


class AgentSession:
    """The agent's half of `spaces.v1`, across reconnects.

    `running` and `pending` are what a predecessor of this process left behind: handlers that still run, and results
    that no gateway has acknowledged. `loading`: it takes no work before `loaded`."""

    def __init__(
        self,
        profile: Profile,
        *,
        running: Iterable[frames.InFlight] = (),
        pending: Iterable[frames.Result] = (),
        loading: bool = False,
    ) -> None:
        self._profile = profile
        self._held: dict[int, Held] = {work.lease: Held.of(work, "running") for work in running}
        for result in pending:
            self._held[result.lease] = Held.of(result, "result_pending", result)
        self._finished = FinishedLeases()
        self._backoff = Backoff()
        self._outbox: list[frames.AgentFrame] = []
        self._events: list[SessionEvent] = []
        self._phase: Literal["closed", "hello", "ready"] = "closed"
        self._state: frames.AgentState = "loading" if loading else "ready"
        self._draining = False
        self._abandoned = False
        self._after_welcome: list[frames.AgentFrame] = []
        self._heartbeat_s = frames.HEARTBEAT_S
        self._heard_at = self._beat_at = self._ready_at = 0.0
        self._leave: tuple[float, str] | None = None

    # What comes out

    def frames_to_send(self) -> list[frames.AgentFrame]:
        """The frames to write to the socket now, in order; each is given out once."""
        taken, self._outbox = self._outbox, []
        return taken

    def events(self) -> list[SessionEvent]:
        """What has happened since the last call, in order; each is given out once."""
        taken, self._events = self._events, []
        return taken

    def wakeup(self) -> float | None:
        """The time at which `tick` has something to do; None while there is no socket."""
        if self._phase == "closed" or self._abandoned:
            return None
        times = [self._heard_at + frames.HEARTBEAT_TIMEOUT_S]
        if self._phase == "ready":
            times.append(self._beat_at)
        if self._leave is not None:
            times.append(self._leave[0])
        return min(times)

    # The socket

    def connected(self, now: float) -> None:
        """A socket is open: say hello with everything that is in flight."""
        self._phase, self._abandoned, self._leave = "hello", False, None
        self._heard_at = now
        self._outbox.append(
            frames.Hello(
                agent_id=self._profile.agent_id,
                boot_id=self._profile.boot_id,
                spaces=self._profile.spaces,
                slots=self._profile.slots,
                version=self._profile.version,
                state=self._state,
                in_flight=in_flight(self._held.values()),
            )
        )

    def disconnected(self, now: float, entropy: float, reason: str, code: int | None = None) -> None:
        """The socket is gone, or could not be opened. `code` is the WebSocket close code if the gateway sent one."""
        ready_s = now - self._ready_at if self._phase == "ready" else 0.0
        self._phase = "closed"
        self._outbox.clear()
        self._after_welcome.clear()
        if code is not None and code in FINAL_CODES:
            self._events.append(Closed(reason=reason, code=code, final=True, retry_in_s=0.0))
            return
        delay = self._backoff.after(ready_s=ready_s, in_flight=bool(self._held), slowly=code in SLOW_CODES, entropy=entropy)
        if self._leave is not None:
            delay = max(delay, self._leave[0] - now)  # as long as the gateway has asked for
        self._events.append(Closed(reason=reason, code=code, final=False, retry_in_s=delay))

    def tick(self, now: float) -> None:
        """Time has passed: send a heartbeat when one is due, give the socket up when it is silent."""
        if self._phase == "closed" or self._abandoned:
            return
        if now - self._heard_at >= frames.HEARTBEAT_TIMEOUT_S:
            self._abandon(f"nothing heard from the gateway for {frames.HEARTBEAT_TIMEOUT_S:g} s")
        elif self._leave is not None and now >= self._leave[0]:
            self._abandon(self._leave[1])
        elif self._phase == "ready" and now >= self._beat_at:
            self._beat_at = now + self._heartbeat_s
            self._send(self._heartbeat())

    # Frames from the gateway

    def receive(self, frame: frames.GatewayFrame, now: float) -> None:
        """A frame has arrived. One that is out of order gives the socket up."""
        self._heard_at = now
        if self._phase != "ready" and not isinstance(frame, frames.Welcome | frames.Error | frames.Goaway):
            self._abandon(f"the gateway sent {type(frame).__name__.lower()} before welcome")
            return
        match frame:
            case frames.Welcome():
                self._receive_welcome(frame, now)
            case frames.HeartbeatAck():
                if not frame.routable:
                    self._abandon("no work can reach this agent through that gateway")
            case frames.Assign():
                self._receive_assign(frame)
            case frames.ResultAck():
                self._forget(frame.lease)
            case frames.Cancel():
                self._receive_cancel(frame)
            case frames.Goaway():
                self._leave = (now + frame.reconnect_after_s, f"the gateway is going away: {frame.reason}")
            case frames.Error():
                self._receive_error(frame)
            case _:
                assert_never(frame)

    def _receive_welcome(self, welcome: frames.Welcome, now: float) -> None:
        if self._phase == "ready":
            self._abandon("the gateway sent welcome twice")
            return
        self._phase = "ready"
        self._ready_at = now
        self._heartbeat_s = welcome.heartbeat_s
        self._beat_at = now + welcome.heartbeat_s
        self._events.append(Ready(welcome=welcome))
        self._outbox.extend(self._after_welcome)
        self._after_welcome.clear()
        for verdict in welcome.verdicts:
            held = self._held.get(verdict.lease)
            if held is None or verdict.verdict == "continue":
                continue
            if held.result is not None:
                self._forget(held.lease)
            else:
                self._stop(held, f"the gateway's verdict: {verdict.verdict}", 0.0)
        # Also a result without a verdict is offered: only its acknowledgement says that the outcome is decided.
        self._outbox.extend(held.result for held in self._held.values() if held.result is not None)

    def _receive_assign(self, assign: frames.Assign) -> None:
        held = self._held.get(assign.lease)
        if held is not None:
            self._repeat(held)
        elif assign.lease in self._finished:
            return  # its outcome was acknowledged or its stop confirmed: nothing is left to answer
        elif self._draining:
            self._reject(assign, "draining")
        elif self._state == "loading":
            self._reject(assign, "unhealthy")
        elif assign.space not in self._profile.spaces:
            self._reject(assign, "unsupported")
        elif sum(held.occupies_slot for held in self._held.values()) >= self._profile.slots:
            self._reject(assign, "full")
        else:
            self._held[assign.lease] = Held.of(assign, "starting")
            self._events.append(StartHandler(assign=assign))

    def _repeat(self, held: Held) -> None:
        """Answer a repeated assignment with what was answered before; the handler is never started twice."""
        if held.result is not None:
            self._send(held.result)
        elif held.state == "running":
            self._send(frames.Accept(request_id=held.request_id, attempt=held.attempt, lease=held.lease))

    def _reject(self, assign: frames.Assign, reason: Literal["full", "draining", "unhealthy", "unsupported"]) -> None:
        self._send(frames.Reject(request_id=assign.request_id, attempt=assign.attempt, lease=assign.lease, reason=reason))

    def _receive_cancel(self, cancel: frames.Cancel) -> None:
        held = self._held.get(cancel.lease)
        if held is None or held.result is not None:
            known = held is not None or cancel.lease in self._finished
            # The chain of this request has moved on, so that the result can be recorded nowhere.
            self._forget(cancel.lease)
            self._send_stopped(cancel, "already_finished" if known else "never_started")
        else:
            self._stop(held, cancel.reason, cancel.grace_s)

    def _receive_error(self, error: frames.Error) -> None:
        self._events.append(Refused(code=error.code, message=error.message, request_id=error.request_id))
        # A refused result is refused for good: offering it again on every socket would never end.
        for held in [held for held in self._held.values() if held.request_id == error.request_id]:
            if held.result is not None:
                self._forget(held.lease)

    # Commands from the handler's side

    def handler_started(self, lease: int) -> None:
        """The handler of this lease has begun."""
        held = self._held.get(lease)
        if held is None:
            return
        held.started = True
        if held.state == "starting":
            held.state = "running"
            self._send(frames.Accept(request_id=held.request_id, attempt=held.attempt, lease=lease))

    def handler_finished(self, result: frames.Result) -> None:
        """The handler has an outcome. It is kept until acknowledged, or dropped when its lease was being stopped."""
        held = self._held.get(result.lease)
        if held is None:
            self._events.append(ForgetResult(lease=result.lease))
        elif held.state == "stopping":
            self._forget(result.lease)
            self._send_stopped(held, "already_finished")
        elif held.result is None:
            held.state, held.result = "result_pending", result
            if self._phase == "ready":
                self._outbox.append(result)

    def handler_stopped(self, lease: int) -> None:
        """The handler of this lease has ended without an outcome, or was never begun."""
        held = self._held.get(lease)
        if held is not None and held.result is None:
            self._forget(lease)
            self._send_stopped(held, "stopped" if held.started else "never_started")

    def loaded(self) -> None:
        """The handler is ready for work."""
        self._state = "ready"
        self._send(self._heartbeat())

    def drain(self) -> None:
        """Take no more work; what runs may finish."""
        self._draining = True

    def leave(self, reason: str) -> None:
        """Say goodbye: whatever is still held is free at once."""
        self._draining = True
        if self._phase != "closed":
            self._outbox.append(frames.Goodbye(reason=reason))

    # Steps shared by the above

    def _send(self, frame: frames.AgentFrame) -> None:
        """Send now, or after the welcome; a frame for a lost socket is dropped, since the next hello says it all."""
        if self._phase == "ready":
            self._outbox.append(frame)
        elif self._phase == "hello":
            self._after_welcome.append(frame)

    def _heartbeat(self) -> frames.Heartbeat:
        running = [held.lease for held in self._held.values() if held.occupies_slot]
        return frames.Heartbeat(running=running, state=self._state)

    def _send_stopped(
        self, work: Held | frames.RequestFrame, outcome: Literal["stopped", "never_started", "already_finished"]
    ) -> None:
        self._send(frames.Stopped(request_id=work.request_id, attempt=work.attempt, lease=work.lease, outcome=outcome))

    def _stop(self, held: Held, reason: str, grace_s: float) -> None:
        if held.state != "stopping":
            held.state = "stopping"
            self._events.append(StopHandler(lease=held.lease, reason=reason, grace_s=grace_s))

    def _forget(self, lease: int) -> None:
        held = self._held.pop(lease, None)
        if held is not None:
            self._finished.add(lease)
            self._events.append(ForgetResult(lease=lease))

    def _abandon(self, reason: str) -> None:
        if not self._abandoned:
            self._abandoned = True
            self._events.append(Abandon(reason=reason))
