"""Why a request waits, and how long its queue is before it. Pure."""

from collections.abc import Callable

from services.contracts.rpc import QueuePlace, SpaceQueue, WaitReason
from services.dispatcher.eta import eta_s
from services.dispatcher.fleet import Fleet
from services.dispatcher.state import Partition


def place(partition: Partition, rid: str, paused: Callable[[str], bool], now: int) -> QueuePlace:
    """Where a request stands in its queue and why it waits; position 0 when it does not stand in a queue. `paused` says of a
    space whether nothing of it is assigned."""
    state = partition.requests.get(rid)
    if state is None or state.status != "queued":
        return QueuePlace(position=0)
    if state.not_before > now:
        return QueuePlace(position=0, reason="retry_delay")
    queue = partition.queues.get(state.space)
    position = queue.position(rid, now) if queue is not None else 0
    if paused(state.space):
        return QueuePlace(position=position, reason="space_paused")
    slots, free = partition.fleet.slots(state.space)
    eta = eta_s(position, free, slots, partition.durations.get(state.space, ()))
    return QueuePlace(position=position, reason=_reason(partition.fleet, state.space, position, now), eta_s=eta)


def queue(partition: Partition, space: str) -> SpaceQueue:
    """How many requests of a space wait, and whether an agent of it is connected."""
    waiting = partition.queues.get(space)
    return SpaceQueue(waiting=0 if waiting is None else len(waiting), online=bool(partition.fleet.states(space)))


def _reason(fleet: Fleet, space: str, position: int, now: int) -> WaitReason:
    states = fleet.states(space)
    if not states:
        return "no_agent_online"
    if "ready" not in states:
        return "agent_loading" if "loading" in states else "agent_draining"
    if position > 1 or fleet.pick(space, now) is not None:
        return "waiting_turn"
    return "agents_busy"
