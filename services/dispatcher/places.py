"""Why a request waits, and how long its queue is before it. Pure."""

from collections.abc import Callable

from services.contracts.requests import RequestState
from services.contracts.rpc import QueuePlace, SpaceQueue, WaitReason
from services.dispatcher.eta import eta_s
from services.dispatcher.fleet import Fleet
from services.dispatcher.quotas import NO_LIMITS, Room, SpaceLimits
from services.dispatcher.state import Partition


def unlimited(space: str) -> SpaceLimits:
    """The limits of spaces that have none."""
    return NO_LIMITS


def place(
    partition: Partition,
    rid: str,
    paused: Callable[[str], bool],
    now: int,
    limits: Callable[[str], SpaceLimits] = unlimited,
) -> QueuePlace:
    """Where a request stands in its queue, whoever is passed over in it, and why it waits; position 0 when it does not stand
    in a queue. `paused` says of a space whether nothing of it is assigned, `limits` how many requests at once."""
    state = partition.requests.get(rid)
    if state is None or state.status != "queued":
        return QueuePlace(position=0)
    if state.not_before > now:
        return QueuePlace(position=0, reason="retry_delay")
    queue = partition.queues.get(state.space)
    position = queue.position(rid, now) if queue is not None else 0
    if paused(state.space):
        return QueuePlace(position=position, reason="space_paused")
    room = Room(partition.in_flight, state.space, limits(state.space))
    reason = _reason(partition.fleet, room, state, position, now)
    if reason == "quota":
        return QueuePlace(position=position, reason=reason)
    slots, free = room.of_slots(*partition.fleet.slots(state.space))
    eta = eta_s(position, free, slots, partition.durations.get(state.space, ()))
    return QueuePlace(position=position, reason=reason, eta_s=eta)


def queue(partition: Partition, space: str) -> SpaceQueue:
    """How many requests of a space wait, and whether an agent of it is connected."""
    waiting = partition.queues.get(space)
    return SpaceQueue(waiting=0 if waiting is None else len(waiting), online=bool(partition.fleet.states(space)))


def _reason(fleet: Fleet, room: Room, state: RequestState, position: int, now: int) -> WaitReason:
    states = fleet.states(state.space)
    if not states:
        return "no_agent_online"
    if "ready" not in states:
        return "agent_loading" if "loading" in states else "agent_draining"
    if not room.for_request(state):
        return "quota"
    if position > 1 or fleet.pick(state.space, now) is not None:
        return "waiting_turn"
    return "agents_busy"
