"""The directory as a fold of its events: users, spaces, keys. Gateways, registries and dispatchers all keep one."""

from collections.abc import Mapping
from typing import Any, Literal, assert_never

import msgspec
from msgspec import UNSET

from services.contracts.directory import (
    AgentKeyCreated,
    ApiKeyCreated,
    DirectoryEvent,
    Feature,
    KeyRevoked,
    MemberRole,
    OnNoAgent,
    PasswordChanged,
    PasswordResetMade,
    Policy,
    Role,
    Scope,
    SpaceChange,
    SpaceCreated,
    SpaceDeleted,
    SpaceDisabled,
    SpaceEdited,
    SpaceEnabled,
    SpaceEvent,
    SpaceMemberRemoved,
    SpaceMemberSet,
    SpacePaused,
    SpaceResumed,
    UserCreated,
    UserDisabled,
    UserEnabled,
    UserEvent,
    UserRoleSet,
    Visibility,
)
from services.contracts.instants import nanoseconds

KeyFlaw = Literal["", "revoked", "expired", "disabled"]
"""Why a key is worth nothing; empty: it is not so."""

SETTINGS = (
    *("title", "connections", "start_timeout_s", "execution_timeout_s", "max_attempts"),
    *("on_no_agent", "queue_limit", "visibility", "features", "input_schema", "example_input"),
    *("max_in_flight", "max_in_flight_per_user", "retention_s"),
)
"""What of a space can be edited; commands, events and the space name it alike."""


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A person. While one is disabled, their keys are worth nothing."""

    user: str
    email: str
    role: Role
    password_hash: str
    disabled: bool = False


class PasswordReset(msgspec.Struct, frozen=True, kw_only=True):
    """That a user may be given a new password by who has the token; `expires_at` is in nanoseconds since 1970."""

    user: str
    expires_at: int


class Space(msgspec.Struct, frozen=True, kw_only=True):
    """A space with its defaults for requests (seconds). One that is not `enabled` takes no submissions; of one that is
    `paused` nothing is assigned. `queue_limit`: so many requests may wait, 0 for any number. What its `members` may,
    `standing` says. `input_schema` is a custom one, for which `features` do not count; empty: there is none, as with
    `example_input`. `max_in_flight`: at most so many of its requests are assigned at once, `max_in_flight_per_user`: of each
    user's; None: any number. `retention_s`: so long after a request has ended its data are kept; None: for ever."""

    space: str
    owner: str
    title: str
    connections: Policy
    start_timeout_s: float
    execution_timeout_s: float
    max_attempts: int
    on_no_agent: OnNoAgent = "queue"
    queue_limit: int = 0
    features: tuple[Feature, ...] = ()
    input_schema: dict[str, Any] = {}
    example_input: dict[str, Any] = {}
    max_in_flight: int | None = None
    max_in_flight_per_user: int | None = None
    retention_s: float | None = None
    enabled: bool = True
    paused: bool = False
    visibility: Visibility = "everyone"
    members: Mapping[str, MemberRole] = {}


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """A key that was not revoked. `kind` says what it is for; an API key without spaces is good for all its user's, and
    only API keys have scopes. `expires_at` is in nanoseconds since 1970; None: it does not. An API key with `origins` is for
    pages of these alone; of one with `max_in_flight` at most so many requests are assigned at once in each space."""

    key_id: str
    kind: Literal["api", "agent"]
    user: str
    name: str
    key_hash: str
    spaces: frozenset[str]
    scopes: frozenset[Scope] = frozenset()
    expires_at: int | None = None
    origins: frozenset[str] = frozenset()
    max_in_flight: int | None = None


class Directory:
    """All users, spaces and keys that were not revoked. Not a value: it changes with `apply`, cheaply, for it is folded by
    every process."""

    def __init__(self) -> None:
        self.users: dict[str, User] = {}
        self.spaces: dict[str, Space] = {}
        self.deleted: dict[str, Space] = {}
        """Spaces that are no more, as they were: agents still run what was open of them."""
        self.keys: dict[str, Key] = {}
        self.sequences: dict[tuple[str, str], int] = {}
        """(kind, id) of an entry -> the sequence of its last event: what its next event must expect."""
        self.password_seqs: dict[str, int] = {}
        """User -> the sequence of the event that gave them the password they have."""
        self.resets: dict[str, PasswordReset] = {}
        """Hash of a token -> the reset that it is good for, which may have expired."""
        self._key_by_hash: dict[str, Key] = {}
        self._reset_of: dict[str, str] = {}
        self._user_by_email: dict[str, User] = {}

    def apply(self, event: DirectoryEvent, kind: str, id: str, seq: int) -> None:
        """Fold one event of the entry (kind, id)."""
        self.sequences[kind, id] = seq
        match event:
            case UserCreated() | UserDisabled() | UserEnabled() | UserRoleSet() | PasswordChanged() | PasswordResetMade():
                self._apply_to_user(event, seq)
            case ApiKeyCreated() | AgentKeyCreated():
                self._add_key(event)
            case KeyRevoked():
                if (key := self.keys.pop(event.key_id, None)) is not None:
                    self._key_by_hash.pop(key.key_hash, None)  # two keys may share a secret
            case _:
                self._apply_to_space(event)

    def key_by_hash(self, key_hash: str) -> Key | None:
        """The key with this hash, if it was not revoked."""
        return self._key_by_hash.get(key_hash)

    def user_by_email(self, email: str) -> User | None:
        """The user with this e-mail address, whatever its case."""
        return self._user_by_email.get(email.casefold())

    def user_named(self, name: str) -> User | None:
        """The user with this id or e-mail address."""
        return self.users.get(name) or self.user_by_email(name)

    def paused(self, space: str) -> bool:
        """Whether nothing of a space may be assigned now; what is open of a deleted one may."""
        there = self.spaces.get(space)
        return there is not None and there.paused

    def serviceable(self, space: str) -> Space | None:
        """The space, if agents may serve it: also a deleted one, whose open requests go on."""
        return self.spaces.get(space) or self.deleted.get(space)

    def flaw(self, key: Key, now: int) -> KeyFlaw:
        """Why a key, which was live once, is worth nothing now (nanoseconds since 1970)."""
        if key.key_id not in self.keys:
            return "revoked"
        if key.expires_at is not None and now >= key.expires_at:
            return "expired"
        user = self.users.get(key.user)
        return "disabled" if user is not None and user.disabled else ""

    def _apply_to_space(self, event: SpaceEvent) -> None:
        if isinstance(event, SpaceCreated):
            self.spaces[event.space] = _created(event)
        elif (space := self.spaces.pop(event.space, None)) is not None:
            if isinstance(event, SpaceDeleted):
                self.deleted[event.space] = space
            else:
                self.spaces[event.space] = _altered(space, event)

    def _apply_to_user(self, event: UserEvent, seq: int) -> None:
        if isinstance(event, UserCreated):
            user = User(user=event.user, email=event.email, role=event.role, password_hash=event.password_hash)
            self.password_seqs[event.user] = seq
        elif (known := self.users.get(event.user)) is None:
            return
        elif isinstance(event, PasswordResetMade):
            self._forget_reset(event.user)
            self._reset_of[event.user] = event.token_hash
            self.resets[event.token_hash] = PasswordReset(user=event.user, expires_at=nanoseconds(event.expires_at))
            return
        elif isinstance(event, PasswordChanged):
            user = msgspec.structs.replace(known, password_hash=event.password_hash)
            self.password_seqs[event.user] = seq
            self._forget_reset(event.user)
        elif isinstance(event, UserRoleSet):
            user = msgspec.structs.replace(known, role=event.role)
        else:
            user = msgspec.structs.replace(known, disabled=isinstance(event, UserDisabled))
        self.users[event.user] = self._user_by_email[user.email.casefold()] = user

    def _forget_reset(self, user: str) -> None:
        self.resets.pop(self._reset_of.pop(user, ""), None)

    def _add_key(self, event: ApiKeyCreated | AgentKeyCreated) -> None:
        key = Key(
            key_id=event.key_id,
            kind="api" if isinstance(event, ApiKeyCreated) else "agent",
            user=event.user,
            name=event.name,
            key_hash=event.key_hash,
            spaces=frozenset(event.spaces),
            scopes=frozenset(event.scopes) if isinstance(event, ApiKeyCreated) else frozenset(),
            expires_at=nanoseconds(event.expires_at) if event.expires_at else None,
            origins=frozenset(event.origins) if isinstance(event, ApiKeyCreated) else frozenset(),
            max_in_flight=event.max_in_flight if isinstance(event, ApiKeyCreated) else None,
        )
        self.keys[key.key_id] = self._key_by_hash[key.key_hash] = key


def _created(event: SpaceCreated) -> Space:
    return Space(
        space=event.space,
        owner=event.owner,
        title=event.title,
        connections=event.connections,
        start_timeout_s=event.start_timeout_s,
        execution_timeout_s=event.execution_timeout_s,
        max_attempts=event.max_attempts,
        on_no_agent=event.on_no_agent,
        queue_limit=event.queue_limit,
        visibility=event.visibility,
        features=event.features,
        input_schema=event.input_schema,
        example_input=event.example_input,
        max_in_flight=event.max_in_flight,
        max_in_flight_per_user=event.max_in_flight_per_user,
        retention_s=event.retention_s,
    )


def _altered(space: Space, event: SpaceChange) -> Space:
    """The space after the event."""
    match event:
        case SpaceEdited():
            given = {name: getattr(event, name) for name in SETTINGS}
            return msgspec.structs.replace(space, **{name: value for name, value in given.items() if value is not UNSET})
        case SpaceEnabled() | SpaceDisabled():
            return msgspec.structs.replace(space, enabled=isinstance(event, SpaceEnabled))
        case SpacePaused() | SpaceResumed():
            return msgspec.structs.replace(space, paused=isinstance(event, SpacePaused))
        case SpaceMemberSet():
            return msgspec.structs.replace(space, members={**space.members, event.user: event.role})
        case SpaceMemberRemoved():
            left = {user: role for user, role in space.members.items() if user != event.user}
            return msgspec.structs.replace(space, members=left)
        case _:
            assert_never(event)


def may_submit(key: Key, space: str) -> bool:
    """Whether an API key may submit to, and read from, a space."""
    return key.kind == "api" and (not key.spaces or space in key.spaces)


def may_serve(key: Key, space: str) -> bool:
    """Whether agents with this key may serve a space."""
    return key.kind == "agent" and space in key.spaces
