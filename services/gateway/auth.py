"""Who is calling, and what may they do? Answered from the directory in memory."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from services.contracts.accounts import Key, KeyFlaw, Space, User, may_submit
from services.contracts.connections import agent_identity
from services.contracts.directory import Role, Scope
from services.contracts.ids import is_space, secret_hash
from services.contracts.requests import RequestState
from services.contracts.rpc import ConnectedAgent
from services.gateway.problems import ApiProblem
from services.runtime.directory import DirectoryFollower

_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="websocket-spaces"'}

_WORTHLESS: Mapping[KeyFlaw, str] = {
    "revoked": "This key has been revoked.",
    "expired": "This key has expired.",
    "disabled": "This key's user is disabled.",
}


@dataclass(frozen=True, slots=True)
class Caller:
    """A person, by one of their API keys."""

    key: Key
    user: User

    @property
    def actor(self) -> str:
        """As events name them."""
        return f"user:{self.user.user}"


class Reach(NamedTuple):
    """What a caller may see in a list: of one user, or of everybody when `user` is empty; in some spaces, or in all when
    `spaces` is None."""

    user: str
    spaces: list[str] | None


def authenticate(follower: DirectoryFollower, authorization: bytes | None, now: int) -> Caller:
    """The caller named by an `Authorization: Bearer wsk_…` header (RFC 6750) at an instant of JetStream's clock
    (nanoseconds since 1970). Raises ApiProblem."""
    secret = _bearer(authorization)
    if not follower.fresh:
        raise ApiProblem("unavailable", "Keys cannot be checked right now.", headers={"Retry-After": "1"})
    directory = follower.directory
    key = directory.key_by_hash(secret_hash(secret))
    if key is None:
        raise unauthenticated("This key is not known; it may have been revoked.")
    if flaw := directory.flaw(key, now):
        raise worthless(flaw)
    if key.kind != "api":
        raise ApiProblem("forbidden", "This is an agent key: it lets agents serve spaces. Use an API key (wsk_…) here.")
    user = directory.users.get(key.user)
    if user is None:
        raise unauthenticated("This key's user is not known.")
    return Caller(key, user)


def permit(caller: Caller, scopes: Iterable[Scope], role: Role, *, whole: bool) -> None:
    """Raises ApiProblem unless the caller has this role, and a key with all of these scopes; `whole`: for all spaces."""
    missing = [scope for scope in scopes if scope not in caller.key.scopes]
    if missing:
        raise ApiProblem("forbidden", f"This key lacks the scope {missing[0]}.")
    if role == "admin" and caller.user.role != "admin":
        raise ApiProblem("forbidden", "Only an administrator may do this.")
    if whole and caller.key.spaces:
        raise ApiProblem("forbidden", "This key is only for some spaces; this needs a key for all.")


def submittable(follower: DirectoryFollower, caller: Caller, slug: str) -> Space:
    """The space, if the caller may submit to it. Raises ApiProblem."""
    space = follower.directory.spaces.get(slug) if is_space(slug) else None
    if space is None:
        raise ApiProblem("not_found", "There is no such space.")
    if not may_submit(caller.key, slug):
        raise ApiProblem("forbidden", f"This key is not for the space {slug}.")
    return space


def manageable(follower: DirectoryFollower, caller: Caller, slug: str) -> Space:
    """The space, if the caller may change it: its owner or an administrator, by a key that is for it. Raises ApiProblem."""
    space = submittable(follower, caller, slug)
    if space.owner != caller.user.user and caller.user.role != "admin":
        raise ApiProblem("forbidden", "Only its owner or an administrator may change a space.")
    return space


def usable(follower: DirectoryFollower, caller: Caller) -> list[Space]:
    """The spaces that the caller may submit to, by name."""
    spaces = follower.directory.spaces
    return [spaces[slug] for slug in sorted(spaces) if may_submit(caller.key, slug)]


def owner_of_new(caller: Caller, wanted: str) -> str:
    """Whose a space becomes that the caller creates; `wanted` is empty for themselves. Raises ApiProblem."""
    if wanted not in ("", caller.user.user) and caller.user.role != "admin":
        raise ApiProblem("forbidden", "Only an administrator may create a space for somebody else.")
    return wanted or caller.user.user


def may_read(caller: Caller, state: RequestState) -> bool:
    """Whether the caller may see a request: their own, or any for an admin; never outside the key's spaces."""
    own = state.user == caller.user.user or caller.user.role == "admin"
    return own and may_submit(caller.key, state.space)


def reach_of(follower: DirectoryFollower, caller: Caller, space: str | None, user: str | None) -> Reach:
    """What a list may show that was asked for a space and a user (an id or an e-mail address; None: for any). Raises
    ApiProblem."""
    if space is not None:
        spaces: list[str] | None = [submittable(follower, caller, space).space]
    else:
        spaces = sorted(caller.key.spaces) or None
    admin = caller.user.role == "admin"
    if user is None:
        return Reach("" if admin else caller.user.user, spaces)
    directory = follower.directory
    found = directory.users.get(user) or directory.user_by_email(user)
    if not admin and (found is None or found.user != caller.user.user):
        raise ApiProblem("forbidden", "Only administrators see what others have submitted.")
    if found is None:
        raise ApiProblem("not_found", "There is no such user.")
    return Reach(found.user, spaces)


def may_see_agent(caller: Caller, agent: ConnectedAgent) -> bool:
    """Whether the caller may see, and drain, an agent: their own, or any for an admin; never one that also serves spaces
    which the key is not for."""
    own = agent.agent.startswith(agent_identity(caller.user.user, "")) or caller.user.role == "admin"
    return own and all(may_submit(caller.key, space) for space in agent.spaces)


def _bearer(authorization: bytes | None) -> str:
    if authorization is None:
        raise unauthenticated("Send your API key as `Authorization: Bearer wsk_…`.")
    scheme, _, secret = authorization.partition(b" ")
    if scheme.lower() != b"bearer" or not secret.strip():
        raise unauthenticated("The Authorization header must read `Bearer wsk_…`.")
    return secret.strip().decode("latin-1")


def worthless(flaw: KeyFlaw) -> ApiProblem:
    """The answer to who shows a key that was good once."""
    return unauthenticated(_WORTHLESS[flaw])


def unauthenticated(detail: str) -> ApiProblem:
    """The answer to who shows no valid key."""
    return ApiProblem("unauthenticated", detail, headers=_CHALLENGE)
