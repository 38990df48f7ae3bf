"""Who is calling, and what may they do? Answered from the directory in memory."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, get_args

from services.contracts.accounts import Key, KeyFlaw, Space, User, may_submit
from services.contracts.connections import agent_identity
from services.contracts.directory import Role, Scope
from services.contracts.ids import is_space, secret_hash
from services.contracts.requests import RequestState
from services.contracts.rpc import ConnectedAgent
from services.contracts.standing import is_at_least, may_delete
from services.gateway.problems import ApiProblem, unauthenticated
from services.gateway.sessions import Session
from services.runtime.directory import DirectoryFollower

SESSION_KEY = "session"
"""What requests that were submitted in a session have for a key's id."""
_WORTHLESS: Mapping[KeyFlaw, str] = {
    "revoked": "This key has been revoked.",
    "expired": "This key has expired.",
    "disabled": "This key's user is disabled.",
}


@dataclass(frozen=True, slots=True)
class Caller:
    """A person, by one of their API keys, or signed in: then `key` is one that may do all that the user may."""

    key: Key
    user: User
    session: Session | None = None

    @property
    def counted_as(self) -> str:
        """Whose calls are counted together: those with a key, or those of a user who is signed in."""
        return self.key.key_id if self.session is None else self.actor

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
    check_fresh(follower)
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


def signed_in(follower: DirectoryFollower, session: Session) -> Caller:
    """Who calls in a session that is good."""
    user = follower.directory.users[session.record.user]
    scopes: frozenset[Scope] = frozenset(get_args(Scope))
    key = Key(
        key_id=SESSION_KEY,
        kind="api",
        user=user.user,
        name="",
        key_hash="",
        spaces=frozenset(),
        scopes=scopes,
        expires_at=None,
    )
    return Caller(key, user, session)


def check_fresh(follower: DirectoryFollower) -> None:
    """Raises ApiProblem while the directory is not to be trusted."""
    if not follower.fresh:
        raise ApiProblem("unavailable", "Keys and sessions cannot be checked right now.", headers={"Retry-After": "1"})


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
    space = visible(follower, caller, slug)
    if not is_at_least(space, caller.user, "submitter"):
        raise ApiProblem("forbidden", f"In the space {slug} you are a viewer: you cannot submit to it.")
    return space


def visible(follower: DirectoryFollower, caller: Caller, slug: str) -> Space:
    """The space, if the caller may see it; that a private one exists is told to its members alone. Raises ApiProblem."""
    space = follower.directory.spaces.get(slug) if is_space(slug) else None
    if space is None or not is_at_least(space, caller.user, "viewer"):
        raise ApiProblem("not_found", "There is no such space.")
    if not may_submit(caller.key, slug):
        raise ApiProblem("forbidden", f"This key is not for the space {slug}.")
    return space


def manageable(follower: DirectoryFollower, caller: Caller, slug: str) -> Space:
    """The space, if the caller may change it: its owner, a manager or an administrator, by a key that is for it. Raises
    ApiProblem."""
    space = visible(follower, caller, slug)
    if not is_at_least(space, caller.user, "manager"):
        raise ApiProblem("forbidden", "Only its owner, its managers and administrators may change a space.")
    return space


def deletable(follower: DirectoryFollower, caller: Caller, slug: str) -> Space:
    """The space, if the caller may delete it: its owner or an administrator, by a key that is for it. Raises ApiProblem."""
    space = visible(follower, caller, slug)
    if not may_delete(space, caller.user):
        raise ApiProblem("forbidden", "Only its owner or an administrator may delete a space.")
    return space


def seen_by(follower: DirectoryFollower, caller: Caller) -> list[Space]:
    """The spaces that the caller may see, by name."""
    seen = [
        space
        for slug, space in follower.directory.spaces.items()
        if may_submit(caller.key, slug) and is_at_least(space, caller.user, "viewer")
    ]
    return sorted(seen, key=lambda space: space.space)


def owner_of_new(caller: Caller, wanted: str) -> str:
    """Whose a space becomes that the caller creates; `wanted` is empty for themselves. Raises ApiProblem."""
    if wanted not in ("", caller.user.user) and caller.user.role != "admin":
        raise ApiProblem("forbidden", "Only an administrator may create a space for somebody else.")
    return wanted or caller.user.user


def may_read(caller: Caller, state: RequestState) -> bool:
    """Whether the caller may see a request: their own, or any for an admin; never outside the key's spaces."""
    return may_read_of(caller, state.user, state.space)


def may_read_of(caller: Caller, user: str, space: str) -> bool:
    """Whether the caller may see a request of a user in a space."""
    return (user == caller.user.user or caller.user.role == "admin") and may_submit(caller.key, space)


def reach_of(follower: DirectoryFollower, caller: Caller, space: str | None, user: str | None) -> Reach:
    """What a list may show that was asked for a space and a user (an id or an e-mail address; None: for any). Raises
    ApiProblem."""
    if space is not None:
        spaces: list[str] | None = [visible(follower, caller, space).space]
    else:
        spaces = sorted(caller.key.spaces) or None
    admin = caller.user.role == "admin"
    if user is None:
        return Reach("" if admin else caller.user.user, spaces)
    found = follower.directory.user_named(user)
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
        raise unauthenticated("Send your API key as `Authorization: Bearer wsk_…`, or sign in with POST /v1/session.")
    scheme, _, secret = authorization.partition(b" ")
    if scheme.lower() != b"bearer" or not secret.strip():
        raise unauthenticated("The Authorization header must read `Bearer wsk_…`.")
    return secret.strip().decode("latin-1")


def worthless(flaw: KeyFlaw) -> ApiProblem:
    """The answer to who shows a key that was good once."""
    return unauthenticated(_WORTHLESS[flaw])
