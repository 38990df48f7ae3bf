"""What a gateway knows of its agents beside what it reports: told when somebody asks, so that it costs nothing before."""

import msgspec

from services.contracts.reports import HeldState


class HeldRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A request that an agent holds. `space` and `user` are empty when it only has to be stopped. `running_s`: since its
    handler started."""

    rid: str
    attempt: int
    space: str = ""
    user: str = ""
    state: HeldState = "sent"
    running_s: float = 0.0


class AgentDetails(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One connection. `connected_at`: nanoseconds since 1970; `address` is the socket's other end; `round_trip_s`: so long a
    ping and its answer took last, None when none was answered yet; `held` only when that was asked for."""

    conn: str
    connected_at: int
    version: str = ""
    labels: dict[str, str] = {}
    address: str = ""
    round_trip_s: float | None = None
    held: list[HeldRequest] = []


class AgentsDetails(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer to DescribeAgents: of those that are connected here."""

    agents: list[AgentDetails]
