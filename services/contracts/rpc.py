"""Requests and answers of the registry's, history's and the dispatchers' micro services."""

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from services.contracts.directory import FIRST_SCOPES, Feature, MemberRole, OnNoAgent, Policy, Role, Scope, Visibility
from services.contracts.reports import AgentState

Switch = Literal["enable", "disable", "pause", "resume"]


class RpcError(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="error", omit_defaults=True):
    """The operation was refused. `code`: `exists`, `not_found`, `invalid`, `conflict` or `unavailable`; of users also
    `last_admin`; of passwords `wrong`, `disabled` or `locked_out`, which ends in `retry_after_s`."""

    code: str
    message: str
    retry_after_s: float = 0.0


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Root of commands, queries and answers."""


# Registry


class Attach(Message, frozen=True, kw_only=True):
    """A gateway asks for the claims of a new connection."""

    conn: str
    gateway: str
    agent: str
    boot_id: str
    spaces: list[str]
    slots: int
    version: str = ""
    address: str = ""


class SpaceAnswer(Message, frozen=True, kw_only=True):
    """Whether the connection may serve one space."""

    space: str
    accepted: bool
    reason: Literal["", "unknown_space", "occupied"] = ""


class Attached(Message, frozen=True, kw_only=True):
    """The claim's revision orders the connections of one identity: a higher one supersedes a lower one."""

    spaces: list[SpaceAnswer]
    revision: int


class Detach(Message, frozen=True, kw_only=True):
    """The connection has ended: give its claims back and record it."""

    conn: str
    gateway: str
    agent: str
    spaces: list[str]
    reason: str
    code: int = 0
    connected_s: float = 0.0


class Claim(Message, frozen=True, kw_only=True):
    """The value of a key in `ws_claims`: who holds an agent identity or a space of policy `one`."""

    agent: str
    conn: str
    gateway: str
    boot_id: str


class CreateUser(Message, frozen=True, kw_only=True):
    """A new user. The id is made from the e-mail address, so that one address can only ever be one user, and comes back
    in the answer."""

    email: str
    password: str
    role: Role = "member"
    actor: str = "system"


class DisableUser(Message, frozen=True, kw_only=True):
    """Make all keys of a user worth nothing, until it is enabled."""

    user: str
    actor: str = "system"


class EnableUser(Message, frozen=True, kw_only=True):
    """Take a DisableUser back."""

    user: str
    actor: str = "system"


class SetRole(Message, frozen=True, kw_only=True):
    """Give a user another role."""

    user: str
    role: Role
    actor: str = "system"


class CreateSpace(Message, frozen=True, kw_only=True):
    """A new space."""

    space: str
    owner: str
    title: str = ""
    connections: Policy = "many"
    start_timeout_s: float = 3600.0
    execution_timeout_s: float = 120.0
    max_attempts: int = 1
    on_no_agent: OnNoAgent = "queue"
    queue_limit: int = 0
    visibility: Visibility = "everyone"
    features: tuple[Feature, ...] = ()
    input_schema: dict[str, Any] = {}
    example_input: dict[str, Any] = {}
    max_in_flight: int | None = None
    max_in_flight_per_user: int | None = None
    retention_s: float | None = None
    actor: str = "system"


class EditSpace(Message, frozen=True, kw_only=True):
    """Other settings for a space; those that are absent stay as they are."""

    space: str
    title: str | UnsetType = UNSET
    connections: Policy | UnsetType = UNSET
    start_timeout_s: float | UnsetType = UNSET
    execution_timeout_s: float | UnsetType = UNSET
    max_attempts: int | UnsetType = UNSET
    on_no_agent: OnNoAgent | UnsetType = UNSET
    queue_limit: int | UnsetType = UNSET
    visibility: Visibility | UnsetType = UNSET
    features: tuple[Feature, ...] | UnsetType = UNSET
    input_schema: dict[str, Any] | UnsetType = UNSET
    example_input: dict[str, Any] | UnsetType = UNSET
    max_in_flight: int | UnsetType | None = UNSET
    max_in_flight_per_user: int | UnsetType | None = UNSET
    retention_s: float | UnsetType | None = UNSET
    actor: str = "system"


class SwitchSpace(Message, frozen=True, kw_only=True):
    """Let a space take submissions or not (`enable`, `disable`), let its requests be assigned or not (`resume`, `pause`)."""

    space: str
    to: Switch
    actor: str = "system"


class SetMember(Message, frozen=True, kw_only=True):
    """Make a user a member of a space, or give one another role."""

    space: str
    user: str
    role: MemberRole
    actor: str = "system"


class RemoveMember(Message, frozen=True, kw_only=True):
    """Let a user be no member of a space."""

    space: str
    user: str
    actor: str = "system"


class DeleteSpace(Message, frozen=True, kw_only=True):
    """Let a space be no more."""

    space: str
    actor: str = "system"


class CreateKey(Message, frozen=True, kw_only=True):
    """A new API key or agent key; the caller made the secret and sends only its hash. Scopes, origins and `max_in_flight`
    are an API key's alone. `expires_at` (RFC 3339) empty: it does not expire."""

    kind: Literal["api", "agent"]
    key_id: str
    user: str
    key_hash: str
    name: str
    spaces: list[str] = []
    scopes: tuple[Scope, ...] = FIRST_SCOPES
    expires_at: str = ""
    origins: list[str] = []
    max_in_flight: int | None = None
    actor: str = "system"


class RevokeKey(Message, frozen=True, kw_only=True):
    """Make a key worthless."""

    key_id: str
    actor: str = "system"


class GetAgents(Message, frozen=True, kw_only=True):
    """Which agents are connected now? `owner`: only this user's; `agent`: only the one of this identity."""

    owner: str = ""
    agent: str = ""


class ConnectedAgent(Message, frozen=True, kw_only=True):
    """An agent as its gateway reported it last. `running`: how many requests it holds."""

    agent: str
    conn: str
    gateway: str
    spaces: list[str]
    slots: int
    state: AgentState
    running: int = 0


class Agents(Message, frozen=True, kw_only=True):
    """The answer to GetAgents, by identity."""

    agents: list[ConnectedAgent]


class Recorded(Message, frozen=True, kw_only=True):
    """The directory has it: the id of the entry and the sequence of its event, also for a repeated command."""

    seq: int
    id: str = ""


# History


class LoggedEvent(Message, frozen=True, kw_only=True):
    """One event as the log holds it; `at` is JetStream's timestamp in nanoseconds since 1970."""

    seq: int
    at: int
    subject: str
    data: msgspec.Raw


class GetChain(Message, frozen=True, kw_only=True):
    """All recorded events of a request, in order, with the refused frames that concern it."""

    rid: str


class Chain(Message, frozen=True, kw_only=True):
    """The answer; no events: history does not know the request."""

    events: list[LoggedEvent]
    refused: list[LoggedEvent] = []


class GetOpen(Message, frozen=True, kw_only=True):
    """The open requests of a partition, by request id, after a cursor (empty: from the start)."""

    part: int
    after: str = ""


class OpenPage(Message, frozen=True, kw_only=True):
    """One page, read in one snapshot together with the position `(epoch, seq)` that it reflects. Pages of one listing may
    have different positions: fold from the first page's position on, ignoring what a request's page already holds.
    `next` is the cursor of the next page, empty at the end. `chains` hold each request's events since the beginning."""

    epoch: int
    seq: int
    chains: list[Chain]
    next: str = ""


class Position(Message, frozen=True, kw_only=True):
    """How far a stream is recorded."""

    stream: str
    epoch: int
    seq: int


class GetPositions(Message, frozen=True, kw_only=True):
    """How far is the log? `wanted`: answer when it has come that far, or after a while as it is."""

    wanted: Position | None = None


class Positions(Message, frozen=True, kw_only=True):
    """The answer to GetPositions."""

    positions: list[Position]


# Dispatcher


WaitReason = Literal[
    "waiting_turn",
    "no_agent_online",
    "agents_busy",
    "agent_loading",
    "agent_draining",
    "retry_delay",
    "space_paused",
    "quota",
]


class GetQueue(Message, frozen=True, kw_only=True):
    """Where in the queue is this request?"""

    rid: str


class QueuePlace(Message, frozen=True, kw_only=True):
    """`position` is 1 for the next to go, 0 when it is not queued; `reason` says why it waits; `eta_s`: in about so many
    seconds it is assigned, None when nobody can tell."""

    position: int
    reason: WaitReason | Literal[""] = ""
    eta_s: float | None = None


class GetSpaceQueue(Message, frozen=True, kw_only=True):
    """How many requests of this space wait, and is there an agent?"""

    space: str


class SpaceQueue(Message, frozen=True, kw_only=True):
    """The answer. `waiting`: requests that wait for a slot, or for what limits leave them; `online`: an agent of the space
    is connected, whatever its state."""

    waiting: int
    online: bool


class GetSpaceOverview(Message, frozen=True, kw_only=True):
    """What waits and runs of this space, and who is next?"""

    space: str


class WaitingRequest(Message, frozen=True, kw_only=True):
    """A request that waits, and who submitted it."""

    rid: str
    user: str


class SpaceOverview(Message, frozen=True, kw_only=True):
    """The answer. `delayed` ones are to be tried again later, or are just being assigned; `agents` that are connected, by
    state; `oldest_s`: so long ago the oldest of the waiting ones was accepted, None without any; `slots` are those of ready
    agents; `eta_s`: in about so many seconds a request that came in now is assigned, None when nobody can tell; `next`: the
    first of the queue, in order."""

    waiting: int
    delayed: int
    processing: int
    agents: dict[AgentState, int] = {}
    oldest_s: float | None = None
    slots: int = 0
    free: int = 0
    eta_s: float | None = None
    next: list[WaitingRequest] = []
