"""Events of agent connections, and the identity of agents."""

from typing import Literal

import msgspec


class ConnectionEventBase(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", omit_defaults=True):
    """What all connection events carry. `agent` is the full identity `<owner>/<name>`."""

    id: str
    conn: str
    agent: str
    gateway: str
    schema: int = 1


class Connected(ConnectionEventBase, frozen=True, kw_only=True, tag="connected"):
    """The registry gave this connection the claim on the agent's identity."""

    boot_id: str
    spaces: list[str]
    slots: int
    version: str = ""
    address: str = ""


class Disconnected(ConnectionEventBase, frozen=True, kw_only=True, tag="disconnected"):
    """The connection has ended; `code` is the WebSocket close code, 0 when there was none."""

    reason: str
    code: int = 0
    connected_s: float = 0.0


class Refused(ConnectionEventBase, frozen=True, kw_only=True, tag="refused"):
    """A frame that was not current: late, duplicate or foreign. Shown in the request's timeline."""

    rid: str
    lease: int
    frame: str
    reason: Literal["not_held", "stale_lease", "superseded", "invalid"]


ConnectionEvent = Connected | Disconnected | Refused


def agent_identity(owner: str, name: str) -> str:
    """The platform-wide identity of an agent: names are only unique among the agents of one owner."""
    return f"{owner}/{name}"
