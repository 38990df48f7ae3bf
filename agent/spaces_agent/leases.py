"""The leases that an agent holds, and those that it lately held. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from spaces_agent import frames

LeaseState = Literal["starting", "running", "stopping", "result_pending"]

FINISHED_REMEMBERED = 4096
"""So many ended leases are remembered, to recognise an assignment or a cancel that comes late."""


@dataclass(slots=True)
class Held:
    """One lease: assigned to this agent, and not yet acknowledged as decided or confirmed as stopped."""

    request_id: str
    attempt: int
    lease: int
    state: LeaseState
    result: frames.Result | None = None
    started: bool = False

    @classmethod
    def of(cls, work: frames.RequestFrame | frames.InFlight, state: LeaseState, result: frames.Result | None = None) -> Held:
        """A lease for a frame about it; one that is found running has been started."""
        return cls(work.request_id, work.attempt, work.lease, state, result, started=state != "starting")

    @property
    def occupies_slot(self) -> bool:
        """A result that waits for its acknowledgement occupies none: its handler is gone."""
        return self.state != "result_pending"

    def in_flight(self) -> frames.InFlight:
        """The lease as `hello` names it. One that is being stopped still runs."""
        return frames.InFlight(
            request_id=self.request_id,
            attempt=self.attempt,
            lease=self.lease,
            state="running" if self.occupies_slot else "result_pending",
        )


def in_flight(held: Iterable[Held]) -> list[frames.InFlight]:
    """What a `hello` names: all handlers, and as many waiting results as it may. Results are offered also without."""
    handlers_first = sorted(held, key=lambda lease: not lease.occupies_slot)
    return [lease.in_flight() for lease in handlers_first[: frames.MAX_IN_FLIGHT]]


class FinishedLeases:
    """A bounded memory of leases that have ended."""

    def __init__(self, remembered: int = FINISHED_REMEMBERED) -> None:
        self._leases: dict[int, None] = {}
        self._remembered = remembered

    def add(self, lease: int) -> None:
        """Remember a lease; the oldest one is given up for it."""
        self._leases[lease] = None
        if len(self._leases) > self._remembered:
            del self._leases[next(iter(self._leases))]

    def __contains__(self, lease: int) -> bool:
        return lease in self._leases
