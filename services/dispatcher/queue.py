"""The queue of one space: priority, then round robin across users, then first come first served. Whom a limit keeps waiting
is passed over. Pure."""

from collections import OrderedDict, deque
from collections.abc import Iterator
from itertools import islice

from services.contracts.requests import RequestState
from services.dispatcher.line import Line
from services.dispatcher.quotas import Room, lane_of

STALE_NS = 250_000_000
"""Everybody who watches a waiting request asks for its place again and again: the places are counted at most this often."""
SPARE_ENTRIES = 1024
"""So many entries of requests that wait no more may be kept, beside one for each that waits."""


class SpaceQueue:
    """Waiting requests of one space. Entries that were discarded are skipped when they come up, or swept out when they are
    many: nothing comes up while no agent is there."""

    def __init__(self) -> None:
        self._levels: dict[int, OrderedDict[str, Line]] = {}
        self._waiting: dict[str, RequestState] = {}
        self._discarded = 0
        """How many entries there are beside one for each that waits."""
        self._places: dict[str, int] = {}
        self._oldest: int | None = None
        self._counted_at = -STALE_NS

    def __len__(self) -> int:
        return len(self._waiting)

    def push(self, state: RequestState) -> None:
        """The request waits; its place is by when it was accepted, also after a requeue."""
        if state.rid not in self._waiting:
            users = self._levels.setdefault(state.priority, OrderedDict())
            users.setdefault(state.user, Line()).push((state.accepted_seq, state.rid), lane_of(state))
        self._waiting[state.rid] = state

    def discard(self, rid: str) -> None:
        """The request does not wait any more."""
        if self._waiting.pop(rid, None) is not None:
            self._discarded += 1
            if self._discarded > len(self._waiting) + SPARE_ENTRIES:
                self._sweep()

    def pop(self, room: Room) -> RequestState | None:
        """The next request to run, None when there is no room for any; its user goes to the end of the round. Who is passed
        over stays where they are in it. So many users and keys are passed over at most as requests are assigned, however
        many wait."""
        if not room.for_any():
            return None
        for priority in sorted(self._levels, reverse=True):
            users = self._levels[priority]
            state = self._turn(users, room)
            if not users:
                del self._levels[priority]
            if state is not None:
                return state
        return None

    def in_order(self) -> Iterator[str]:
        """Request ids in the order in which they would be popped, were there no limits."""
        for priority in sorted(self._levels, reverse=True):
            rounds = {}
            for user, line in self._levels[priority].items():
                if waiting := [rid for _, rid in sorted(set(line)) if rid in self._waiting]:
                    rounds[user] = deque(waiting)
            while rounds:
                for user in list(rounds):
                    yield rounds[user].popleft()
                    if not rounds[user]:
                        del rounds[user]

    def position(self, rid: str, now: int) -> int:
        """1 for the next to go, as of at most STALE_NS before the instant `now` (nanoseconds); 0 when it does not wait
        here. What has come since the last count is taken to be at the end."""
        if rid not in self._waiting:
            return 0
        self._count(now)
        return self._places.get(rid, len(self._waiting))

    def first(self, most: int, now: int) -> list[RequestState]:
        """The next to go, as of the same count."""
        self._count(now)
        return list(islice((self._waiting[rid] for rid in self._places if rid in self._waiting), most))

    def oldest(self, now: int) -> int | None:
        """When the oldest was accepted, as of the same count; None when none waited then."""
        self._count(now)
        return self._oldest

    def _turn(self, users: OrderedDict[str, Line], room: Room) -> RequestState | None:
        """The next request of one level."""
        state, emptied = None, []
        for user, line in room.users(users):
            state = self._first_of(line, room)
            if not line:
                emptied.append(user)
            if state is not None:
                break
        if state is not None:
            users.move_to_end(state.user)
        for user in emptied:
            del users[user]
        return state

    def _first_of(self, line: Line, room: Room) -> RequestState | None:
        while (rid := line.pop(room.for_lane)) is not None:
            if (state := self._waiting.pop(rid, None)) is not None:
                return state
            self._discarded -= 1
        return None

    def _sweep(self) -> None:
        for priority, users in list(self._levels.items()):
            for user, line in list(users.items()):
                users[user] = line.only(self._waiting.__contains__)
                if not users[user]:
                    del users[user]
            if not users:
                del self._levels[priority]
        self._discarded = 0

    def _count(self, now: int) -> None:
        if now - self._counted_at >= STALE_NS:
            self._places = {waiting: place for place, waiting in enumerate(self.in_order(), 1)}
            self._oldest = min((state.accepted_at for state in self._waiting.values()), default=None)
            self._counted_at = now
