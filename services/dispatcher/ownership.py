"""Who owns which partition. Pure.

Owners are chosen by rendezvous hashing over the live dispatchers, so that a change of the set moves as little as possible.
Leases are for efficiency only; the expected sequence of each append is what makes two owners harmless.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from services.contracts.ids import fnv1a32

LEASE_TTL_S = 15.0
"""A lease that was renewed just before NATS lost a leader must outlast the election, which may take 9 s."""
RENEW_S = 3.0
SETTLE_S = 3.0
"""A new set of live dispatchers must have stood this long before a partition is handed over."""
STRIKES = 2
"""So many pings in a row without responders mean that an owner is gone."""

Step = Literal["claim", "renew", "release", "nothing"]


@dataclass(frozen=True, slots=True)
class LeaseView:
    """The lease of one partition as last seen: `owner` is empty when it has expired or was released."""

    owner: str
    revision: int


def preferred(part: int, dispatchers: Iterable[str]) -> str:
    """The dispatcher that ought to own a partition; empty when there is none."""
    return max(dispatchers, key=lambda id: (fnv1a32(f"{part}/{id}/{part}"), id), default="")


def step(me: str, part: int, lease: LeaseView, live: frozenset[str], dead: frozenset[str], settled: bool) -> Step:
    """What `me` does about a partition now. `dead`: peers that do not answer any more although their keys still live;
    `settled`: the live set has not changed for SETTLE_S."""
    candidates = (live | {me}) - (dead - {me})
    mine = preferred(part, candidates) == me
    if lease.owner == me:
        return "release" if settled and not mine else "renew"
    if mine and (not lease.owner or lease.owner in dead):
        return "claim"
    return "nothing"


def strikes_after(strikes: Mapping[str, int], answers: Mapping[str, bool | None]) -> dict[str, int]:
    """Count of pings in a row without responders, by owner. An answer is True (alive), False (no responders), or None
    (silence: it may only be slow, its lease's expiry will tell)."""
    return {id: 0 if answer else strikes.get(id, 0) + (1 if answer is False else 0) for id, answer in answers.items()}
