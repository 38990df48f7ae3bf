"""What an HTTP answer means. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from spaces_client.errors import Flaw, InvalidAnswer, ProblemError

PROBLEM_TYPE = "application/problem+json"
TRY_AGAIN = frozenset({502, 503, 504})
"""Nothing is wrong with the request: the gateway, or what stands before it, cannot answer for the moment."""
ABOUT_THE_SPACE = frozenset({"space_disabled", "no_agent_online"})
"""Such answers that hold for as long as somebody leaves the space as it is: told at once."""


class _Body(msgspec.Struct, frozen=True):
    code: str = ""
    detail: str = ""
    title: str = ""
    request_id: str = ""
    retryable: bool = False
    errors: list[Flaw] = []


_decoder = msgspec.json.Decoder(_Body)


def check(status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Return for a success. Raises ProblemError for a refusal, and InvalidAnswer for what a gateway does not answer."""
    if 200 <= status < 300:
        return
    if 300 <= status < 400:
        raise InvalidAnswer(f"it answered {status} and named {headers.get('location', 'nothing')}: is the URL right?")
    if _media_type(headers) != PROBLEM_TYPE and status not in TRY_AGAIN:
        raise InvalidAnswer(f"it answered {status}, but not as a gateway does: is the URL right?")
    raise problem(status, headers, body)


def problem(status: int, headers: Mapping[str, str], body: bytes) -> ProblemError:
    """The refusal in an answer, also when it came without a problem object, from a proxy for example."""
    told = _Body()
    if _media_type(headers) == PROBLEM_TYPE and body:  # an answer to HEAD has none
        try:
            told = _decoder.decode(body)
        except (msgspec.MsgspecError, UnicodeError):
            told = _Body(detail="its reason cannot be read")
    return ProblemError(
        status,
        told.code or f"http_{status}",
        told.detail or told.title or f"the gateway, or something before it, answered {status}",
        request_id=told.request_id or headers.get("x-request-id", ""),
        retryable=told.retryable or status in TRY_AGAIN,
        errors=told.errors,
    )


def detail(data: str) -> str:
    """What a problem object in a stream of events says."""
    try:
        told = _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeError):
        return "the gateway did not say why"
    return told.detail or told.title or told.code


def retry_after_s(headers: Mapping[str, str]) -> float:
    """How many seconds the gateway asks us to wait; 0 when it does not, or names a date (RFC 9110, 10.2.3)."""
    value = headers.get("retry-after", "")
    return float(value) if value.isascii() and value.isdigit() and len(value) < 10 else 0.0


def _media_type(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()
