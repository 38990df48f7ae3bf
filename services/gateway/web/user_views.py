"""What the pages about users show. Pure."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from services.contracts.accounts import Directory, Key, Space, User
from services.contracts.directory import MemberRole
from services.gateway.web.key_views import KeyView, keys_view

MOST = 200
"""So many users are shown, no more: whoever looks for one of more searches."""
Part = Literal["owner"] | MemberRole


@dataclass(frozen=True, slots=True)
class UserRow:
    """A user, with the number of their keys."""

    id: str
    email: str
    admin: bool
    disabled: bool
    keys: int


@dataclass(frozen=True, slots=True)
class UsersView:
    """The users whose e-mail address contains `search`, by address, `MOST` at most, and how many there are of them."""

    search: str
    users: tuple[UserRow, ...]
    found: int


@dataclass(frozen=True, slots=True)
class PartView:
    """A space, and what a user is in it."""

    space: Space
    part: Part


@dataclass(frozen=True, slots=True)
class UserView:
    """A user, their keys, and the spaces that they own or are members of. `oneself`: it is who looks."""

    user: User
    oneself: bool
    spaces: tuple[PartView, ...]
    keys: tuple[KeyView, ...]

    @property
    def path(self) -> str:
        """Of the page."""
        return f"/users/{self.user.user}"


def users_view(directory: Directory, search: str) -> UsersView:
    """All users, or those who are searched for, whatever the case."""
    wanted = search.strip().casefold()
    keys = Counter(key.user for key in directory.keys.values())
    found = sorted((user for user in directory.users.values() if wanted in user.email.casefold()), key=_by_address)
    rows = [UserRow(user.user, user.email, user.role == "admin", user.disabled, keys[user.user]) for user in found[:MOST]]
    return UsersView(search.strip(), tuple(rows), len(found))


def user_view(user: User, directory: Directory, keys: Iterable[tuple[Key, int | None]], now: int, viewer: User) -> UserView:
    """A user with their keys and each key's last use, at an instant (nanoseconds since 1970), as `viewer` sees them."""
    parts = [PartView(space, part) for space in directory.spaces.values() if (part := _part(space, user.user)) is not None]
    by_name = sorted(parts, key=lambda each: each.space.space)
    return UserView(user, user.user == viewer.user, tuple(by_name), keys_view(keys, now).keys)


def _by_address(user: User) -> tuple[str, str]:
    return user.email.casefold(), user.user


def _part(space: Space, user: str) -> Part | None:
    return "owner" if space.owner == user else space.members.get(user)
