"""When to connect again (agent protocol, rule 3). Pure: the entropy is an argument.

Full jitter: the delay is uniform between nothing and a ceiling that doubles, so that the agents of a gateway which
restarted do not come back all at once."""

from __future__ import annotations

FIRST_CEILING_S = 0.5
CEILING_S = 30.0
CEILING_IN_FLIGHT_S = 5.0
"""Work in flight must be offered again within the grace of its lease (20 s)."""
SLOW_FLOOR_S = 30.0
SLOW_CEILING_S = 300.0
RESET_AFTER_READY_S = 30.0

FINAL_CODES = range(4500, 4600)
SLOW_CODES = range(4600, 4700)


class Backoff:
    """Counts the connections that failed in a row."""

    def __init__(self) -> None:
        self._failures = 0

    def was_ready(self, ready_s: float) -> None:
        """A connection was ready for this time: after a long one the count begins anew."""
        if ready_s >= RESET_AFTER_READY_S:
            self._failures = 0

    def after(self, *, ready_s: float, in_flight: bool, slowly: bool, entropy: float) -> float:
        """The seconds to wait after a connection that was ready for `ready_s` (0: never) has ended.

        `entropy` is uniform in [0, 1); `slowly` means that a person must act first (4600-4699)."""
        self.was_ready(ready_s)
        # Above 2^9 both ceilings are long reached; an agent that is down for a year must not overflow a float.
        doublings = min(self._failures, 10)
        self._failures += 1
        if slowly:
            ceiling = min(SLOW_CEILING_S, SLOW_FLOOR_S * 2.0 ** (doublings + 1))
            return SLOW_FLOOR_S + entropy * (ceiling - SLOW_FLOOR_S)
        cap = CEILING_IN_FLIGHT_S if in_flight else CEILING_S
        return entropy * min(cap, FIRST_CEILING_S * 2.0**doublings)
