"""The operation on who did what; `operations` offers it."""

import dataclasses

from services.contracts.audit import TYPES
from services.gateway.api import audit_examples as examples
from services.gateway.api.account_examples import USER_ID
from services.gateway.api.account_operations import USERS_TAG
from services.gateway.api.operation import Answer, Operation, Parameter
from services.gateway.api.paging import LIST_PROBLEMS, PAGING
from services.gateway.api.space_operations import SPACE_PARAMETER

_STRING = {"type": "string"}
_TYPE = "|".join(TYPES)
_INSTANT = {"type": "string", "format": "date-time"}

AUDIT = Operation(
    id="audit",
    scopes=("manage",),
    role="admin",
    whole=True,
    method="GET",
    path="/v1/audit",
    tag=USERS_TAG,
    summary="Who did what to users, keys and spaces, the newest first",
    description="From the directory's events: each change makes one, and they are kept for ever. Without hashes of "
    "passwords and keys. What was done before the call is in it, unless the log is behind.",
    parameters=(
        Parameter(
            "actor", "query", "Only what this user did, by id or e-mail address; `system`: nobody.", _STRING, examples.ACTOR
        ),
        Parameter(
            "user",
            "query",
            "Only what concerns this user, by id or e-mail address: their account, their keys, spaces made theirs, and "
            "what they are a member of.",
            _STRING,
            USER_ID,
        ),
        dataclasses.replace(SPACE_PARAMETER, place="query", description="Only what was done to this space."),
        Parameter(
            "type",
            "query",
            "Only events of this type; several: repeated, or separated by commas.",
            {"type": "string", "pattern": f"^({_TYPE})(,({_TYPE}))*$"},
            examples.TYPE,
        ),
        Parameter("since", "query", "Only what was done at this instant or later (RFC 3339).", _INSTANT, examples.SINCE),
        Parameter("until", "query", "Only what was done before this instant (RFC 3339).", _INSTANT, examples.UNTIL),
        *PAGING,
    ),
    answers={200: Answer("A page of what was done.", examples.AUDITS)},
    problems={
        **LIST_PROBLEMS,
        "forbidden": "The key is an agent's, or lacks a scope, or is limited to spaces, or is no administrator's.",
        "not_found": "There is no such user, or there never was such a space.",
    },
)
AUDIT_OPERATIONS = (AUDIT,)
