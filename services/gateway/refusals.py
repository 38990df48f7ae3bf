"""Which refused frames of a connection are recorded: an agent must not flood the log. Pure."""

from typing import Literal

from services.contracts.connections import Refused

AT_ONCE, PER_S = 50, 1.0

Reason = Literal["not_held", "stale_lease", "superseded", "invalid"]


class Refusals:
    """Makes the events of refused frames, with ids in the order of their making. `agent` is who sends them."""

    def __init__(self, conn: str, gateway: str, now: float) -> None:
        self.agent = ""  # until the welcome
        self._conn, self._gateway = conn, gateway
        self._made, self._credit, self._at = 0, float(AT_ONCE), now

    def event(self, rid: str, lease: int, frame: str, reason: Reason, now: float) -> Refused | None:
        """The event that records this frame; None when there have been too many."""
        self._credit = min(float(AT_ONCE), self._credit + (now - self._at) * PER_S)
        self._at = now
        if self._credit < 1.0:
            return None
        self._credit -= 1.0
        self._made += 1
        return Refused(
            id=f"{self._conn}-refused-{self._made}",
            conn=self._conn,
            agent=self.agent,
            gateway=self._gateway,
            rid=rid,
            lease=lease,
            frame=frame,
            reason=reason,
        )
