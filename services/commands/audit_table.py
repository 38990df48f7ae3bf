"""Who did what, as a table for people. Pure."""

from collections.abc import Iterable

import msgspec

from services.commands import text
from services.commands.tables import aligned
from spaces_client.audit import AuditEvent, Person

_LONGEST = 80
_COMMON = frozenset({"type", "id", "prev_seq", "actor", "schema", "user", "space", "key_id", "owner", "email", "name"})
"""Fields of events that stand in columns of their own, or tell people nothing."""


def audit(found: Iterable[AuditEvent]) -> str:
    """Events, one on a line."""
    rows = []
    for each in found:
        at = f"{each.at:%Y-%m-%d %H:%M:%S}" if each.at is not None else ""
        subject = f"{each.subject.kind} {_subject(each)}"
        rows.append((at, _person(each.actor) or "system", each.type, subject, _person(each.user), _more(each)))
    return aligned(("AT (UTC)", "BY", "EVENT", "OF", "USER", "WITH"), rows)


def _subject(event: AuditEvent) -> str:
    if event.subject.kind == "key" and event.subject.name:
        return f"{event.subject.id} ({event.subject.name})"
    return event.subject.name or event.subject.id if event.subject.kind == "user" else event.subject.id


def _person(person: Person | None) -> str:
    return "" if person is None else person.email or person.id


def _more(event: AuditEvent) -> str:
    told = {name: value for name, value in event.event.items() if name not in _COMMON}
    return text.line(", ".join(f"{name}={_value(value)}" for name, value in told.items()), _LONGEST)


def _value(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
