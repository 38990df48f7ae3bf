"""Examples of keys and users, as values of the wire types."""

import msgspec

from services.gateway.granting import (
    KeyBody,
    KeyObject,
    KeysObject,
    MadeKeyObject,
    RoleBody,
    UserBody,
    UserObject,
    UsersObject,
)

KEY_ID, USER_ID = "5f0c9be2a4d71836", "7ba684f146c94457"

KEY_BODY = KeyBody(name="nightly job", scopes=["submit", "read"], spaces=["demo"], expires_in_s=86400, max_in_flight=4)
KEY = KeyObject(
    id=KEY_ID,
    kind="api",
    name="nightly job",
    user=USER_ID,
    scopes=["read", "submit"],
    spaces=["demo"],
    origins=[],
    max_in_flight=4,
    expires_at="2026-01-02T10:00:00.000000Z",
    last_used_at="2026-01-01T12:30:00.000000Z",
)
MADE_KEY = MadeKeyObject(**{**msgspec.structs.asdict(KEY), "last_used_at": None}, secret=f"wsk_{'0123456789' * 4}")
KEYS = KeysObject(results=[KEY])
USER_BODY = msgspec.convert({"email": "ada@example.org", "password": "correct horse"}, UserBody)
USER = UserObject(id=USER_ID, email="ada@example.org", role="member", disabled=False)
DISABLED = msgspec.structs.replace(USER, disabled=True)
ROLE_BODY = RoleBody(role="admin")
ADMIN = msgspec.structs.replace(USER, role="admin")
USERS = UsersObject(results=[USER])
