"""The leases that an agent holds, and those that it lately held. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from spaces_agent import frames
from spaces_agent.conversation import Conversation

LeaseState = Literal["starting", "running", "stopping", "result_pending"]
StopOutcome = Literal["stopped", "never_started", "already_finished"]

FINISHED_REMEMBERED = 4096
"""So many ended leases are remembered, to recognise an assignment or a cancel that comes late."""


@dataclass(slots=True)
class Held:
    """One lease: assigned to this agent, and not yet acknowledged as decided or confirmed as stopped.

    `outputs` are the frames that are not known to be stored, in order; while a hello is out, also those acknowledged since:
    the gateway that answers it may have looked before they were stored, and then asks for them."""

    request_id: str
    attempt: int
    lease: int
    state: LeaseState
    result: frames.Result | None = None
    started: bool = False
    last_index: int = 0
    stored: int = 0
    outputs: deque[frames.Output] = field(default_factory=deque)
    asked: set[Conversation] = field(default_factory=set)
    """Where its stop was asked for."""

    @classmethod
    def of(cls, work: frames.RequestFrame | frames.InFlight, state: LeaseState, result: frames.Result | None = None) -> Held:
        """A lease for a frame about it; one that is found running has been started."""
        last_index = work.last_index if isinstance(work, frames.InFlight | frames.Result) else 0
        started = state != "starting"
        return cls(work.request_id, work.attempt, work.lease, state, result, started=started, last_index=last_index)

    @property
    def occupies_slot(self) -> bool:
        """A result that waits for its acknowledgement occupies none: its handler is gone."""
        return self.state != "result_pending"

    def produced(self, output: frames.Output) -> None:
        """Its handler has said something."""
        self.outputs.append(output)
        self.last_index = max(self.last_index, output.index)

    def drop_stored(self) -> None:
        """Forget the output that is acknowledged."""
        self.drop_below(self.stored + 1)

    def drop_below(self, index: int) -> None:
        """Forget the output before this index."""
        while self.outputs and self.outputs[0].index < index:
            self.outputs.popleft()

    def in_flight(self) -> frames.InFlight:
        """The lease as `hello` names it. One that is being stopped still runs."""
        return frames.InFlight(
            request_id=self.request_id,
            attempt=self.attempt,
            lease=self.lease,
            state="running" if self.occupies_slot else "result_pending",
            last_index=self.last_index,
        )


def in_flight(held: Iterable[Held]) -> list[frames.InFlight]:
    """What a `hello` names: all handlers, and as many waiting results as it may. Results are offered also without."""
    handlers_first = sorted(held, key=lambda lease: not lease.occupies_slot)
    return [lease.in_flight() for lease in handlers_first[: frames.MAX_IN_FLIGHT]]


class FinishedLeases:
    """A bounded memory of leases that have ended, and how."""

    def __init__(self, remembered: int = FINISHED_REMEMBERED) -> None:
        self._leases: dict[int, StopOutcome] = {}
        self._remembered = remembered

    def add(self, lease: int, outcome: StopOutcome) -> None:
        """Remember a lease; the oldest one is given up for it."""
        self._leases[lease] = outcome
        if len(self._leases) > self._remembered:
            del self._leases[next(iter(self._leases))]

    def outcome(self, lease: int) -> StopOutcome:
        """How a lease has ended that was held."""
        return self._leases.get(lease, "already_finished")

    def __contains__(self, lease: int) -> bool:
        return lease in self._leases
