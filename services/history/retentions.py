"""PURE: when the data of a request that has ended are to be erased."""

import hashlib
from typing import NamedTuple

from services.contracts.accounts import Directory
from services.contracts.erasure import erasure
from services.contracts.events import Erased
from services.contracts.requests import RequestState

ACTOR = "retention"
_NS = 1_000_000_000
_LATEST = 2**63 - 1


class Cutoff(NamedTuple):
    """What ended in the space up to this instant (nanoseconds since 1970) is not kept any more."""

    space: str
    until: int


def cutoffs(directory: Directory, now: int) -> list[Cutoff]:
    """Those of all spaces that keep nothing for ever, also of deleted ones, at an instant."""
    spaces = (directory.spaces | directory.deleted).values()
    return [Cutoff(each.space, now - _ns(each.retention_s)) for each in spaces if each.retention_s is not None]


def kept_ns(directory: Directory, space: str, otherwise_s: float) -> int:
    """So long after their end have requests of a space their data, in nanoseconds; `otherwise_s` (seconds) where that is for
    ever."""
    found = directory.spaces.get(space) or directory.deleted.get(space)
    return _ns(otherwise_s if found is None or found.retention_s is None else found.retention_s)


def erase_at(state: RequestState) -> int | None:
    """When a request's data are to be erased because it says so itself; None: never, it has not ended, or it is done."""
    if state.retention_s is None or state.open or state.erased:
        return None
    return min(state.completed_at + _ns(state.retention_s), _LATEST)


def expiry(state: RequestState) -> Erased:
    """The event with which the data of a request go when their time has come. Whoever makes it makes the same one."""
    return erasure(state, hashlib.sha256(f"{ACTOR} {state.rid}".encode()).hexdigest()[:32], ACTOR)


def _ns(retention_s: float) -> int:
    return int(min(max(retention_s, 0.0), _LATEST / _NS) * _NS)
