"""When to ask again. Pure: the entropy is an argument."""

from __future__ import annotations

CEILING_S = 30.0


def delay_s(failures: int, *, first_s: float, asked_s: float, entropy: float) -> float:
    """The seconds to wait after so many failures in a row (from 0). It begins with `first_s` and doubles up to the ceiling;
    up to half of that is added by the `entropy`, uniform in [0, 1), so that the clients of a gateway which restarted do not
    come back all at once. `asked_s` is what the gateway asked for (`Retry-After`): not less than that, up to the ceiling."""
    doubled = min(CEILING_S, first_s * 2.0 ** min(failures, 16))
    return max(doubled, min(asked_s, CEILING_S)) * (1 + entropy / 2)
