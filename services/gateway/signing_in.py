"""Bodies and answers of signing in, passwords and sign-up."""

from typing import Annotated

import msgspec
from msgspec import Meta

from services.gateway.granting import UserObject
from services.gateway.view import Instant

Email = Annotated[str, Meta(max_length=254)]
Password = Annotated[str, Meta(min_length=8, max_length=1024)]
AnyPassword = Annotated[str, Meta(max_length=1024)]


class SessionBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who signs in."""

    email: Email
    password: AnyPassword


class SessionObject(msgspec.Struct, frozen=True, kw_only=True):
    """A sign-in session. `csrf_token` goes along with everything but GET and HEAD, in the header X-CSRF-Token."""

    user: UserObject
    csrf_token: str
    expires_at: Instant


class PasswordBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another password for the caller."""

    current_password: AnyPassword
    new_password: Password


class PasswordResetObject(msgspec.Struct, frozen=True, kw_only=True):
    """With `token`, which is shown this once, the user sets a new password, once. `url` is the page for that."""

    user: UserObject
    token: str
    url: str
    expires_at: Instant


class ResetBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new password for the user of a reset."""

    token: Annotated[str, Meta(max_length=200)]
    password: Password


class SignUpBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who signs up."""

    email: Email
    password: Password
