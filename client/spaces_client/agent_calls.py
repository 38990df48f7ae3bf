"""What clients ask of agents, of their connections, and of requests in numbers, as values. Pure."""

from __future__ import annotations

from spaces_client import lists, monitoring, objects
from spaces_client.call import Call, segment
from spaces_client.lists import Listing
from spaces_client.monitoring import PastConnection, Stats, Warning
from spaces_client.objects import AgentAtWork, ConnectedAgent


def agents() -> Call[list[ConnectedAgent]]:
    """The agents that are connected: one's own, or all for an administrator. Raises ClientError."""
    return Call(method="GET", path="/v1/agents", read=objects.agents)


def connections(*, agent: str | None = None, space: str | None = None, limit: int | None = None) -> Listing[PastConnection]:
    """Connections of agents (`owner/name`), also those that have ended, the newest first, `limit` at most: those of
    one's own agents, or all for an administrator. Pages are asked for as they are needed, so the iterator may raise
    ClientError."""
    return Listing("/v1/connections", lists.filters(agent=agent, space=space), monitoring.connection, limit)


def stats(*, space: str | None = None, window: str = "1h") -> Call[Stats]:
    """What requests have come to in the last `5m`, `1h` or `24h`: one's own, or all for an administrator. Raises
    ClientError."""
    return Call(method="GET", path="/v1/stats", query=lists.filters(space=space, window=window), read=monitoring.stats)


def warnings() -> Call[list[Warning]]:
    """What needs somebody now, the worst first: of one's own requests and agents, or of all for an administrator. None: all
    is well. Raises ClientError."""
    return Call(method="GET", path="/v1/warnings", read=monitoring.warnings)


def drain_agent(id: str) -> Call[ConnectedAgent]:
    """Tell an agent (`owner/name`) to take no more work, finish what runs, and leave. Raises ClientError, with
    `not_found` when it is not connected."""
    return Call(method="POST", path=f"{_path(id)}/drain", read=objects.agent)


def agent(id: str) -> Call[AgentAtWork]:
    """An agent (`owner/name`) that is connected, and the requests that it holds. Raises ClientError, with `not_found` when
    it is not connected."""
    return Call(method="GET", path=_path(id), read=objects.agent_at_work)


def disconnect_agent(id: str) -> Call[ConnectedAgent]:
    """Close the connection of an agent (`owner/name`), so that it makes another: it comes back with all that it holds.
    Raises ClientError, with `not_found` when it is not connected."""
    return Call(method="POST", path=f"{_path(id)}/disconnect", read=objects.agent)


def _path(id: str) -> str:
    owner, _, name = id.partition("/")
    return f"/v1/agents/{segment(owner)}/{segment(name)}"
