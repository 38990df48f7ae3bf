"""Passwords and sign-in sessions: what is asked of the registry, and what the buckets beside the directory hold."""

import msgspec

from services.contracts.rpc import Message


class CheckPassword(Message, frozen=True, kw_only=True):
    """Whose password is this? Failures are counted for each address, and ten of them within 15 minutes lock it out."""

    email: str
    password: str


class PasswordChecked(Message, frozen=True, kw_only=True):
    """It is this user's; `seq` is the sequence of the event that gave it to them."""

    user: str
    seq: int


class ChangePassword(Message, frozen=True, kw_only=True):
    """Give a user who knows their password another one."""

    user: str
    current_password: str
    new_password: str
    actor: str = "system"


class MakePasswordReset(Message, frozen=True, kw_only=True):
    """Let who has a token set a user's password; the caller made the token and sends only its hash."""

    user: str
    token_hash: str
    actor: str = "system"
    expires_at: str = ""


class ResetPassword(Message, frozen=True, kw_only=True):
    """Set the password of the user whose reset has this token's hash. The user's id comes back in the answer."""

    token_hash: str
    password: str


class SignUp(Message, frozen=True, kw_only=True):
    """A new member, by their own doing: refused for every address that there is, whatever the password."""

    email: str
    password: str


class SessionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The value of a key in `ws_sessions`. `made_at` is in nanoseconds since 1970; the session is good as long as the
    user's password is the one that the event at `password_seq` gave them."""

    user: str
    made_at: int
    password_seq: int


class FailedSignIns(msgspec.Struct, frozen=True, kw_only=True):
    """The value of a key in `ws_sign_ins`: when wrong passwords came for an address, in nanoseconds since 1970."""

    at: list[int]


class KeyUse(msgspec.Struct, frozen=True, kw_only=True):
    """The value of a key in `ws_key_uses`: when the key was used last, to a minute, in nanoseconds since 1970."""

    at: int
