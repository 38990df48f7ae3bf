"""What a user is to a space."""

from typing import Literal

from services.contracts.accounts import Space, User
from services.contracts.directory import MemberRole

Standing = MemberRole | Literal["stranger"]

_ORDER: tuple[Standing, ...] = ("stranger", "viewer", "submitter", "manager")


def standing(space: Space, user: User) -> Standing:
    """Its owner and administrators manage a space; a member is what their role says; to a space for everyone, anybody is at
    least a submitter."""
    if space.owner == user.user or user.role == "admin":
        return "manager"
    member: Standing = space.members.get(user.user, "stranger")
    return max(member, "submitter", key=_ORDER.index) if space.visibility == "everyone" else member


def is_at_least(space: Space, user: User, least: MemberRole) -> bool:
    """Whether the user may do in the space what one of this role may."""
    return _ORDER.index(standing(space, user)) >= _ORDER.index(least)


def may_delete(space: Space, user: User) -> bool:
    """Whether the user may delete the space: its owner and administrators may."""
    return space.owner == user.user or user.role == "admin"


def may_have_agents(space: Space, user: User | None) -> bool:
    """Whether agents of the user may go on serving the space, if they have a key for it: a private space only those of its
    managers, any other whoever once got such a key."""
    return space.visibility == "everyone" or (user is not None and is_at_least(space, user, "manager"))
