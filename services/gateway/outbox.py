"""What a session wants done: frames to its agent, and decisions for the process around it. Pure."""

from services.gateway.decisions import Decision
from spaces_agent import frames


class Outbox:
    """Both in order, each given out once."""

    def __init__(self) -> None:
        self._frames: list[frames.GatewayFrame] = []
        self._decisions: list[Decision] = []
        self._acks: dict[int, int] = {}

    @property
    def unsent(self) -> int:
        """How many frames wait."""
        return len(self._frames)

    def send(self, frame: frames.GatewayFrame) -> None:
        """Send this frame to the agent."""
        self._frames.append(frame)

    def acknowledge(self, ack: frames.OutputAck) -> None:
        """Send this acknowledgement, in the place of one for the same lease that still waits."""
        place = self._acks.get(ack.lease)
        if place is None:
            self._acks[ack.lease] = len(self._frames)
            self._frames.append(ack)
        else:
            self._frames[place] = ack

    def decide(self, decision: Decision) -> None:
        """Have this done."""
        self._decisions.append(decision)

    def take_frames(self) -> list[frames.GatewayFrame]:
        """The frames since the last call."""
        taken, self._frames = self._frames, []
        self._acks.clear()
        return taken

    def take_decisions(self) -> list[Decision]:
        """The decisions since the last call."""
        taken, self._decisions = self._decisions, []
        return taken
