"""What the commands that change passwords come to. PURE; the passwords were hashed, and the current one verified, before."""

import re

from services.contracts.accounts import Directory, User
from services.contracts.directory import PasswordChanged, PasswordResetMade, UserCreated
from services.contracts.sign_in import ChangePassword, MakePasswordReset, ResetPassword, SignUp
from services.registry.directory import check_email, check_password, is_instant, user_id
from services.registry.refusal import Refusal

_HASH = re.compile(r"[0-9a-f]{64}")
_SPENT = "this link has been used, or is too old, or a newer one was made: ask an administrator for another"


def sign_up(command: SignUp, directory: Directory, event_id: str, password_hash: str) -> UserCreated:
    """A new member. Raises Refusal, also when the address is there with just this password: signing up must not be a way
    to try passwords."""
    user = new_user(command, directory)
    return UserCreated(
        id=event_id,
        prev_seq=0,
        actor=f"user:{user}",
        user=user,
        email=command.email,
        role="member",
        password_hash=password_hash,
    )


def new_user(command: SignUp, directory: Directory) -> str:
    """The id of who signs up. Raises Refusal."""
    check_email(command.email)
    check_password(command.password)
    user = user_id(command.email)
    if ("user", user) in directory.sequences:
        raise Refusal("exists", "there is a user with this address already")
    return user


def change(command: ChangePassword, directory: Directory, event_id: str, verified: str, fresh: str) -> PasswordChanged:
    """Another password, whose hash is `fresh`, for who knew the one with the hash `verified`. Raises Refusal."""
    user = _user(command.user, directory)
    if user.password_hash != verified:
        raise Refusal("conflict", "the password was changed at the same time")
    return _changed(user, directory, event_id, command.actor, fresh)


def make_reset(command: MakePasswordReset, directory: Directory, event_id: str) -> PasswordResetMade:
    """A reset of a user's password. Raises Refusal."""
    user = _user(command.user, directory)
    if _HASH.fullmatch(command.token_hash) is None or not is_instant(command.expires_at):
        raise Refusal("invalid", "a reset has a hash of 64 hex digits and ends at an instant in UTC, as in RFC 3339")
    return PasswordResetMade(
        id=event_id,
        prev_seq=directory.sequences["user", user.user],
        actor=command.actor,
        user=user.user,
        token_hash=command.token_hash,
        expires_at=command.expires_at,
    )


def reset(command: ResetPassword, directory: Directory, event_id: str, fresh: str, now: int) -> PasswordChanged:
    """The password, whose hash is `fresh`, for the user of a reset, at an instant (nanoseconds since 1970). Raises
    Refusal."""
    user = user_of_reset(command, directory, now)
    return _changed(user, directory, event_id, f"user:{user.user}", fresh)


def user_of_reset(command: ResetPassword, directory: Directory, now: int) -> User:
    """Whose password the token sets. Raises Refusal."""
    there = directory.resets.get(command.token_hash)
    if there is None or now >= there.expires_at:
        raise Refusal("not_found", _SPENT)
    check_password(command.password)
    return _user(there.user, directory)


def _user(id: str, directory: Directory) -> User:
    user = directory.users.get(id)
    if user is None:
        raise Refusal("not_found", "no such user")
    return user


def _changed(user: User, directory: Directory, event_id: str, actor: str, fresh: str) -> PasswordChanged:
    seq = directory.sequences["user", user.user]
    return PasswordChanged(id=event_id, prev_seq=seq, actor=actor, user=user.user, password_hash=fresh)
