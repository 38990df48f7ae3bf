"""Examples of who did what, as values of the wire types."""

from services.gateway.api.account_examples import USER_ID
from services.gateway.audit import AuditObject, AuditsObject, PersonObject, SubjectObject

ACTOR = "root@example.org"
TYPE = "user_role_set"
SINCE, UNTIL = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
_ROOT = "4813494d137e1631"
_EVENT_ID = "0b7f6a52c1d94e3f8a5d3a3f6c2f9e70"

AUDITS = AuditsObject(
    results=[
        AuditObject(
            id=_EVENT_ID,
            at="2026-01-01T10:00:00.000000Z",
            type=TYPE,
            actor=PersonObject(id=_ROOT, email=ACTOR),
            subject=SubjectObject(kind="user", id=USER_ID, name="ada@example.org"),
            user=None,
            event={
                "type": TYPE,
                "id": _EVENT_ID,
                "prev_seq": 41,
                "actor": f"user:{_ROOT}",
                "user": USER_ID,
                "role": "admin",
            },
        )
    ],
    next=None,
    previous=None,
)
