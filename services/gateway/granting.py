"""Keys and users as the API shows them, and which keys a key may see and make. Pure."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from services.contracts.accounts import Directory, Key, User
from services.contracts.directory import FIRST_SCOPES, MAX_IN_FLIGHT, Role, Scope
from services.contracts.ids import ORIGIN_PATTERN
from services.contracts.instants import rfc3339
from services.contracts.rpc import CreateKey
from services.contracts.standing import is_at_least
from services.gateway.problems import ApiProblem, Flaw
from services.gateway.view import Instant

MAX_ORIGINS = 20
MAX_EXPIRES_S = 10 * 365 * 86400
_NS = 1_000_000_000


_InFlight = Annotated[
    int,
    Meta(
        ge=MAX_IN_FLIGHT[0],
        le=MAX_IN_FLIGHT[1],
        description="Of an API key: in each space at most so many requests submitted with it run at once; null: any number.",
    ),
]
Origin = Annotated[str, Meta(pattern=ORIGIN_PATTERN, description="As browsers send it: `https://example.org`.")]


class KeyBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key to be made. It can do no more than the key that asks for it: what is absent is that key's."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    kind: Annotated[Literal["api", "agent"], Meta(description="`agent`: with it agents serve its spaces.")] = "api"
    scopes: (
        Annotated[list[Scope], Meta(min_length=1, description="Of an API key; `submit` and `read` when absent.")] | UnsetType
    ) = UNSET
    spaces: Annotated[list[str], Meta(description="An empty list, for an API key: all.")] | UnsetType = UNSET
    expires_in_s: Annotated[float, Meta(gt=0, le=MAX_EXPIRES_S)] | UnsetType = UNSET
    origins: Annotated[
        list[Origin],
        Meta(max_length=MAX_ORIGINS, description="Pages of these alone may use it; with the scope `submit` and no other."),
    ] = []
    max_in_flight: _InFlight | UnsetType | None = UNSET
    user: Annotated[str, Meta(description="Whose it is to be; another's only for administrators.")] | UnsetType = UNSET


class UserBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A user to be made."""

    email: Annotated[str, Meta(max_length=254)]
    password: Annotated[str, Meta(min_length=8, max_length=1024)]
    role: Role = "member"


class RoleBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a user is to be."""

    role: Annotated[Role, Meta(description="`admin`: sees and manages everything.")]


class KeyObject(msgspec.Struct, frozen=True, kw_only=True):
    """A key that was not revoked. No spaces: it is for all. Only API keys have scopes. `expires_at` null: it does not.
    `last_used_at` is right to a minute; null: never. With `origins` it is good for pages of these alone.
    `max_in_flight`: in each space at most so many requests submitted with it run at once; null: any number."""

    id: str
    kind: Literal["api", "agent"]
    name: str
    user: str
    scopes: list[Scope]
    spaces: list[str]
    origins: list[str]
    max_in_flight: int | None
    expires_at: Instant | None
    last_used_at: Instant | None


class MadeKeyObject(KeyObject, frozen=True, kw_only=True):
    """A key that was made just now, with its secret, which is shown this once."""

    secret: str


class KeysObject(msgspec.Struct, frozen=True, kw_only=True):
    """A list of keys."""

    results: list[KeyObject]


class UserObject(msgspec.Struct, frozen=True, kw_only=True):
    """A user. While one is disabled, all of their keys are refused."""

    id: str
    email: str
    role: Role
    disabled: bool


class UsersObject(msgspec.Struct, frozen=True, kw_only=True):
    """A list of users."""

    results: list[UserObject]


def key_object(key: Key, last_used: int | None) -> KeyObject:
    """A key as it is shown; `last_used` in nanoseconds since 1970."""
    return KeyObject(
        id=key.key_id,
        kind=key.kind,
        name=key.name,
        user=key.user,
        scopes=sorted(key.scopes),
        spaces=sorted(key.spaces),
        origins=sorted(key.origins),
        max_in_flight=key.max_in_flight,
        expires_at=None if key.expires_at is None else rfc3339(key.expires_at),
        last_used_at=None if last_used is None else rfc3339(last_used),
    )


def user_object(user: User) -> UserObject:
    """A user as one is shown."""
    return UserObject(id=user.user, email=user.email, role=user.role, disabled=user.disabled)


def may_see_key(key: Key, user: User, other: Key) -> bool:
    """Whether a key of a user may see, and revoke, another: of the same user, or any of an administrator's; one that is
    limited to spaces only what is limited to these."""
    within = not key.spaces or (bool(other.spaces) and other.spaces <= key.spaces)
    return (other.user == user.user or user.role == "admin") and within


def grant(body: KeyBody, key: Key, user: User, directory: Directory, now: int, key_id: str, key_hash: str) -> CreateKey:
    """The command that makes a key at an instant (nanoseconds since 1970), as `key` of `user` asks. Raises ApiProblem when
    the new key could do anything that `key` cannot, or cannot be."""
    owner = directory.users.get(user.user if body.user is UNSET else body.user)
    if owner is None or (owner.user != user.user and user.role != "admin"):
        raise ApiProblem("forbidden", "Only administrators make keys for others, and only for users that there are.")
    spaces = _spaces(body, key, user, directory)
    if body.kind == "agent":
        _check_agents_spaces(spaces, owner, directory)
    scopes = _scopes(body, key)
    _check_origins(body, scopes)
    return CreateKey(
        kind=body.kind,
        key_id=key_id,
        user=owner.user,
        key_hash=key_hash,
        name=body.name,
        spaces=spaces,
        scopes=scopes,
        origins=body.origins,
        max_in_flight=_in_flight(body, key),
        expires_at=_expiry(body, key, now),
        actor=f"user:{user.user}",
    )


def _scopes(body: KeyBody, key: Key) -> tuple[Scope, ...]:
    if body.kind == "agent":
        if body.scopes is not UNSET:
            raise _unfit("/scopes", "An agent key has no scopes.")
        return FIRST_SCOPES
    scopes = FIRST_SCOPES if body.scopes is UNSET else tuple(dict.fromkeys(body.scopes))
    for scope in scopes:
        if scope not in key.scopes:
            raise ApiProblem("forbidden", f"This key lacks the scope {scope}, so it cannot give it.")
    return scopes


def _check_origins(body: KeyBody, scopes: tuple[Scope, ...]) -> None:
    if body.origins and (body.kind != "api" or scopes != ("submit",)):
        raise _unfit("/origins", 'Only an API key with the scopes ["submit"] has origins: everybody can read it in a page.')
    if len(set(body.origins)) != len(body.origins):
        raise _unfit("/origins", "Name each origin once.")


def _spaces(body: KeyBody, key: Key, user: User, directory: Directory) -> list[str]:
    spaces = sorted(key.spaces) if body.spaces is UNSET else list(dict.fromkeys(body.spaces))
    if key.spaces and (not spaces or not key.spaces.issuperset(spaces)):
        raise ApiProblem("forbidden", "This key is only for some spaces, so it cannot make one for others.")
    seen = {each for each in spaces if each in directory.spaces and is_at_least(directory.spaces[each], user, "viewer")}
    flaws = [Flaw(f"/spaces/{at}", "There is no such space.") for at, each in enumerate(spaces) if each not in seen]
    if flaws:
        raise ApiProblem("input_invalid", "The body does not fit; see errors.", flaws)
    return spaces


def _check_agents_spaces(spaces: list[str], owner: User, directory: Directory) -> None:
    if not spaces:
        raise _unfit("/spaces", "An agent key is for at least one space.")
    for space in spaces:
        if not is_at_least(directory.spaces[space], owner, "manager"):
            raise ApiProblem(
                "forbidden", f"Only its owner, managers and administrators may have agents serve the space {space}."
            )


def _expiry(body: KeyBody, key: Key, now: int) -> str:
    """RFC 3339, or empty. A key does not outlive the one that made it."""
    expires_at = key.expires_at if body.expires_in_s is UNSET else now + int(body.expires_in_s * _NS)
    if key.expires_at is not None and expires_at is not None and expires_at > key.expires_at:
        raise ApiProblem("forbidden", "This key expires before that, so it cannot make such a key.")
    return "" if expires_at is None else rfc3339(expires_at)


def _in_flight(body: KeyBody, key: Key) -> int | None:
    """Its limit: that of the key that makes it, or a lower one."""
    if body.kind == "agent":
        if body.max_in_flight is not UNSET:
            raise _unfit("/max_in_flight", "Nothing is submitted with an agent key.")
        return None
    wanted = key.max_in_flight if body.max_in_flight is UNSET else body.max_in_flight
    if key.max_in_flight is not None and (wanted is None or wanted > key.max_in_flight):
        raise ApiProblem("forbidden", f"Of this key {key.max_in_flight} requests run at once, so it cannot give more.")
    return wanted


def _unfit(pointer: str, detail: str) -> ApiProblem:
    return ApiProblem("input_invalid", "The body does not fit; see errors.", [Flaw(pointer, detail)])
