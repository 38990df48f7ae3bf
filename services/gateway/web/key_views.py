"""What the pages about API keys show. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from services.contracts.accounts import Key, Space
from services.contracts.directory import Scope

DAY_S = 86400
LIFETIMES_DAYS = (1, 7, 30, 90, 365)
SCOPES: tuple[Scope, ...] = ("submit", "read", "manage")


@dataclass(frozen=True, slots=True)
class KeyView:
    """A key; instants are in nanoseconds since 1970. `expired`: it is worth nothing any more."""

    id: str
    name: str
    agent: bool
    scopes: tuple[str, ...]
    spaces: tuple[str, ...]
    origins: tuple[str, ...]
    expires_at: int | None
    expired: bool
    last_used: int | None


@dataclass(frozen=True, slots=True)
class KeysView:
    """Somebody's keys, by name."""

    keys: tuple[KeyView, ...]


@dataclass(frozen=True, slots=True)
class NewKeyView:
    """What a new key may be: its scopes, the spaces that it may be for, and how many days it may last."""

    scopes: tuple[Scope, ...]
    spaces: tuple[Space, ...]
    days: tuple[int, ...]


def keys_view(keys: Iterable[tuple[Key, int | None]], now: int) -> KeysView:
    """Keys, each with its last use, at an instant."""
    shown = [_key_view(key, last_used, now) for key, last_used in keys]
    return KeysView(tuple(sorted(shown, key=lambda key: (key.name.casefold(), key.id))))


def _key_view(key: Key, last_used: int | None, now: int) -> KeyView:
    return KeyView(
        id=key.key_id,
        name=key.name,
        agent=key.kind == "agent",
        scopes=tuple(scope for scope in SCOPES if scope in key.scopes),
        spaces=tuple(sorted(key.spaces)),
        origins=tuple(sorted(key.origins)),
        expires_at=key.expires_at,
        expired=key.expires_at is not None and now >= key.expires_at,
        last_used=last_used,
    )
