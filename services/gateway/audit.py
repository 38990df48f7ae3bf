"""Who did what, as the API shows it: the wire types. Pure."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from services.contracts.accounts import Directory
from services.contracts.audit import AuditEntry
from services.contracts.directory import EntryKind
from services.contracts.instants import rfc3339
from services.gateway.view import Instant

SYSTEM = "system"
_USER = "user:"


class PersonObject(msgspec.Struct, frozen=True, kw_only=True):
    """A user, as far as is known: `email` null, nothing is."""

    id: str
    email: str | None


class SubjectObject(msgspec.Struct, frozen=True, kw_only=True):
    """What an event is about. `name`: a user's e-mail address, a space's title as it is now, a key's name."""

    kind: EntryKind
    id: str
    name: str


class AuditObject(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was done. `actor` null: by the system itself, such as the command `spaces admin create`. `user`: whose
    the space or key has become, or who is a member; null where the subject is all. `event` is as it was stored, without
    hashes of passwords and keys."""

    id: str
    at: Instant
    type: str
    actor: PersonObject | None
    subject: SubjectObject
    user: PersonObject | None
    event: Annotated[dict[str, Any], Meta(description="Its fields depend on `type`.")]


class AuditsObject(msgspec.Struct, frozen=True, kw_only=True):
    """A page of what was done, the newest first. `next` leads to what was done earlier, `previous` to later: give it as
    `cursor`."""

    results: list[AuditObject]
    next: str | None
    previous: str | None


def actor_of(user: str) -> str:
    """A user as events name who did something."""
    return f"{_USER}{user}"


def audit_object(entry: AuditEntry, directory: Directory) -> AuditObject:
    """The object of an entry; names are those of today."""
    return AuditObject(
        id=entry.id,
        at=rfc3339(entry.place.at),
        type=entry.type,
        actor=_person(entry.actor.removeprefix(_USER), directory) if entry.actor.startswith(_USER) else None,
        subject=SubjectObject(kind=entry.kind, id=entry.entry, name=entry.name or _name(entry, directory)),
        user=_person(entry.user, directory) if entry.user else None,
        event=msgspec.json.decode(entry.event, type=dict[str, Any]),
    )


def _person(id: str, directory: Directory) -> PersonObject:
    user = directory.users.get(id)
    return PersonObject(id=id, email=None if user is None else user.email)


def _name(entry: AuditEntry, directory: Directory) -> str:
    if entry.kind == "user":
        return _person(entry.entry, directory).email or ""
    space = directory.serviceable(entry.entry) if entry.kind == "space" else None
    return "" if space is None else space.title
