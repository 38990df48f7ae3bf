"""PURE: what requests have come to, in numbers."""

import math
from collections.abc import Mapping, Sequence

from services.contracts.lifecycle import Status
from services.contracts.lists import Percentiles, Stats
from services.contracts.requests import RequestState

_NS = 1_000_000_000


def summary(accepted: int, ended: Mapping[Status, int], states: Sequence[RequestState]) -> Stats:
    """Counts, and the durations of some requests that have ended. A duration is known of those that were assigned, and run
    by a handler, when they ended."""
    assigned = [state for state in states if state.assigned_at]
    ran = [state.run_s for state in assigned if state.status in {"succeeded", "failed"} and state.run_s > 0]
    return Stats(
        accepted=accepted,
        ended=dict(ended),
        sampled=len(states),
        queue_s=percentiles([(state.assigned_at - state.accepted_at) / _NS for state in assigned]),
        run_s=percentiles(ran),
    )


def percentiles(durations: Sequence[float]) -> Percentiles | None:
    """By nearest rank: each is one of the durations. None for none."""
    if not durations:
        return None
    ordered = sorted(durations)
    p50, p95, p99 = (round(ordered[math.ceil(len(ordered) * percent / 100) - 1], 6) for percent in (50, 95, 99))
    return Percentiles(p50=p50, p95=p95, p99=p99)
