"""Why a request waits, and how long its queue is before it. Pure."""

from services.contracts.rpc import QueuePlace, WaitReason
from services.dispatcher.fleet import Fleet
from services.dispatcher.state import Partition


def place(partition: Partition, rid: str, now: int) -> QueuePlace:
    """Where a request stands in its queue and why it waits; position 0 when it does not stand in a queue."""
    state = partition.requests.get(rid)
    if state is None or state.status != "queued":
        return QueuePlace(position=0)
    if state.not_before > now:
        return QueuePlace(position=0, reason="retry_delay")
    queue = partition.queues.get(state.space)
    position = queue.position(rid, now) if queue is not None else 0
    return QueuePlace(position=position, reason=_reason(partition.fleet, state.space, position, now))


def _reason(fleet: Fleet, space: str, position: int, now: int) -> WaitReason:
    states = fleet.states(space)
    if not states:
        return "no_agent_online"
    if "ready" not in states:
        return "agent_loading" if "loading" in states else "agent_draining"
    if position > 1 or fleet.pick(space, now) is not None:
        return "waiting_turn"
    return "agents_busy"
