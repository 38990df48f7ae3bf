"""What a user may in a space."""

import itertools

import pytest

from services.contracts.accounts import Space, User
from services.contracts.directory import MemberRole, Role, Visibility
from services.contracts.standing import Standing, may_have_agents, standing


def space(visibility: Visibility, **members: MemberRole) -> Space:
    return Space(
        space="demo",
        owner="owner",
        title="",
        connections="many",
        start_timeout_s=1,
        execution_timeout_s=1,
        max_attempts=1,
        visibility=visibility,
        members=members,
    )


def user(id: str, role: Role = "member") -> User:
    return User(user=id, email=f"{id}@example.org", role=role, password_hash="")


@pytest.mark.parametrize("visibility", ["everyone", "private"])
def test_its_owner_and_administrators_manage_every_space(visibility: Visibility) -> None:
    demoted = space(visibility, owner="viewer", root="viewer")
    assert {standing(demoted, user("owner")), standing(demoted, user("root", "admin"))} == {"manager"}


@pytest.mark.parametrize(
    ("visibility", "role", "expected"),
    [
        ("private", None, "stranger"),
        ("private", "viewer", "viewer"),
        ("private", "submitter", "submitter"),
        ("private", "manager", "manager"),
        ("everyone", None, "submitter"),
        ("everyone", "viewer", "submitter"),
        ("everyone", "submitter", "submitter"),
        ("everyone", "manager", "manager"),
    ],
)
def test_a_role_adds_to_what_everyone_may(visibility: Visibility, role: MemberRole | None, expected: Standing) -> None:
    there = space(visibility, **({} if role is None else {"ada": role}))
    assert standing(there, user("ada")) == expected


def test_agents_serve_a_private_space_only_for_those_who_manage_it() -> None:
    roles: tuple[MemberRole, ...] = ("viewer", "submitter", "manager")
    served = [may_have_agents(space("private", ada=role), user("ada")) for role in roles]
    assert served == [False, False, True]
    assert not may_have_agents(space("private"), None)
    strangers = itertools.product(roles, [user("ada"), None])
    assert all(may_have_agents(space("everyone", ada=role), each) for role, each in strangers)
