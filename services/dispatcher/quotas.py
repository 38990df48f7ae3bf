"""How many requests may be assigned at once, and how many are. Pure.

Three limits hold together: of a space, of each user in it, of each key in it. The first two are the space's settings as
they are now, the third came with the request.
"""

from collections import Counter
from dataclasses import dataclass

from services.contracts.requests import RequestState

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


class InFlight:
    """The requests that are assigned, or are being assigned, as they are counted. Whoever is counted twice counts once."""

    def __init__(self) -> None:
        self._counted: dict[str, tuple[tuple[str, ...], ...]] = {}
        self._counts: Counter[tuple[str, ...]] = Counter()

    def add(self, state: RequestState) -> None:
        """The request is assigned from now on."""
        if state.rid not in self._counted:
            counted = ((state.space,), ("user", state.space, state.user), ("key", state.space, state.key_id))
            self._counted[state.rid] = counted
            self._counts.update(counted)

    def remove(self, rid: str) -> None:
        """The request is not assigned any more."""
        for each in self._counted.pop(rid, ()):
            self._counts[each] -= 1
            if not self._counts[each]:
                del self._counts[each]

    def of_space(self, space: str) -> int:
        """How many of a space are assigned."""
        return self._counts[(space,)]

    def of_user(self, space: str, user: str) -> int:
        """How many of a user in a space are."""
        return self._counts["user", space, user]

    def of_key(self, space: str, key_id: str) -> int:
        """How many of a key in a space are."""
        return self._counts["key", space, key_id]


@dataclass(frozen=True, slots=True)
class Room:
    """What the limits leave in one space at the moment."""

    in_flight: InFlight
    space: str
    limits: SpaceLimits

    def for_any(self) -> bool:
        """Whether the space may have one more assigned."""
        return self.limits.in_flight is None or self.in_flight.of_space(self.space) < self.limits.in_flight

    def for_user(self, user: str) -> bool:
        """Whether the user may, were the space's limit not there."""
        return self.limits.per_user is None or self.in_flight.of_user(self.space, user) < self.limits.per_user

    def for_lane(self, lane: Lane) -> bool:
        """Whether the key may, were the others not there."""
        key_id, most = lane
        return lane == OPEN or self.in_flight.of_key(self.space, key_id) < most

    def for_request(self, state: RequestState) -> bool:
        """Whether no limit keeps the request from being assigned."""
        return self.for_any() and self.for_user(state.user) and self.for_lane(lane_of(state))

    def of_slots(self, slots: int, free: int) -> tuple[int, int]:
        """What of an agents' slots, and of the free ones, the space may use."""
        if self.limits.in_flight is None:
            return slots, free
        left = max(self.limits.in_flight - self.in_flight.of_space(self.space), 0)
        return min(slots, self.limits.in_flight), min(free, left)
