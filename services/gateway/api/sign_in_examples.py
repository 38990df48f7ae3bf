"""Examples of signing in and passwords, as values of the wire types."""

import msgspec

from services.gateway.api import account_examples as accounts
from services.gateway.signing_in import (
    PasswordBody,
    PasswordResetObject,
    ResetBody,
    SessionBody,
    SessionObject,
    SignUpBody,
)

TOKEN = f"wsr_{'0123456789' * 4}"
EXPIRES_AT = "2026-01-02T10:00:00.000000Z"

SESSION_BODY = msgspec.convert({"email": "ada@example.org", "password": "correct horse"}, SessionBody)
SESSION = SessionObject(user=accounts.USER, csrf_token="0123456789" * 4, expires_at=EXPIRES_AT)
PASSWORD_BODY = msgspec.convert(
    {"current_password": "correct horse", "new_password": "battery staple"},
    PasswordBody,
)
PASSWORD_RESET = PasswordResetObject(
    user=accounts.USER, token=TOKEN, url=f"https://spaces.example.org/password-reset#{TOKEN}", expires_at=EXPIRES_AT
)
RESET_BODY = msgspec.convert({"token": TOKEN, "password": "battery staple"}, ResetBody)
SIGN_UP_BODY = msgspec.convert({"email": "ada@example.org", "password": "correct horse"}, SignUpBody)
