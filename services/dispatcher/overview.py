"""What waits and runs of a space, and who is next. Pure."""

from services.contracts.rpc import SpaceOverview, WaitingRequest
from services.dispatcher.eta import eta_s
from services.dispatcher.quotas import NO_LIMITS, Room, SpaceLimits
from services.dispatcher.state import SECOND, Partition

NEXT = 100
"""So many of the queue are named."""


def overview(partition: Partition, space: str, *, paused: bool, now: int, limits: SpaceLimits = NO_LIMITS) -> SpaceOverview:
    """The space as the owner of its partition sees it; while it is `paused` nobody can tell when anything is assigned."""
    queue = partition.queues.get(space)
    waiting = 0 if queue is None else len(queue)
    states = [state.status for state in partition.requests.values() if state.space == space]
    processing = states.count("processing")
    slots, free = partition.fleet.slots(space)
    usable, usable_free = Room(partition.in_flight, space, limits).of_slots(slots, free)
    oldest = None if queue is None else queue.oldest(now)
    return SpaceOverview(
        waiting=waiting,
        delayed=len(states) - processing - waiting,
        processing=processing,
        agents=partition.fleet.connected(space),
        oldest_s=None if oldest is None else round((now - oldest) / SECOND, 3),
        slots=slots,
        free=free,
        eta_s=None if paused else eta_s(waiting + 1, usable_free, usable, partition.durations.get(space, ())),
        next=[] if queue is None else [WaitingRequest(rid=each.rid, user=each.user) for each in queue.first(NEXT, now)],
    )
