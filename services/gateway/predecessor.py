"""What the predecessor's clients send and read, in terms of ours. Pure."""

import hashlib
from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from services.contracts.accounts import Space
from services.contracts.features import FEATURES
from services.contracts.lifecycle import Status
from services.gateway.intake import MAX_INPUT_BYTES, Submission
from services.gateway.problems import ApiProblem, Flaw
from services.gateway.view import Instant, RequestObject

START_TIMEOUT_S = 120.0
"""A request that has not started by then is over: the predecessor's clients give up after two minutes."""
DEPRECATED_AT = 1_796_083_200
"""2026-12-01, in seconds since 1970: nothing new comes here from then on."""

LegacyStatus = Literal["queued", "processing", "completed", "failed"]
_STATUSES: Mapping[Status, LegacyStatus] = {
    "queued": "queued",
    "processing": "processing",
    "succeeded": "completed",
    "failed": "failed",
    "canceled": "failed",
    "expired": "failed",
}


class LegacyForm(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a submission's form, at least one; those of files take a file, or a URI as text."""

    prompt: Annotated[str, Meta(description="What the handler is asked.")] | UnsetType = UNSET
    audio: Annotated[str, Meta(description="A recording.")] | UnsetType = UNSET
    video: Annotated[str, Meta(description="A film.")] | UnsetType = UNSET
    file: Annotated[str, Meta(description="Any other file.")] | UnsetType = UNSET


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


def submission(fields: Mapping[str, str], space: Space) -> Submission:
    """The submission in a form. Raises ApiProblem."""
    unknown = [name for name in fields if name not in FEATURES]
    if unknown:
        raise _invalid(unknown[0], f"There is no such field: the form has {', '.join(FEATURES)}.")
    # A form in a page sends fields that were left empty too.
    given = {name: value for name, value in fields.items() if value}
    if not given:
        raise _invalid("", f"The form needs one of {', '.join(FEATURES)}.")
    input = msgspec.json.encode(given)
    if len(input) > MAX_INPUT_BYTES:
        raise ApiProblem("payload_too_large", f"The fields are larger than {MAX_INPUT_BYTES} bytes.")
    return Submission(
        input=Raw(input),
        body_sha256=hashlib.sha256(input).hexdigest(),
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


def _invalid(name: str, detail: str) -> ApiProblem:
    return ApiProblem("input_invalid", detail, [Flaw(f"/{name[:64]}" if name else "", detail)])
