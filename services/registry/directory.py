"""What the directory's commands come to: an event to append, an entry that is there already, or a refusal. PURE.

Uniqueness does not rest on these decisions, which see the directory as one replica has folded it, but on the append: the
first event of an entry expects that nothing is stored under the entry's id. Slugs and key ids are unique that way. An e-mail
address is, because a user's id *is* the digest of the address: two replicas that create users with one address append to the
same chain, and one of them is refused.
"""

import hashlib
import re
from typing import Any, assert_never

from services.contracts import ids, subjects
from services.contracts.accounts import Directory
from services.contracts.directory import (
    MAX_IN_FLIGHT,
    AgentKeyCreated,
    ApiKeyCreated,
    DirectoryEvent,
    KeyRevoked,
    UserCreated,
    entry_of,
)
from services.contracts.instants import nanoseconds
from services.contracts.rpc import (
    CreateKey,
    CreateSpace,
    CreateUser,
    DeleteSpace,
    DisableUser,
    EditSpace,
    EnableUser,
    RemoveMember,
    RevokeKey,
    SetMember,
    SetRole,
    SwitchSpace,
)
from services.contracts.standing import is_at_least
from services.registry import spaces, users
from services.registry.refusal import Existing, Refusal

SpaceCommand = CreateSpace | EditSpace | SwitchSpace | SetMember | RemoveMember | DeleteSpace
DirectoryCommand = CreateUser | DisableUser | EnableUser | SetRole | SpaceCommand | CreateKey | RevokeKey

MIN_PASSWORD, MAX_PASSWORD = 8, 1024
MAX_EMAIL, MAX_NAME, MAX_KEY_SPACES = 254, 200, 1000
MAX_ORIGINS = 20

# What browsers take for an address in <input type=email> (WHATWG HTML, 4.10.5.1.5).
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_EMAIL = re.compile(rf"[a-z0-9.!#$%&'*+/=?^_`{{|}}~-]+@{_LABEL}(?:\.{_LABEL})*", re.ASCII | re.IGNORECASE)
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z", re.ASCII)
_KEY_HASH = re.compile(r"[0-9a-f]{64}")


def user_id(email: str) -> str:
    """The id of the user with this e-mail address, whatever its case: 16 hex digits of its SHA-256."""
    return hashlib.sha256(email.casefold().encode()).hexdigest()[:16]


def decide(
    command: DirectoryCommand, directory: Directory, event_id: str, password_hash: str = ""
) -> DirectoryEvent | Existing:
    """The event that carries out the command, or Existing when the same command has been carried out. Raises Refusal.

    `password_hash` is for CreateUser: of its password, and the very hash in the directory when that fits the password."""
    match command:
        case CreateUser():
            check_email(command.email)
            check_password(command.password)
            return _created(_user(command, event_id, password_hash), directory)
        case DisableUser() | EnableUser():
            return users.switch(command, directory, event_id)
        case SetRole():
            return users.set_role(command, directory, event_id)
        case CreateSpace():
            spaces.check(command)
            if command.owner not in directory.users:
                raise Refusal("not_found", "no such user")
            return _created(spaces.created(command, event_id), directory)
        case EditSpace():
            return spaces.edit(command, directory, event_id)
        case SwitchSpace():
            return spaces.switch(command, directory, event_id)
        case SetMember():
            return spaces.set_member(command, directory, event_id)
        case RemoveMember():
            return spaces.remove_member(command, directory, event_id)
        case DeleteSpace():
            return spaces.delete(command, directory, event_id)
        case CreateKey():
            _check_key(command, directory)
            return _created(_key(command, event_id), directory)
        case RevokeKey():
            return _revoke(command, directory, event_id)
        case _:
            assert_never(command)


def entry_named(command: DirectoryCommand) -> str:
    """The id of the entry that the command is about."""
    match command:
        case CreateUser():
            return user_id(command.email)
        case DisableUser() | EnableUser() | SetRole():
            return command.user
        case CreateSpace() | EditSpace() | SwitchSpace() | SetMember() | RemoveMember() | DeleteSpace():
            return command.space
        case CreateKey() | RevokeKey():
            return command.key_id
        case _:
            assert_never(command)


def _created(event: DirectoryEvent, directory: Directory) -> DirectoryEvent | Existing:
    """The first event of an entry, unless the entry is there already: just like this, or as another one."""
    kind, id = entry_of(event)
    seq = directory.sequences.get((kind, id))
    if seq is None:
        return event
    fresh = Directory()
    fresh.apply(event, kind, id, seq)
    for wanted, there in ((fresh.users, directory.users), (fresh.spaces, directory.spaces), (fresh.keys, directory.keys)):
        if id in wanted and wanted[id] != there.get(id):
            raise Refusal("exists", f"the {kind} exists already")
    return Existing(seq)


def _revoke(command: RevokeKey, directory: Directory, event_id: str) -> DirectoryEvent | Existing:
    seq = directory.sequences.get(("key", command.key_id))
    if seq is None:
        raise Refusal("not_found", "no such key")
    if command.key_id not in directory.keys:
        return Existing(seq)
    return KeyRevoked(id=event_id, prev_seq=seq, actor=command.actor, key_id=command.key_id)


def _user(command: CreateUser, event_id: str, password_hash: str) -> UserCreated:
    return UserCreated(
        id=event_id,
        prev_seq=0,
        actor=command.actor,
        user=user_id(command.email),
        email=command.email,
        role=command.role,
        password_hash=password_hash,
    )


def _key(command: CreateKey, event_id: str) -> ApiKeyCreated | AgentKeyCreated:
    common: dict[str, Any] = {
        "id": event_id,
        "prev_seq": 0,
        "actor": command.actor,
        "key_id": command.key_id,
        "user": command.user,
        "key_hash": command.key_hash,
        "name": command.name,
        "spaces": command.spaces,
        "expires_at": command.expires_at,
    }
    if command.kind == "agent":
        return AgentKeyCreated(**common)
    return ApiKeyCreated(**common, scopes=command.scopes, origins=command.origins, max_in_flight=command.max_in_flight)


def check_email(email: str) -> None:
    """Raises Refusal."""
    if len(email) > MAX_EMAIL or _EMAIL.fullmatch(email) is None:
        raise Refusal("invalid", "this is no e-mail address")


def check_password(password: str) -> None:
    """Whether it may be somebody's. Raises Refusal."""
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise Refusal("invalid", f"a password has {MIN_PASSWORD} to {MAX_PASSWORD} characters")


def _check_key(command: CreateKey, directory: Directory) -> None:
    try:
        subjects.token("key id", command.key_id)
    except subjects.InvalidToken as error:
        raise Refusal("invalid", str(error)) from error
    if _KEY_HASH.fullmatch(command.key_hash) is None:
        raise Refusal("invalid", "a key's hash has 64 hex digits")
    if not 1 <= len(command.name) <= MAX_NAME or not command.name.isprintable():
        raise Refusal("invalid", f"name: 1 to {MAX_NAME} printable characters")
    if len(command.spaces) > MAX_KEY_SPACES or len(set(command.spaces)) != len(command.spaces):
        raise Refusal("invalid", f"a key names each space once, and at most {MAX_KEY_SPACES}")
    if len(set(command.scopes)) != len(command.scopes):
        raise Refusal("invalid", "a key names each scope once")
    if command.expires_at and not is_instant(command.expires_at):
        raise Refusal("invalid", "expires_at is an instant in UTC, as in RFC 3339")
    if command.user not in directory.users:
        raise Refusal("not_found", "no such user")
    for space in command.spaces:
        if space not in directory.spaces:
            raise Refusal("not_found", f"no such space: {space[:64]!r}")
    _check_origins(command)
    _check_in_flight(command)
    if command.kind == "agent":
        _check_agent_key(command, directory)
    holder = directory.key_by_hash(command.key_hash)
    if holder is not None and holder.key_id != command.key_id:
        raise Refusal("conflict", "another key has this secret")


def _check_origins(command: CreateKey) -> None:
    if not command.origins:
        return
    if command.kind != "api" or command.scopes != ("submit",):
        raise Refusal("invalid", "origins are for an API key that only submits: everybody can read it in a page")
    if len(command.origins) > MAX_ORIGINS or len(set(command.origins)) != len(command.origins):
        raise Refusal("invalid", f"a key names each origin once, and at most {MAX_ORIGINS}")
    for origin in command.origins:
        if not ids.is_origin(origin):
            raise Refusal("invalid", f"no origin as browsers send it, like https://example.org: {origin[:64]!r}")


def _check_in_flight(command: CreateKey) -> None:
    if command.max_in_flight is None:
        return
    if command.kind != "api":
        raise Refusal("invalid", "max_in_flight is for an API key: nothing is submitted with an agent's")
    least, most = MAX_IN_FLIGHT
    if not least <= command.max_in_flight <= most:
        raise Refusal("invalid", f"max_in_flight is between {least} and {most}")


def _check_agent_key(command: CreateKey, directory: Directory) -> None:
    if not command.spaces:
        raise Refusal("invalid", "an agent key is for at least one space")
    for space in command.spaces:
        if not is_at_least(directory.spaces[space], directory.users[command.user], "manager"):
            raise Refusal("invalid", f"only its owner, a manager or an admin may have agents serve the space {space}")


def is_instant(text: str) -> bool:
    """Whether every fold of the directory can read it as an instant."""
    if _INSTANT.fullmatch(text) is None:
        return False
    try:
        nanoseconds(text)
    except (ValueError, OverflowError):
        return False
    return True
