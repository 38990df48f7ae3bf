"""Who did what, as the gateway tells of it. Pure. Like `objects`, it need not be of its version."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from spaces_client import lists, objects
from spaces_client.lists import Listing
from spaces_client.objects import NOTHING


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """A user; `email` None: nothing else is known."""

    id: str
    email: str | None = None


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What an event is about: a `user`, a `space` or a `key`."""

    kind: str
    id: str
    name: str = ""


class AuditEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was done to a user, a key or a space. `actor` None: by the system. `user`: whose the space or key has
    become or was, or who is a member. `event`: all fields, as stored, without hashes of passwords and keys."""

    id: str
    type: str
    subject: Subject
    at: datetime | None = None
    actor: Person | None = None
    user: Person | None = None
    event: dict[str, Any] = {}
    raw: msgspec.Raw = NOTHING


def audit(
    *,
    actor: str | None = None,
    user: str | None = None,
    space: str | None = None,
    type: Sequence[str] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int | None = None,
) -> Listing[AuditEvent]:
    """Who did what to users, keys and spaces, the newest first, `limit` at most, for administrators: only what `actor` did,
    what concerns `user` (ids or e-mail addresses), what was done to `space`, events of these types. Pages are asked for as
    they are needed, so the iterator may raise ClientError."""
    wanted = lists.filters(actor=actor, user=user, space=space, type=type or None, since=since, until=until)
    return Listing("/v1/audit", wanted, _read, limit)


def _read(data: bytes | msgspec.Raw) -> AuditEvent:
    return objects.read(data, AuditEvent)
