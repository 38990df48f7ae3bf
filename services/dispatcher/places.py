"""Why a request waits, and how long its queue is before it. Pure."""

from services.contracts.rpc import QueuePlace
from services.dispatcher.state import Partition


def place(partition: Partition, rid: str, now: int) -> QueuePlace:
    """Where a request stands in its queue and why it waits; position 0 when it does not wait."""
    state = partition.requests.get(rid)
    if state is None or state.status != "queued":
        return QueuePlace(position=0)
    queue = partition.queues.get(state.space)
    position = queue.position(rid) if queue is not None else 0
    if not partition.fleet.online(state.space):
        return QueuePlace(position=position, reason="no_agent_online")
    waiting_turn = partition.fleet.pick(state.space, now) is not None or position > 1
    return QueuePlace(position=position, reason="waiting_turn" if waiting_turn else "agents_busy")
