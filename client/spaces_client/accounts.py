"""Keys and users, as the gateway tells of them. Pure. Like `objects`, it need not be of its version."""

from __future__ import annotations

from datetime import datetime

import msgspec

from spaces_client.objects import NOTHING


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """A key that is not revoked; `user` is the id of its owner. No spaces: it is for all. `expires_at` None: it does not.
    `max_in_flight`: in each space at most so many requests submitted with it run at once; None: any number."""

    id: str
    kind: str = ""
    name: str = ""
    user: str = ""
    scopes: list[str] = []
    spaces: list[str] = []
    expires_at: datetime | None = None
    max_in_flight: int | None = None
    raw: msgspec.Raw = NOTHING


class MadeKey(Key, frozen=True, kw_only=True):
    """A key that was made just now. Nobody can tell its secret again."""

    secret: str

    def __repr__(self) -> str:
        return f"MadeKey(id={self.id!r}, name={self.name!r})"  # logs and tracebacks are no place for the secret


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A user. While one is disabled, all of their keys are refused."""

    id: str
    email: str = ""
    role: str = ""
    disabled: bool = False
    raw: msgspec.Raw = NOTHING


class KeyBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A key to be made; what is None is the gateway's default."""

    name: str
    kind: str | None = None
    scopes: list[str] | None = None
    spaces: list[str] | None = None
    expires_in_s: float | None = None
    max_in_flight: int | None = None
    user: str | None = None


class UserBody(msgspec.Struct, frozen=True, kw_only=True):
    """A user to be made."""

    email: str
    password: str
    role: str


class RoleBody(msgspec.Struct, frozen=True, kw_only=True):
    """What a user is to be."""

    role: str
