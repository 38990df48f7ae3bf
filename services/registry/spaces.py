"""What commands about spaces come to. PURE."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, assert_never

from msgspec import UNSET

from services.contracts import ids
from services.contracts.accounts import SETTINGS, Directory, Space
from services.contracts.directory import (
    EXECUTION_TIMEOUT_S,
    MAX_ATTEMPTS,
    MAX_IN_FLIGHT,
    MAX_TITLE,
    QUEUE_LIMIT,
    RETENTION_S,
    START_TIMEOUT_S,
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
)
from services.contracts.rpc import CreateSpace, DeleteSpace, EditSpace, RemoveMember, SetMember, Switch, SwitchSpace
from services.registry.refusal import Existing, Refusal

_SWITCHED: Mapping[Switch, type[SpaceEnabled | SpaceDisabled | SpacePaused | SpaceResumed]] = MappingProxyType(
    {"enable": SpaceEnabled, "disable": SpaceDisabled, "pause": SpacePaused, "resume": SpaceResumed}
)
_BOUNDS: dict[str, tuple[float, float]] = {
    "start_timeout_s": START_TIMEOUT_S,
    "execution_timeout_s": EXECUTION_TIMEOUT_S,
    "max_attempts": MAX_ATTEMPTS,
    "queue_limit": QUEUE_LIMIT,
    "max_in_flight": MAX_IN_FLIGHT,
    "max_in_flight_per_user": MAX_IN_FLIGHT,
    "retention_s": RETENTION_S,
}

MAX_MEMBERS = 1000


def check(command: CreateSpace | EditSpace) -> None:
    """Raises Refusal unless name and settings may be."""
    if not ids.is_space(command.space):
        raise Refusal(
            "invalid", "a space's name has 1 to 48 lower-case letters, digits and hyphens and begins with no hyphen"
        )
    title = command.title
    if title is not UNSET and not (len(title) <= MAX_TITLE and title.isprintable()):
        raise Refusal("invalid", f"title: at most {MAX_TITLE} printable characters")
    for what, (least, most) in _BOUNDS.items():
        value = getattr(command, what)
        # Written so that NaN is outside.
        if value is not UNSET and value is not None and not least <= value <= most:
            raise Refusal("invalid", f"{what} is between {least:g} and {most:g}")


def created(command: CreateSpace, event_id: str) -> SpaceCreated:
    """The first event of a space."""
    settings: dict[str, Any] = {name: getattr(command, name) for name in SETTINGS}
    return SpaceCreated(id=event_id, prev_seq=0, actor=command.actor, space=command.space, owner=command.owner, **settings)


def edit(command: EditSpace, directory: Directory, event_id: str) -> SpaceEvent | Existing:
    """Only what is to be unlike what it is. Raises Refusal."""
    check(command)
    space, seq = _there(command.space, directory)
    wanted = {name: getattr(command, name) for name in SETTINGS}
    changes = {name: value for name, value in wanted.items() if value is not UNSET and value != getattr(space, name)}
    if not changes:
        return Existing(seq)
    return SpaceEdited(id=event_id, prev_seq=seq, actor=command.actor, space=command.space, **changes)


def switch(command: SwitchSpace, directory: Directory, event_id: str) -> SpaceEvent | Existing:
    """Nothing when it is so already. Raises Refusal."""
    space, seq = _there(command.space, directory)
    if _is(space, command.to):
        return Existing(seq)
    return _SWITCHED[command.to](id=event_id, prev_seq=seq, actor=command.actor, space=command.space)


def set_member(command: SetMember, directory: Directory, event_id: str) -> SpaceEvent | Existing:
    """Nothing when the user has this role already. Raises Refusal."""
    space, seq = _there(command.space, directory)
    if command.user not in directory.users:
        raise Refusal("not_found", "no such user")
    if space.members.get(command.user) == command.role:
        return Existing(seq)
    if command.user not in space.members and len(space.members) >= MAX_MEMBERS:
        raise Refusal("invalid", f"a space has at most {MAX_MEMBERS} members")
    entry: dict[str, Any] = {"id": event_id, "prev_seq": seq, "actor": command.actor, "space": command.space}
    return SpaceMemberSet(**entry, user=command.user, role=command.role)


def remove_member(command: RemoveMember, directory: Directory, event_id: str) -> SpaceEvent | Existing:
    """Nothing when the user is no member. Raises Refusal."""
    space, seq = _there(command.space, directory)
    if command.user not in space.members:
        return Existing(seq)
    entry: dict[str, Any] = {"id": event_id, "prev_seq": seq, "actor": command.actor, "space": command.space}
    return SpaceMemberRemoved(**entry, user=command.user)


def delete(command: DeleteSpace, directory: Directory, event_id: str) -> SpaceEvent | Existing:
    """Nothing when it is deleted already. Raises Refusal."""
    seq = directory.sequences.get(("space", command.space))
    if seq is not None and command.space in directory.deleted:
        return Existing(seq)
    _, seq = _there(command.space, directory)
    return SpaceDeleted(id=event_id, prev_seq=seq, actor=command.actor, space=command.space)


def _is(space: Space, to: Switch) -> bool:
    match to:
        case "enable" | "disable":
            return space.enabled == (to == "enable")
        case "pause" | "resume":
            return space.paused == (to == "pause")
        case _:
            assert_never(to)


def _there(slug: str, directory: Directory) -> tuple[Space, int]:
    space = directory.spaces.get(slug)
    if space is None:
        raise Refusal("not_found", "no such space")
    return space, directory.sequences["space", slug]
