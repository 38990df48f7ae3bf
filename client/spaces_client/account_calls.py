"""What clients do with keys and users, as values. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import msgspec

from spaces_client import lists, objects
from spaces_client.accounts import Key, KeyBody, MadeKey, RoleBody, User, UserBody
from spaces_client.call import Call, nothing, segment

_USER = partial(objects.read, kind=User)


def keys(*, user: str | None = None) -> Call[list[Key]]:
    """The keys that are not revoked, without secrets: one's own, or for an administrator those of the user with this id,
    everybody's when it is empty. Raises ClientError."""
    return Call(method="GET", path="/v1/keys", query=lists.filters(user=user), read=partial(objects.listed, kind=Key))


def my_key() -> Call[Key]:
    """The key that this client shows. Raises ClientError."""
    return Call(method="GET", path="/v1/keys/me", read=partial(objects.read, kind=Key))


def create_key(
    name: str,
    *,
    kind: str = "api",
    scopes: Sequence[str] | None = None,
    spaces: Sequence[str] | None = None,
    expires_in_s: float | None = None,
    max_in_flight: int | None = None,
    user: str | None = None,
) -> Call[MadeKey]:
    """Make a key (`api` or `agent`); its secret is in this answer and nowhere else. It can do no more than the key that
    makes it. Raises ClientError; after Unreachable see `keys` for whether it was made: it is not sent twice."""
    wanted = KeyBody(
        name=name,
        kind=kind,
        scopes=None if scopes is None else list(scopes),
        spaces=None if spaces is None else list(spaces),
        expires_in_s=expires_in_s,
        max_in_flight=max_in_flight,
        user=user,
    )
    body, made = msgspec.json.encode(wanted), partial(objects.read, kind=MadeKey)
    return Call(method="POST", path="/v1/keys", body=body, read=made, repeatable=False)


def revoke_key(id: str) -> Call[None]:
    """Revoke a key, for good. Raises ClientError, with `not_found` also when it was revoked before."""
    return Call(method="DELETE", path=f"/v1/keys/{segment(id)}", read=nothing)


def me() -> Call[User]:
    """The user of the key that this client shows. Raises ClientError."""
    return Call(method="GET", path="/v1/users/me", read=_USER)


def users() -> Call[list[User]]:
    """All users, for administrators. Raises ClientError."""
    return Call(method="GET", path="/v1/users", read=partial(objects.listed, kind=User))


def create_user(email: str, password: str, *, role: str = "member") -> Call[User]:
    """Make a user (`member` or `admin`), for administrators. Raises ClientError, with `exists` when there is another
    with this address."""
    body = msgspec.json.encode(UserBody(email=email, password=password, role=role))
    return Call(method="POST", path="/v1/users", body=body, read=_USER)


def set_role(id: str, role: str) -> Call[User]:
    """Make a user an `admin` or a `member`, for administrators. Raises ClientError, with `forbidden` also when it is
    oneself, or the last administrator."""
    return Call(method="PATCH", path=f"/v1/users/{segment(id)}", body=msgspec.json.encode(RoleBody(role=role)), read=_USER)


def disable_user(id: str) -> Call[User]:
    """Let all keys of a user be refused until they are enabled again, for administrators. Raises ClientError."""
    return Call(method="POST", path=f"/v1/users/{segment(id)}/disable", read=_USER)


def enable_user(id: str) -> Call[User]:
    """Enable a user who is disabled, for administrators. Raises ClientError."""
    return Call(method="POST", path=f"/v1/users/{segment(id)}/enable", read=_USER)
