"""How queues and agents are, in numbers. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import get_args

from services.contracts.reports import AgentState
from services.dispatcher.fleet import Fleet
from services.dispatcher.state import SECOND, Partition


@dataclass(frozen=True, slots=True)
class Measures:
    """`oldest_s`: for how long the request has waited that waits longest, 0 without any. `unserved` requests wait in spaces
    that have no agent, though they are not paused. `agents` are connected, by state; those that are ready have `slots`, of
    which `free` are."""

    oldest_s: float
    unserved: int
    agents: Mapping[AgentState, int]
    slots: int
    free: int


def measure(partitions: Iterable[Partition], fleet: Fleet, paused: Callable[[str], bool], now: int) -> Measures:
    """The measures at the instant `now` (nanoseconds)."""
    partitions = list(partitions)
    requests = (state for partition in partitions for state in partition.requests.values())
    oldest = min((state.waiting_since for state in requests if state.status == "queued"), default=now)
    queues = [(space, queue) for partition in partitions for space, queue in partition.queues.items()]
    connected = fleet.everybody()
    ready = [agent for agent in connected if agent.report.state == "ready"]
    return Measures(
        oldest_s=max(now - oldest, 0) / SECOND,
        unserved=sum(len(queue) for space, queue in queues if not paused(space) and not fleet.connected(space)),
        agents={state: sum(agent.report.state == state for agent in connected) for state in get_args(AgentState)},
        slots=sum(agent.report.slots for agent in ready),
        free=sum(max(agent.free, 0) for agent in ready),
    )
