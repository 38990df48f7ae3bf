"""Given a directory, when a password is to be changed, then this event or this refusal."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from services.contracts.accounts import Directory
from services.contracts.directory import (
    DirectoryEvent,
    PasswordChanged,
    PasswordResetMade,
    UserCreated,
    UserDisabled,
    entry_of,
)
from services.contracts.sign_in import ChangePassword, MakePasswordReset, ResetPassword, SignUp
from services.registry.directory import user_id
from services.registry.password_changes import change, make_reset, reset, sign_up, user_of_reset
from services.registry.refusal import Refusal

EMAIL = "Ada@example.org"
ADA, TOKEN, NEWER = user_id(EMAIL), "a" * 64, "b" * 64
END = 1_767_225_600_000_000_000
CREATED = UserCreated(id="e", prev_seq=0, actor="system", user=ADA, email=EMAIL, role="admin", password_hash="old")
MAKE_RESET = MakePasswordReset(user=ADA, token_hash=TOKEN, expires_at="2026-01-01T00:00:00Z", actor="user:root")
RESET = ResetPassword(token_hash=TOKEN, password="long enough")
CHANGE = ChangePassword(user=ADA, current_password="x", new_password="long enough", actor=f"user:{ADA}")


def directory(*events: DirectoryEvent) -> Directory:
    folded = Directory()
    for seq, event in enumerate([CREATED, *events], 1):
        folded.apply(event, *entry_of(event), seq)
    return folded


def made(token: str = TOKEN) -> PasswordResetMade:
    return make_reset(msgspec.structs.replace(MAKE_RESET, token_hash=token), directory(), "e2")


def refused(decide: Callable[..., Any], *args: Any) -> str:
    with pytest.raises(Refusal) as refusal:
        decide(*args)
    return refusal.value.code


def test_who_knows_the_password_gives_themselves_another() -> None:
    there = directory()
    event = change(CHANGE, there, "e2", "old", "new")
    assert event == PasswordChanged(id="e2", prev_seq=1, actor=f"user:{ADA}", user=ADA, password_hash="new")
    after = directory(event)
    assert after.users[ADA].password_hash == "new"
    assert (there.password_seqs[ADA], after.password_seqs[ADA]) == (1, 2)
    assert after.user_by_email(EMAIL) == after.users[ADA]


def test_a_password_that_was_changed_meanwhile_is_not_changed_again() -> None:
    event = change(CHANGE, directory(), "e2", "old", "new")
    assert refused(change, CHANGE, directory(event), "e3", "old", "newer") == "conflict"


def test_a_disabled_user_has_the_same_password_still() -> None:
    there = directory(UserDisabled(id="e", prev_seq=1, actor="system", user=ADA))
    assert there.password_seqs[ADA] == 1


def test_a_reset_is_good_once() -> None:
    there = directory(made())
    event = reset(RESET, there, "e3", "new", END - 1)
    assert event == PasswordChanged(id="e3", prev_seq=2, actor=f"user:{ADA}", user=ADA, password_hash="new")
    assert refused(user_of_reset, RESET, directory(made(), event), END - 1) == "not_found"


def test_a_reset_ends_in_time() -> None:
    assert refused(reset, RESET, directory(made()), "e3", "new", END) == "not_found"


def test_a_newer_reset_takes_the_place_of_an_older_one() -> None:
    there = directory(made(), made(NEWER))
    assert refused(user_of_reset, RESET, there, END - 1) == "not_found"
    assert user_of_reset(msgspec.structs.replace(RESET, token_hash=NEWER), there, END - 1).user == ADA


def test_a_change_of_password_ends_a_reset() -> None:
    changed = change(CHANGE, directory(made()), "e3", "old", "new")
    assert refused(user_of_reset, RESET, directory(made(), changed), END - 1) == "not_found"


@pytest.mark.parametrize(
    ("wrong", "code"),
    [({"user": "nobody"}, "not_found"), ({"token_hash": "A" * 64}, "invalid"), ({"expires_at": "tomorrow"}, "invalid")],
)
def test_a_reset_is_of_a_user_with_a_digest_and_an_end(wrong: dict[str, Any], code: str) -> None:
    assert refused(make_reset, msgspec.structs.replace(MAKE_RESET, **wrong), directory(), "e2") == code


def test_who_signs_up_is_a_member() -> None:
    event = sign_up(SignUp(email="new@example.org", password="long enough"), directory(), "e2", "hash")
    new = user_id("new@example.org")
    assert event == UserCreated(
        id="e2", prev_seq=0, actor=f"user:{new}", user=new, email="new@example.org", role="member", password_hash="hash"
    )


@pytest.mark.parametrize(
    ("wrong", "code"),
    [({"email": "ada@EXAMPLE.org"}, "exists"), ({"email": "no address"}, "invalid"), ({"password": "short"}, "invalid")],
)
def test_nobody_signs_up_twice_or_with_nothing(wrong: dict[str, Any], code: str) -> None:
    command = msgspec.structs.replace(SignUp(email="new@example.org", password="long enough"), **wrong)
    assert refused(sign_up, command, directory(), "e2", "hash") == code
