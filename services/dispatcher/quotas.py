"""How many requests may be assigned at once, and how many are. Pure.

Three limits hold together: of a space, of each user in it, of each key in it. The first two are the space's settings as
they are now, the third came with the request.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from services.contracts.requests import RequestState

T = TypeVar("T")
Lane = tuple[str, int]
"""What requests of one key have in common that have a limit: the key's id and the limit. OPEN is that of all others."""
OPEN: Lane = ("", 0)


def lane_of(state: RequestState) -> Lane:
    """The lane in which a request waits."""
    most = None if state.limits is None else state.limits.max_in_flight
    return OPEN if most is None else (state.key_id, most)


@dataclass(frozen=True, slots=True)
class SpaceLimits:
    """So many requests of a space, and of each user in it, may be assigned at once; None: any number."""

    in_flight: int | None = None
    per_user: int | None = None


NO_LIMITS = SpaceLimits()


@dataclass(slots=True)
class Counts:
    """How many requests of one space are assigned: all, of each user, of each key."""

    total: int = 0
    users: Counter[str] = field(default_factory=Counter)
    keys: Counter[str] = field(default_factory=Counter)

    def change(self, user: str, key_id: str, by: int) -> None:
        """One more, or one fewer."""
        self.total += by
        for counted, name in ((self.users, user), (self.keys, key_id)):
            counted[name] += by
            if not counted[name]:
                del counted[name]


class InFlight:
    """The requests that are assigned, or are being assigned, as they are counted. Whoever is counted twice counts once."""

    def __init__(self) -> None:
        self._counted: dict[str, tuple[str, str, str]] = {}
        self._spaces: dict[str, Counts] = {}

    def add(self, state: RequestState) -> None:
        """The request is assigned from now on."""
        if state.rid not in self._counted:
            self._counted[state.rid] = state.space, state.user, state.key_id
            self._spaces.setdefault(state.space, Counts()).change(state.user, state.key_id, 1)

    def remove(self, rid: str) -> None:
        """The request is not assigned any more."""
        counted = self._counted.pop(rid, None)
        if counted is not None:
            space, user, key_id = counted
            counts = self._spaces[space]
            counts.change(user, key_id, -1)
            if not counts.total:
                del self._spaces[space]

    def of(self, space: str) -> Counts:
        """Those of a space; they go on to change as long as there are any."""
        return self._spaces.get(space) or Counts()


@dataclass(frozen=True, slots=True)
class Room:
    """What the limits leave in one space at the moment."""

    in_flight: InFlight
    space: str
    limits: SpaceLimits

    def for_any(self) -> bool:
        """Whether the space may have one more assigned."""
        return self.limits.in_flight is None or self.in_flight.of(self.space).total < self.limits.in_flight

    def users(self, waiting: Mapping[str, T]) -> Iterator[tuple[str, T]]:
        """Those who may, were the space's limit not there, in the order in which they come."""
        most = self.limits.per_user
        if most is None:
            return iter(waiting.items())
        assigned = self.in_flight.of(self.space).users
        return ((user, what) for user, what in waiting.items() if assigned.get(user, 0) < most)

    def for_lane(self, lane: Lane) -> bool:
        """Whether the key may, were the others not there."""
        key_id, most = lane
        return lane == OPEN or self.in_flight.of(self.space).keys.get(key_id, 0) < most

    def for_request(self, state: RequestState) -> bool:
        """Whether no limit keeps the request from being assigned."""
        return self.for_any() and any(self.users({state.user: None})) and self.for_lane(lane_of(state))

    def of_slots(self, slots: int, free: int) -> tuple[int, int]:
        """What of agents' slots, and of the free ones, the space may use."""
        if self.limits.in_flight is None:
            return slots, free
        left = max(self.limits.in_flight - self.in_flight.of(self.space).total, 0)
        return min(slots, self.limits.in_flight), min(free, left)
