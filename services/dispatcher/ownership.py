"""Who owns which partition. Pure.

Owners are chosen by rendezvous hashing over the live dispatchers with a bound on each one's share: nobody has much more to
do than others, and a change of the set moves little else than what it must. Leases are for efficiency only; the expected
sequence of each append is what makes two owners harmless.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from services.contracts.ids import PARTS, fnv1a32

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


def shares(dispatchers: Iterable[str]) -> dict[int, str]:
    """Which of the dispatchers (at least one) ought to own each partition. Each gets its equal share, rounded up at
    most; the partition and the dispatcher that go together best find each other first."""
    load = dict.fromkeys(dispatchers, 0)
    most = -(-PARTS // len(load))
    owners: dict[int, str] = {}
    for _, owner, part in sorted(((_score(part, id), id, part) for part in range(PARTS) for id in load), reverse=True):
        if part not in owners and load[owner] < most:
            owners[part] = owner
            load[owner] += 1
    return owners


def candidates(me: str, live: frozenset[str], dead: frozenset[str]) -> frozenset[str]:
    """Those that may own something. `dead`: peers that do not answer any more although their keys still live."""
    return (live | {me}) - (dead - {me})


def step(me: str, wanted: str, lease: LeaseView, dead: frozenset[str], settled: bool) -> Step:
    """What `me` does now about a partition that `wanted` ought to own; `settled`: the live set has not changed for
    SETTLE_S."""
    if lease.owner == me:
        return "release" if settled and wanted != me else "renew"
    if wanted == me and (not lease.owner or lease.owner in dead):
        return "claim"
    return "nothing"


def _score(part: int, dispatcher: str) -> int:
    return fnv1a32(f"{part}/{dispatcher}/{part}")


def strikes_after(strikes: Mapping[str, int], answers: Mapping[str, bool | None]) -> dict[str, int]:
    """Count of pings in a row without responders, by owner. An answer is True (alive), False (no responders), or None
    (silence: it may only be slow, its lease's expiry will tell)."""
    return {id: 0 if answer else strikes.get(id, 0) + (1 if answer is False else 0) for id, answer in answers.items()}
