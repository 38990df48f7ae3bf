"""Who did what: the directory's events, as history lists them."""

from typing import Any, get_args

import msgspec

from services.contracts.directory import DirectoryEvent, EntryKind
from services.contracts.lists import Direction, Place
from services.contracts.rpc import Position

TYPES: tuple[str, ...] = tuple(str(each.__struct_config__.tag) for each in get_args(DirectoryEvent))
"""What can have happened, as events name it."""
SECRETS = frozenset({"password_hash", "key_hash", "token_hash"})
"""Fields of events that nobody is shown."""
_fields = msgspec.json.Decoder(dict[str, Any])


class ListAudit(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The directory's events that fit every filter given, each once, the newest first; as ListRequests. `actor`: done by
    (as events name them); `user`: that concern this user: their own events, those of their keys, of spaces that they were
    given and of their memberships; `space`: of this space; `types` empty: all."""

    limit: int
    actor: str = ""
    user: str = ""
    space: str = ""
    types: list[str] = []
    since: int = 0
    until: int = 0
    beside: Place | None = None
    direction: Direction = "older"
    recorded: Position | None = None


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event at `place` in the list. `kind` and `entry` name what it is about; `user`: whose the space or key has become
    or was, or who is a member; `name`: of the key. `event` is as the log has it, without secrets."""

    place: Place
    id: str
    type: str
    actor: str
    kind: EntryKind
    entry: str
    event: msgspec.Raw
    user: str = ""
    name: str = ""


class AuditPage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer to ListAudit; see RequestsPage."""

    entries: list[AuditEntry]
    more: bool = False


def without_secrets(data: bytes) -> msgspec.Raw:
    """The event in these bytes, as JSON, without what nobody is shown."""
    shown = {name: value for name, value in _fields.decode(data).items() if name not in SECRETS}
    return msgspec.Raw(msgspec.json.encode(shown))
