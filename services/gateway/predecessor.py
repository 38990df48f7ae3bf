"""What the predecessor's clients send and read, in terms of ours. Pure."""

import hashlib
from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Raw

from services.contracts.accounts import Space
from services.contracts.features import FEATURES
from services.contracts.lifecycle import Status
from services.gateway.intake import MAX_BODY_BYTES, Submission
from services.gateway.problems import ApiProblem, Flaw
from services.gateway.view import Instant, RequestObject

START_TIMEOUT_S = 120.0
"""A request that has not started by then is over: the predecessor's clients give up after two minutes."""
DEPRECATED_AT = 1_796_083_200
"""2026-12-01, in seconds since 1970: nothing new comes here from then on."""

FILE_FIELDS = tuple(name for name in FEATURES if name != "prompt")
LegacyStatus = Literal["queued", "processing", "completed", "failed"]
_STATUSES: Mapping[Status, LegacyStatus] = {
    "queued": "queued",
    "processing": "processing",
    "succeeded": "completed",
    "failed": "failed",
    "canceled": "failed",
    "expired": "failed",
}


class LegacyRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request as the predecessor's clients read it. `result` is what the handler returned, `error` why there is none.
    Canceled requests, and those that were not started in time, are `failed`."""

    request_id: str
    space_id: str
    status: LegacyStatus
    created_at: Instant
    updated_at: Annotated[Instant, Meta(description="When it came to this status.")]
    result: Annotated[Raw, Meta(extra_json_schema={})]
    error: str | None
    url: Annotated[str, Meta(description="The same request in `/v1`.")]


def submission(fields: Mapping[str, str], digests: Mapping[str, str], space: Space) -> Submission:
    """The submission in a form; `digests` has the SHA-256 of the files that came in it, by field: a form that is sent again
    brings the same files under other ids. Raises ApiProblem."""
    unknown = [name for name in fields if name not in FEATURES]
    if unknown:
        raise unknown_field(unknown[0])
    # A form in a page sends fields that were left empty too.
    given = {name: value for name, value in fields.items() if value}
    if not given:
        raise _invalid("", f"The form needs one of {', '.join(FEATURES)}.")
    input = msgspec.json.encode(given)
    # A quotation mark is two bytes of JSON, a control character six.
    if len(input) > MAX_BODY_BYTES:
        raise ApiProblem("payload_too_large", f"The fields come to more than {MAX_BODY_BYTES} bytes of JSON.")
    return Submission(
        input=Raw(input),
        body_sha256=hashlib.sha256(msgspec.json.encode({**given, **digests})).hexdigest(),
        start_timeout_s=min(START_TIMEOUT_S, space.start_timeout_s),
        execution_timeout_s=space.execution_timeout_s,
        priority=0,
        max_attempts=space.max_attempts,
        metadata={},
    )


def legacy_request(request: RequestObject) -> LegacyRequest:
    """The same request as the predecessor's clients read it."""
    return LegacyRequest(
        request_id=request.id,
        space_id=request.space,
        status=_STATUSES[request.status],
        created_at=request.created_at,
        updated_at=request.completed_at or request.assigned_at or request.created_at,
        result=request.output,
        error=_error(request),
        url=request.urls.itself,
    )


def _error(request: RequestObject) -> str | None:
    if request.error is not None:
        return request.error.detail
    return "It was canceled." if request.status == "canceled" else None


def unknown_field(name: str) -> ApiProblem:
    """The answer to a field that is none of the form's, or takes no file."""
    return _invalid(name, f"There is no such field: the form has {', '.join(FEATURES)}; files come in the last three.")


def _invalid(name: str, detail: str) -> ApiProblem:
    return ApiProblem("input_invalid", detail, [Flaw(f"/{name[:64]}" if name else "", detail)])
