"""What waits of one user at one priority, first come first served. Pure.

What has a limit of its key waits in a lane of its own, so that a lane which is at its limit is passed over at once, however
much waits in it. So many lanes can be at their limit as requests are assigned, no more.
"""

import heapq
from collections.abc import Callable, Iterator

from services.dispatcher.quotas import Lane

Entry = tuple[int, str]
"""The sequence at which a request was accepted, and its id."""


class Line:
    """The entries of a user. One that was pushed twice is there twice."""

    def __init__(self) -> None:
        self._lanes: dict[Lane, list[Entry]] = {}
        self._heads: list[tuple[Entry, Lane]] = []
        """The first of each lane, and what was the first of one before."""

    def __bool__(self) -> bool:
        return bool(self._lanes)

    def __iter__(self) -> Iterator[Entry]:
        """All entries, in no order."""
        return (entry for entries in self._lanes.values() for entry in entries)

    def push(self, entry: Entry, lane: Lane) -> None:
        """One more waits."""
        entries = self._lanes.setdefault(lane, [])
        heapq.heappush(entries, entry)
        if entries[0] == entry:
            heapq.heappush(self._heads, (entry, lane))

    def pop(self, has_room: Callable[[Lane], bool]) -> str | None:
        """The id of the first of those whose lane has room; None when none has."""
        passed_over: list[tuple[Entry, Lane]] = []
        found = None
        while self._heads and found is None:
            head, lane = heapq.heappop(self._heads)
            entries = self._lanes.get(lane)
            if entries is None or entries[0] != head:
                continue
            if has_room(lane):
                found = self._take(lane, entries)
            else:
                passed_over.append((head, lane))
        for each in passed_over:
            heapq.heappush(self._heads, each)
        return found

    def only(self, waits: Callable[[str], bool]) -> "Line":
        """The line of those alone that wait, each once."""
        kept = Line()
        for lane, entries in self._lanes.items():
            for entry in set(entries):
                if waits(entry[1]):
                    kept.push(entry, lane)
        return kept

    def _take(self, lane: Lane, entries: list[Entry]) -> str:
        _, rid = heapq.heappop(entries)
        if entries:
            heapq.heappush(self._heads, (entries[0], lane))
        else:
            del self._lanes[lane]
        return rid
