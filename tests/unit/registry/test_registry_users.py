"""Given a directory, when a user's state or role is to change, then this event, this existing entry or this refusal."""

import pytest

from services.contracts.directory import UserCreated, UserDisabled, UserEnabled, UserRoleSet
from services.contracts.rpc import DisableUser, SetRole
from services.registry.directory import decide, entry_named
from services.registry.refusal import Existing
from services.registry.users import last_seq, takes_away
from tests.unit.registry.test_registry_directory import ADMIN, DEMO, MEMBER, directory, refused, user_created

SECOND = user_created("second@example.org", "admin")


def role(user: str, role: str) -> UserRoleSet:
    return UserRoleSet(id="event", prev_seq=1, actor="system", user=user, role=role)  # type: ignore[arg-type]


def disabled(user: UserCreated) -> UserDisabled:
    return UserDisabled(id="e", prev_seq=3, actor="system", user=user.user)


def test_a_role_is_set_once() -> None:
    made = decide(SetRole(user=MEMBER, role="admin", actor=f"user:{ADMIN}"), directory(), "event")
    assert made == UserRoleSet(id="event", prev_seq=2, actor=f"user:{ADMIN}", user=MEMBER, role="admin")
    there = directory(made)
    assert there.users[MEMBER].role == "admin"
    assert there.user_by_email("member@example.org") is there.users[MEMBER]
    assert decide(SetRole(user=MEMBER, role="admin"), there, "again") == Existing(3)
    assert refused(SetRole(user="nobody", role="admin"), there) == "not_found"
    assert entry_named(SetRole(user=MEMBER, role="admin")) == MEMBER


@pytest.mark.parametrize("command", [SetRole(user=ADMIN, role="member"), DisableUser(user=ADMIN)])
def test_the_last_administrator_who_is_enabled_stays_one(command: SetRole | DisableUser) -> None:
    assert refused(command, directory()) == "last_admin"
    assert refused(command, directory(SECOND, disabled(SECOND))) == "last_admin"
    assert not isinstance(decide(command, directory(SECOND), "event"), Existing)


def test_an_administrator_who_is_disabled_already_may_be_demoted() -> None:
    there = directory(SECOND, disabled(SECOND))
    assert decide(SetRole(user=SECOND.user, role="member"), there, "event") == UserRoleSet(
        id="event", prev_seq=4, actor="system", user=SECOND.user, role="member"
    )


def test_what_may_take_an_administrator_away_follows_the_last_event_of_any_user() -> None:
    assert [takes_away(event) for event in (role(MEMBER, "admin"), disabled(SECOND))] == [True, True]
    assert not takes_away(UserEnabled(id="e", prev_seq=1, actor="system", user=MEMBER))
    assert last_seq(directory(SECOND, DEMO)) == 3
