"""What the API still offers to clients of the predecessor; see `operations`."""

import dataclasses
from typing import Any

from services.gateway.api import examples
from services.gateway.api.operation import BYTES, KEY_PROBLEMS, Answer, Header, Operation, Parameter, Tag
from services.gateway.api.space_operations import SPACE_PARAMETER
from services.gateway.predecessor import DEPRECATED_AT, FILE_FIELDS, legacy_request

PREDECESSOR_TAG = Tag("Predecessor", "The two routes that clients of the predecessor know; new ones use the others.")
DEPRECATION = Header(
    "Deprecation",
    "Since when nothing new should come here (RFC 9745).",
    {"type": "string", "pattern": "^@[0-9]+$"},
    f"@{DEPRECATED_AT}",
)
_URI: dict[str, Any] = {"type": "string", "description": "A URI, `https` or `data`."}


def _form(file: dict[str, Any]) -> dict[str, Any]:
    prompt = {"type": "string", "description": "What the handler is asked."}
    fields = {"prompt": prompt} | dict.fromkeys(FILE_FIELDS, file)
    return {
        "type": "object",
        "properties": fields,
        "additionalProperties": False,
        "minProperties": 1,
        "examples": [{"prompt": "hello"}],
    }


_PROBLEMS = {
    **KEY_PROBLEMS,
    "forbidden": "The key is an agent's, or lacks a scope, or is not for this space.",
}

LEGACY_SUBMIT = Operation(
    id="legacy_submit",
    scopes=("submit",),
    method="POST",
    deprecated=True,
    path="/websockets/submit/{space_id}",
    tag=PREDECESSOR_TAG,
    summary="Submit a form to a space",
    description="At least one field. The request fails unless it is started within two minutes.",
    parameters=(
        dataclasses.replace(SPACE_PARAMETER, name="space_id"),
        Parameter(
            "Idempotency-Key",
            "header",
            "The same key and fields within 24 hours are the same request.",
            {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
            "order-4711",
        ),
    ),
    raw_body={
        "multipart/form-data": _form({"anyOf": [dict(BYTES), dict(_URI)]}),
        "application/x-www-form-urlencoded": _form(dict(_URI)),
    },
    answers={200: Answer("Accepted.", legacy_request(examples.QUEUED), (DEPRECATION,))},
    problems={
        **_PROBLEMS,
        "invalid_request": "The body is no such form, or the Idempotency-Key is none.",
        "payload_too_large": "A file is larger than one may be, or the other fields are larger than 8 MiB.",
        "data_expired": "A file that a field refers to is no longer kept.",
        "input_invalid": "A field is not known, or does not fit the space's schema, or there is none.",
        "not_found": "There is no such space.",
        "queue_full": "As many requests of the space wait as its `queue_limit` allows.",
        "space_disabled": "The space is disabled.",
        "no_agent_online": "No agent of the space is connected.",
        "feature_disabled": "The space has that field switched off.",
        "idempotency_mismatch": "The Idempotency-Key came with other fields before.",
    },
)
LEGACY_STATUS = Operation(
    id="legacy_status",
    scopes=("read",),
    method="GET",
    deprecated=True,
    path="/websockets/status",
    tag=PREDECESSOR_TAG,
    summary="Read what became of a request",
    description="As `GET /v1/requests/{id}`, in the predecessor's words.",
    parameters=(
        Parameter("request_id", "query", "The request's id.", {"type": "string", "pattern": "^[0-9a-f]{34}$"}, examples.ID),
    ),
    answers={200: Answer("The request.", legacy_request(examples.SUCCEEDED), (DEPRECATION,))},
    problems={
        **_PROBLEMS,
        "invalid_request": "There is no `request_id`, or another parameter.",
        "not_found": "There is no such request, or it is not the caller's.",
    },
)
PREDECESSOR_OPERATIONS = (LEGACY_SUBMIT, LEGACY_STATUS)
