"""One partition as its owner sees it: the fold of its request events. Pure; closed requests are forgotten."""

import heapq
from collections import deque
from dataclasses import dataclass

from services.contracts.events import Accepted, Assigned, Erased, Failed, RequestEvent, Requeued, Restored, Succeeded
from services.contracts.requests import RequestState, evolve
from services.dispatcher.eta import REMEMBERED
from services.dispatcher.fleet import Fleet
from services.dispatcher.queue import SpaceQueue
from services.dispatcher.quotas import InFlight

SECOND = 1_000_000_000
REJECTED_PAUSE = 1 * SECOND
"""An agent that turned work down is left alone for this long."""
MAX_LOSSES = 5
"""So many agents may be lost while running a request before it fails: it may be what kills them."""
SPARE_EXPIRIES = 1024
"""So many start timeouts of requests that wait no more may be kept, beside one for each open request."""


@dataclass(slots=True)
class Lease:
    """What the owner knows of an assignment that has no outcome yet."""

    lease: int
    conn: str
    """The connection that it was given to, or that has listed it last."""
    folded_at: int
    seen: bool = False
    """A report has listed it, or its gateway has confirmed that it holds it."""
    started: bool = False
    """A report has said that its handler runs."""
    confirmed_at: int = 0
    orphaned_at: int = 0
    """Its gateway was found to be gone then: the agent may be on its way to another one."""


class Partition:
    """Open requests, their queues and leases. Folding an event twice, or one of a cut chain, changes nothing."""

    def __init__(self, part: int, fleet: Fleet) -> None:
        self.part, self.fleet = part, fleet
        self.requests: dict[str, RequestState] = {}
        self.queues: dict[str, SpaceQueue] = {}
        self.leases: dict[str, Lease] = {}
        self.pending: dict[str, int] = {}
        """rid -> sequence that must have been folded before the next decision about it (0: an append is under way)."""
        self.in_flight = InFlight()
        """What is assigned, and what is being assigned, as far as we know."""
        self.exhausted: set[str] = set()
        """Requests that have cost MAX_LOSSES agents, as gateways have found: they wait for nothing but their failure."""
        self.durations: dict[str, deque[float]] = {}
        """space -> how long its latest runs took, in seconds, as far as they ended in our time."""
        self.seq = 0
        self._expiries: list[tuple[int, str]] = []
        self._delayed: list[tuple[int, str]] = []

    def apply(self, event: RequestEvent, seq: int, at: int, now: int) -> str | None:
        """Fold one event; the space whose queue or capacity may have changed by it."""
        self.seq = max(self.seq, seq)
        before = self.requests.get(event.rid)
        if before is None and not isinstance(event, Accepted | Restored):
            return None  # of a chain that began before our time: closed, or cut
        if before is not None and seq <= before.seq:
            return None
        if before is not None and isinstance(event, Erased):
            # It has ended, though by an event that left the stream before we came to it.
            self.forget(event.rid)
            return before.space
        state = evolve(before, event, seq, at)
        if before is not None:
            self._leave(before, confirmed=event.actor.startswith(("agent:", "gateway:")))
            if isinstance(event, Requeued):  # until its next report says otherwise, this connection is of no use
                self.fleet.block(before.conn, now + (REJECTED_PAUSE if event.reason == "rejected" else 0))
        self._enter(state, event, now)
        if isinstance(event, Succeeded | Failed) and event.run_s > 0:
            self.durations.setdefault(state.space, deque(maxlen=REMEMBERED)).append(event.run_s)
        if 0 < self.pending.get(event.rid, 0) <= seq:
            del self.pending[event.rid]
        return state.space

    def settled(self, rid: str, seq: int) -> None:
        """The fate of a decision about the request stands at `seq`: decide again once that has been folded."""
        if self.seq >= seq or rid not in self.requests:
            self.pending.pop(rid, None)
        else:
            self.pending[rid] = seq

    def not_assigned(self, rid: str) -> None:
        """An assignment was not carried out; somebody else's may have been."""
        state = self.requests.get(rid)
        if state is None or state.status != "processing":
            self.in_flight.remove(rid)

    def wait(self, state: RequestState, now: int) -> None:
        """The request stands in its queue (again) until it is assigned or its start timeout passes; not before its time."""
        if state.losses >= MAX_LOSSES:
            self.exhausted.add(state.rid)
            return
        if state.not_before > now:
            heapq.heappush(self._delayed, (state.not_before, state.rid))
        else:
            self.queues.setdefault(state.space, SpaceQueue()).push(state)
        self.remind_expiry(state)

    def wake_delayed(self, now: int) -> None:
        """Let those stand in their queues whose delay has passed."""
        while self._delayed and self._delayed[0][0] <= now:
            _, rid = heapq.heappop(self._delayed)
            state = self.requests.get(rid)
            if state is not None and state.status == "queued" and state.not_before <= now:
                self.queues.setdefault(state.space, SpaceQueue()).push(state)

    def forget(self, rid: str) -> None:
        """Its chain has left the stream, so it ended long ago, by an event that we could not read: nothing is left to
        decide about it."""
        state = self.requests.pop(rid, None)
        self.pending.pop(rid, None)
        if state is not None:
            self._leave(state, confirmed=False)

    def next_expiry(self, now: int) -> list[RequestState]:
        """Queued requests whose start timeout has passed."""
        due = []
        while self._expiries and self._expiries[0][0] <= now:
            _, rid = heapq.heappop(self._expiries)
            state = self.requests.get(rid)
            if state is None or state.status != "queued":
                continue
            if start_deadline(state) <= now:
                due.append(state)
            else:
                heapq.heappush(self._expiries, (start_deadline(state), rid))
        return due

    def remind_expiry(self, state: RequestState) -> None:
        """Look at its start timeout (again)."""
        heapq.heappush(self._expiries, (start_deadline(state), state.rid))
        if len(self._expiries) > 2 * len(self.requests) + SPARE_EXPIRIES:
            self._expiries = [(start_deadline(s), s.rid) for s in self.requests.values() if s.status == "queued"]
            heapq.heapify(self._expiries)

    def _leave(self, before: RequestState, confirmed: bool) -> None:
        self.in_flight.remove(before.rid)
        if before.status == "queued":
            self.exhausted.discard(before.rid)
            queue = self.queues.get(before.space)
            if queue is not None:
                queue.discard(before.rid)
                if not len(queue):
                    del self.queues[before.space]
        elif before.status == "processing":
            self.leases.pop(before.rid, None)
            self.fleet.release(before.conn, before.rid, before.lease, confirmed)

    def _enter(self, state: RequestState, event: RequestEvent, now: int) -> None:
        if not state.open:
            self.requests.pop(state.rid, None)
            self.pending.pop(state.rid, None)
            return
        self.requests[state.rid] = state
        if state.status == "queued":
            self.wait(state, now)
        elif isinstance(event, Assigned):
            self.in_flight.add(state)
            self.leases[state.rid] = Lease(state.lease, state.conn, now)
            self.fleet.reserve(state.conn, state.rid, state.lease)


def start_deadline(state: RequestState) -> int:
    """When a queued request expires."""
    return state.waiting_since + int(state.start_timeout_s * SECOND)
