"""One socket of an agent: what waits to be written to it, and its clocks. Pure."""

from __future__ import annotations

from typing import Literal

from spaces_agent import frames

Phase = Literal["dialling", "hello", "ready", "retiring", "abandoned", "closed"]
"""`hello`: it is said and not answered. `retiring`: another socket has taken over, this one only listens and answers."""

RETIRE_S = 5.0
"""So long a retiring socket is listened to. Its gateway closes it as soon as it sees that the agent's claim has moved."""


class Conversation:
    """What is said over one socket. Instants are monotonic seconds."""

    def __init__(self, socket: int) -> None:
        self.socket = socket
        self.phase: Phase = "dialling"
        self.hello: frames.Hello | None = None
        self.not_before = 0.0
        """The gateway has asked that no other socket be opened earlier."""
        self._outbox: list[frames.AgentFrame] = []
        self._heard_at = self._beat_at = 0.0
        self._heartbeat_s = frames.HEARTBEAT_S
        self._ready_at: float | None = None
        self._ends: tuple[float, str] | None = None

    def frames_to_send(self) -> list[frames.AgentFrame]:
        """The frames to write now, in order; each is given out once."""
        taken, self._outbox = self._outbox, []
        return taken

    def send(self, frame: frames.AgentFrame) -> None:
        """Say this, if the socket is there and welcomed. What is not said is not lost: the welcome finds it."""
        if self.phase in ("ready", "retiring"):
            self._outbox.append(frame)

    # What happens to it

    def opened(self, hello: frames.Hello, now: float) -> None:
        """The socket is there."""
        self.phase, self.hello, self._heard_at = "hello", hello, now
        self._outbox.append(hello)

    def heard(self, now: float) -> None:
        """A frame has come."""
        self._heard_at = now

    def welcomed(self, welcome: frames.Welcome, now: float) -> None:
        """The gateway has answered the hello."""
        self.phase, self._ready_at = "ready", now
        self._heartbeat_s, self._beat_at = welcome.heartbeat_s, now + welcome.heartbeat_s

    def retire(self, now: float) -> None:
        """Another socket has taken over."""
        if self.phase == "ready":
            self.phase, self._ends = "retiring", (now + RETIRE_S, "another connection has taken over")

    def turned_away(self, reason: str, back_at: float) -> None:
        """The gateway goes away before it has welcomed the agent: it will close the socket, or have had its time."""
        self.not_before, self._ends = back_at, (back_at, f"the gateway is going away: {reason}")

    def say_goodbye(self, goodbye: frames.Goodbye) -> None:
        """Say this as the last word, also before the welcome: the gateway may be about to take over what hello named."""
        if self.phase in ("hello", "ready"):
            self._outbox.append(goodbye)

    # Time

    def ready_s(self, now: float) -> float:
        """How long it has been welcomed."""
        return 0.0 if self._ready_at is None else now - self._ready_at

    def wakeup(self) -> float | None:
        """When `overdue` or `heartbeat_due` has something to say."""
        if self.phase not in ("hello", "ready", "retiring"):
            return None
        times = [self._heard_at + frames.HEARTBEAT_TIMEOUT_S]
        if self.phase == "ready":
            times.append(self._beat_at)
        if self._ends is not None:
            times.append(self._ends[0])
        return min(times)

    def overdue(self, now: float) -> str | None:
        """Why the socket is to be closed; None when it is not."""
        if self.phase not in ("hello", "ready", "retiring"):
            return None
        if now - self._heard_at >= frames.HEARTBEAT_TIMEOUT_S:
            return f"nothing heard from the gateway for {frames.HEARTBEAT_TIMEOUT_S:g} s"
        if self._ends is not None and now >= self._ends[0]:
            return self._ends[1]
        return None

    def heartbeat_due(self, now: float) -> bool:
        """Whether it is time for a heartbeat, which is then taken for sent."""
        if self.phase != "ready" or now < self._beat_at:
            return False
        self._beat_at = now + self._heartbeat_s
        return True
