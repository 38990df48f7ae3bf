"""What the page about the members of a space shows. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from services.contracts.accounts import Space, User
from services.contracts.directory import MemberRole

ROLES: tuple[MemberRole, ...] = get_args(MemberRole)


@dataclass(frozen=True, slots=True)
class MemberView:
    """Somebody who is a member of a space; `email` is empty when nothing is known of them."""

    id: str
    email: str
    role: MemberRole


@dataclass(frozen=True, slots=True)
class MembersView:
    """A space's owner and members, by e-mail address, and the roles that there are."""

    space: Space
    owner: str
    members: tuple[MemberView, ...]
    roles: tuple[MemberRole, ...]


def members_view(space: Space, users: Mapping[str, User]) -> MembersView:
    """The members of a space, for whoever manages it."""

    def email(user: str) -> str:
        return users[user].email if user in users else ""

    shown = [MemberView(user, email(user), role) for user, role in space.members.items()]
    by_email = sorted(shown, key=lambda member: (member.email.casefold(), member.id))
    return MembersView(space, email(space.owner), tuple(by_email), ROLES)
