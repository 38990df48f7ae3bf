"""PURE: which of the directory's events an audit lists, and how."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from services.contracts import codec
from services.contracts.audit import AuditEntry, ListAudit, without_secrets
from services.contracts.directory import (
    AgentKeyCreated,
    ApiKeyCreated,
    DirectoryEvent,
    KeyRevoked,
    SpaceCreated,
    SpaceMemberRemoved,
    SpaceMemberSet,
    entry_of,
)
from services.contracts.lists import Place

KeyCreated = ApiKeyCreated | AgentKeyCreated


class Done(NamedTuple):
    """An event, its bytes, and where it stands in the list."""

    place: Place
    event: DirectoryEvent
    data: bytes


def done(at: int, subject: str, data: bytes) -> Done:
    """A row of the log. Raises UndecodableEvent."""
    return Done(Place(at, subject), codec.directory.decode(data), data)


def keys_created(rows: Iterable[bytes]) -> dict[str, KeyCreated]:
    """The keys whose first events these are, by id. Raises UndecodableEvent."""
    events = (codec.directory.decode(data) for data in rows)
    return {event.key_id: event for event in events if isinstance(event, KeyCreated)}


def fits(query: ListAudit, event: DirectoryEvent, keys: Mapping[str, KeyCreated]) -> bool:
    """Whether an event is to be listed, as far as its row's columns do not say; `keys`: those that the user was ever
    given, if the query names one."""
    concerned = not query.user or query.user == _user(event, keys) or entry_of(event) == ("user", query.user)
    return concerned and (not query.actor or event.actor == query.actor)


def entry(found: Done, keys: Mapping[str, KeyCreated]) -> AuditEntry:
    """What is told of an event; `keys`: at least the one that it revokes."""
    event = found.event
    kind, id = entry_of(event)
    return AuditEntry(
        place=found.place,
        id=event.id,
        type=str(event.__struct_config__.tag),
        actor=event.actor,
        kind=kind,
        entry=id,
        event=without_secrets(found.data),
        user=_user(event, keys),
        name=_name(event, keys),
    )


def _user(event: DirectoryEvent, keys: Mapping[str, KeyCreated]) -> str:
    """Whom it concerns beside the entry that it is about; empty: nobody, or nobody knows."""
    match event:
        case SpaceCreated():
            return event.owner
        case SpaceMemberSet() | SpaceMemberRemoved() | ApiKeyCreated() | AgentKeyCreated():
            return event.user
        case KeyRevoked():
            return keys[event.key_id].user if event.key_id in keys else ""
        case _:
            return ""


def _name(event: DirectoryEvent, keys: Mapping[str, KeyCreated]) -> str:
    if isinstance(event, KeyCreated):
        return event.name
    return keys[event.key_id].name if isinstance(event, KeyRevoked) and event.key_id in keys else ""
