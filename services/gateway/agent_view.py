"""What is shown of agents that are connected: the wire types. Pure."""

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from services.contracts.agent_details import AgentDetails, HeldRequest
from services.contracts.instants import rfc3339
from services.contracts.reports import AgentState, HeldState
from services.contracts.rpc import ConnectedAgent
from services.gateway.view import Instant, self_url


class ConnectedAgentObject(msgspec.Struct, frozen=True, kw_only=True):
    """An agent that is connected. `running`: how many requests it holds; `gateway` and `connection` say where it is. The
    rest is null while its gateway does not answer."""

    id: str
    spaces: list[str]
    slots: int
    running: int
    state: AgentState
    gateway: str
    connection: str
    connected_at: Instant | None
    version: Annotated[str | None, Meta(description="Of the agent's program.")]
    labels: Annotated[dict[str, str] | None, Meta(description="As the agent says.")]
    address: Annotated[str | None, Meta(description="Where it comes from, or the proxy before the gateway.")]
    round_trip_s: Annotated[
        float | None, Meta(description="So long a ping and its answer took; null also while none was answered.")
    ]


class AgentsObject(msgspec.Struct, frozen=True, kw_only=True):
    """A list of agents."""

    results: list[ConnectedAgentObject]


class HeldRequestObject(msgspec.Struct, frozen=True, kw_only=True):
    """A request that an agent holds. `sent`: its handler has not begun; `stopping`: it is to stop. `space` is null when it
    only has to be stopped, `url` when the caller may not read it. `running_s`: since its handler began."""

    id: str
    space: str | None
    attempt: int
    state: HeldState
    running_s: float
    url: str | None


class AgentAtWorkObject(ConnectedAgentObject, frozen=True, kw_only=True):
    """An agent that is connected, and what it holds; null while its gateway does not answer."""

    requests: list[HeldRequestObject] | None


def agent_object(agent: ConnectedAgent, details: AgentDetails | None) -> ConnectedAgentObject:
    """The object of an agent; `details` None: its gateway is silent."""
    return ConnectedAgentObject(**_common(agent, details))


def agent_at_work(
    agent: ConnectedAgent, details: AgentDetails | None, readable: Callable[[HeldRequest], bool]
) -> AgentAtWorkObject:
    """The object of an agent with what it holds; `readable`: whether the caller may read a request."""
    held = None if details is None else [_held(each, readable(each)) for each in details.held]
    return AgentAtWorkObject(**_common(agent, details), requests=held)


def _common(agent: ConnectedAgent, details: AgentDetails | None) -> dict[str, Any]:
    round_trip_s = None if details is None else details.round_trip_s
    return {
        "id": agent.agent,
        "spaces": agent.spaces,
        "slots": agent.slots,
        "running": agent.running,
        "state": agent.state,
        "gateway": agent.gateway,
        "connection": agent.conn,
        "connected_at": None if details is None else rfc3339(details.connected_at),
        "version": None if details is None else details.version,
        "labels": None if details is None else details.labels,
        "address": None if details is None else details.address,
        "round_trip_s": None if round_trip_s is None else round(round_trip_s, 6),
    }


def _held(held: HeldRequest, readable: bool) -> HeldRequestObject:
    return HeldRequestObject(
        id=held.rid,
        space=held.space or None,
        attempt=held.attempt,
        state=held.state,
        running_s=held.running_s,
        url=self_url(held.rid) if readable else None,
    )
