"""Directory events: users, spaces and keys. Only hashes of keys ever leave the process that made them."""

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

Policy = Literal["one", "many"]
Role = Literal["admin", "member"]
OnNoAgent = Literal["queue", "reject"]
Visibility = Literal["everyone", "private"]
MemberRole = Literal["viewer", "submitter", "manager"]
Feature = Literal["prompt", "audio", "video", "file"]

START_TIMEOUT_S = (1.0, 48 * 3600.0)
EXECUTION_TIMEOUT_S = (1.0, 24 * 3600.0)
MAX_ATTEMPTS = (1, 20)
QUEUE_LIMIT = (0, 1_000_000)
MAX_IN_FLIGHT = (1, 1_000_000)
RETENTION_S = (1.0, 10 * 365 * 86400.0)
MAX_TITLE = 200
"""What the settings of a space, and of a key, may be."""
Scope = Literal["submit", "read", "manage"]
"""What an API key is for. `manage`: keys, users, agents."""
FIRST_SCOPES: tuple[Scope, ...] = ("submit", "read")
"""Those of a key that names none; keys made before there were scopes have these."""


class DirectoryEventBase(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", omit_defaults=True):
    """What all directory events carry. `prev_seq` is the sequence of the entry's event before this one; `actor` is who
    did it: `user:<id>` or `system`."""

    id: str
    prev_seq: int
    actor: str
    schema: int = 1


class UserCreated(DirectoryEventBase, frozen=True, kw_only=True, tag="user_created"):
    """A person. `password_hash` is argon2's own format."""

    user: str
    email: str
    role: Role
    password_hash: str


class UserDisabled(DirectoryEventBase, frozen=True, kw_only=True, tag="user_disabled"):
    """From now on the user's keys are worth nothing; what was accepted goes on."""

    user: str


class UserEnabled(DirectoryEventBase, frozen=True, kw_only=True, tag="user_enabled"):
    """The user's keys are what they were before it was disabled."""

    user: str


class UserRoleSet(DirectoryEventBase, frozen=True, kw_only=True, tag="user_role_set"):
    """The user has this role and no other; their keys and sessions may from now on what it may."""

    user: str
    role: Role


class PasswordChanged(DirectoryEventBase, frozen=True, kw_only=True, tag="password_changed"):
    """The user has another password: sessions begun with an earlier one are worth nothing, and so is a reset that waited."""

    user: str
    password_hash: str


class PasswordResetMade(DirectoryEventBase, frozen=True, kw_only=True, tag="password_reset_made"):
    """Who shows the token with this hash before `expires_at` (RFC 3339) sets the user's password, once. An earlier reset of
    the user is worth nothing any more."""

    user: str
    token_hash: str
    expires_at: str


class SpaceCreated(DirectoryEventBase, frozen=True, kw_only=True, tag="space_created"):
    """A named inference endpoint, with its defaults for requests (seconds). `on_no_agent`: what becomes of a submission
    while no agent is connected; `queue_limit`: so many requests may wait, 0 for any number. `visibility`: for everyone,
    or only for its members. `input_schema` is a custom one, for which `features` do not count; empty: there is none, as
    with `example_input`. `max_in_flight`: at most so many of its requests are assigned at once, `max_in_flight_per_user`: of
    each user's; None: any number. `retention_s`: so long after a request has ended its data are kept; None: for ever."""

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


class SpaceEdited(DirectoryEventBase, frozen=True, kw_only=True, tag="space_edited"):
    """The settings that have changed; the others are absent. They are for requests and connections that come later, except
    the limits of what is assigned at once, which are for all that waits, and `retention_s`, which is for all that has
    ended."""

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


class SpaceEnabled(DirectoryEventBase, frozen=True, kw_only=True, tag="space_enabled"):
    """It takes submissions again."""

    space: str


class SpaceDisabled(DirectoryEventBase, frozen=True, kw_only=True, tag="space_disabled"):
    """It takes no submissions; what it has accepted goes on."""

    space: str


class SpacePaused(DirectoryEventBase, frozen=True, kw_only=True, tag="space_paused"):
    """None of its requests is assigned; they are accepted, and wait."""

    space: str


class SpaceResumed(DirectoryEventBase, frozen=True, kw_only=True, tag="space_resumed"):
    """Its requests are assigned again."""

    space: str


class SpaceDeleted(DirectoryEventBase, frozen=True, kw_only=True, tag="space_deleted"):
    """It takes no more submissions for ever, and its name is not given again; its open requests go on to their end."""

    space: str


class SpaceMemberSet(DirectoryEventBase, frozen=True, kw_only=True, tag="space_member_set"):
    """The user is a member of the space, in this role and no other."""

    space: str
    user: str
    role: MemberRole


class SpaceMemberRemoved(DirectoryEventBase, frozen=True, kw_only=True, tag="space_member_removed"):
    """The user is no member of the space."""

    space: str
    user: str


SpaceChange = SpaceEdited | SpaceEnabled | SpaceDisabled | SpacePaused | SpaceResumed | SpaceMemberSet | SpaceMemberRemoved
"""What leaves a space there."""
SpaceEvent = SpaceCreated | SpaceChange | SpaceDeleted


class ApiKeyCreated(DirectoryEventBase, frozen=True, kw_only=True, tag="api_key_created"):
    """A key for the HTTP API; an empty list of spaces means all that the user may use. `expires_at` (RFC 3339): worth
    nothing from then on, by JetStream's clock; empty: it does not expire. With `origins` it is good for pages of these
    alone (RFC 6454, as browsers send them), and may stand in them for everybody to read. `max_in_flight`: of the requests
    submitted with it, at most so many are assigned at once in each space; None: any number."""

    key_id: str
    user: str
    key_hash: str
    name: str
    spaces: list[str] = []
    scopes: tuple[Scope, ...] = FIRST_SCOPES
    expires_at: str = ""
    origins: list[str] = []
    max_in_flight: int | None = None


class AgentKeyCreated(DirectoryEventBase, frozen=True, kw_only=True, tag="agent_key_created"):
    """A key with which agents may serve the named spaces. It has no scopes: it is good for nothing else. `expires_at`
    is as an API key's."""

    key_id: str
    user: str
    key_hash: str
    name: str
    spaces: list[str]
    expires_at: str = ""


class KeyRevoked(DirectoryEventBase, frozen=True, kw_only=True, tag="key_revoked"):
    """The key is worth nothing from now on."""

    key_id: str


UserEvent = UserCreated | UserDisabled | UserEnabled | UserRoleSet | PasswordChanged | PasswordResetMade
DirectoryEvent = UserEvent | SpaceEvent | ApiKeyCreated | AgentKeyCreated | KeyRevoked


EntryKind = Literal["user", "space", "key"]


def entry_of(event: DirectoryEvent) -> tuple[EntryKind, str]:
    """The (kind, id) of the directory entry that the event is about; together they name its subject."""
    match event:
        case UserCreated() | UserDisabled() | UserEnabled() | UserRoleSet() | PasswordChanged() | PasswordResetMade():
            return "user", event.user
        case ApiKeyCreated() | AgentKeyCreated() | KeyRevoked():
            return "key", event.key_id
        case _:
            return "space", event.space
