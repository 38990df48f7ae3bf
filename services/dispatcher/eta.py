"""How long will a request wait? An estimate from how long others ran. Pure."""

from collections.abc import Collection
from statistics import median

REMEMBERED = 32
"""So many of a space's latest runs are remembered."""


def eta_s(position: int, free: int, slots: int, recent: Collection[float]) -> float | None:
    """In about how many seconds the request at a position of its queue (1: the next to go) is assigned: `free` ones go at
    once, and the others each time one of the `slots` ends a run, which takes the median of `recent` runs (seconds). None
    when nothing is known: no place in the queue, no slot, or no run yet."""
    if position < 1 or slots < 1 or not recent:
        return None
    return round(max(position - max(free, 0), 0) * median(recent) / slots, 3)
