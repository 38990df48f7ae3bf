"""Intake: is this submission sound, and what exactly is asked for? Pure."""

import hashlib
import re
from functools import lru_cache
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from services.contracts.accounts import Space
from services.contracts.directory import RETENTION_S
from services.contracts.requests import RequestState
from services.gateway.problems import ApiProblem, Flaw
from spaces_agent import frames

MAX_BODY_BYTES = 8 * 1024 * 1024
MAX_INPUT_BYTES = 128 * 1024
"""Inputs travel inside events and frames up to this size; larger ones in files."""
MAX_METADATA_BYTES = 16 * 1024
MAX_START_TIMEOUT_S = 48 * 3600
MAX_EXECUTION_TIMEOUT_S = 24 * 3600
PRIORITY, ATTEMPTS = (-10, 10), (1, 10)
MAX_WAIT_S = 60
_MAX_FLAWS, _MAX_NAME = 20, 64

_OBJECT = {"type": "object"}


class PolicyBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a request is to be treated; what is absent is the space's default."""

    start_timeout_s: Annotated[float, Meta(gt=0, le=MAX_START_TIMEOUT_S)] | UnsetType = UNSET
    execution_timeout_s: Annotated[float, Meta(gt=0, le=MAX_EXECUTION_TIMEOUT_S)] | UnsetType = UNSET
    priority: Annotated[int, Meta(ge=PRIORITY[0], le=PRIORITY[1])] | UnsetType = UNSET
    max_attempts: Annotated[int, Meta(ge=ATTEMPTS[0], le=ATTEMPTS[1])] | UnsetType = UNSET
    retention_s: (
        Annotated[
            float,
            Meta(
                ge=RETENTION_S[0],
                le=RETENTION_S[1],
                description="So long after its end its data are kept; at most as long as the space says.",
            ),
        ]
        | UnsetType
    ) = UNSET


class SubmitBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a submission. A field that we do not know is refused: it may be a typing error."""

    input: Annotated[Raw, Meta(description="What the handler gets; the body has at most 8 MiB.", extra_json_schema=_OBJECT)]
    policy: PolicyBody = PolicyBody()
    metadata: Annotated[
        Raw, Meta(description="Yours, kept with the request; at most 16 KiB.", extra_json_schema=_OBJECT)
    ] = msgspec.field(default_factory=lambda: Raw(b"{}"))


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """A sound submission, defaults filled in. Timeouts are in seconds."""

    input: Raw
    body_sha256: str
    start_timeout_s: float
    execution_timeout_s: float
    priority: int
    max_attempts: int
    metadata: dict[str, Any]
    retention_s: float | None = None
    retry_of: str = ""


T = TypeVar("T", bound=msgspec.Struct)
_decoder = lru_cache(msgspec.json.Decoder)
_object_decoder = msgspec.json.Decoder(dict[str, Any])
_members_decoder = msgspec.json.Decoder(dict[str, Raw])
_WAIT = re.compile(r"(?:^|[,;])\s*wait(?:\s*=\s*\"?(\d{0,9})\"?)?\s*(?:$|[,;])", re.IGNORECASE)
_KEY = re.compile(rb"[\x20-\x7e]{1,255}")


def submission(body: bytes, space: Space) -> Submission:
    """The submission in a body of at most MAX_BODY_BYTES. Raises ApiProblem: invalid_request when it is not JSON,
    payload_too_large, input_invalid with a pointer to each flaw."""
    asked = parsed(body, SubmitBody)
    metadata = _checked(asked.input, asked.metadata)
    policy = asked.policy
    return Submission(
        input=asked.input,
        body_sha256=hashlib.sha256(body).hexdigest(),
        start_timeout_s=_given(policy.start_timeout_s, space.start_timeout_s),
        execution_timeout_s=_given(policy.execution_timeout_s, space.execution_timeout_s),
        priority=0 if policy.priority is UNSET else policy.priority,
        max_attempts=space.max_attempts if policy.max_attempts is UNSET else policy.max_attempts,
        metadata=metadata,
        retention_s=_retention_s(policy, space),
    )


def resubmission(state: RequestState) -> Submission:
    """The submission that a request which has ended was made of, to be made again. Raises ApiProblem."""
    if state.open:
        raise ApiProblem("not_done", "Only a request that has ended can be retried; cancel it first.")
    if state.erased:
        raise ApiProblem("data_expired", "The request's input has been erased, so it cannot be retried.")
    return Submission(
        input=state.input,
        body_sha256=hashlib.sha256(f"retry of {state.rid}".encode()).hexdigest(),
        start_timeout_s=state.start_timeout_s,
        execution_timeout_s=state.execution_timeout_s,
        priority=state.priority,
        max_attempts=state.max_attempts,
        metadata=state.metadata,
        retention_s=state.retention_s,
        retry_of=state.rid,
    )


def wait_s(prefer: str) -> int:
    """How long the client prefers to wait for the outcome, in seconds (`Prefer: wait=n`, RFC 7240, 4.3): at most
    MAX_WAIT_S, which is also what a mere `wait` means. What we do not understand is ignored, as that RFC wants."""
    match = _WAIT.search(prefer)
    return 0 if match is None else min(int(match[1] or MAX_WAIT_S), MAX_WAIT_S)


def idempotency_key(value: bytes) -> str:
    """The value of the header Idempotency-Key. Raises ApiProblem."""
    if _KEY.fullmatch(value) is None:
        raise ApiProblem("invalid_request", "Idempotency-Key must be 1 to 255 printable ASCII characters.")
    return value.decode("ascii")


def key_digest(user: str, space: str, key: str) -> str:
    """The name of the record of an idempotency key: keys of different callers and spaces are different keys."""
    return hashlib.sha256("\0".join((user, space, key)).encode()).hexdigest()


def too_large() -> ApiProblem:
    """The answer to a body of more than MAX_BODY_BYTES."""
    return ApiProblem("payload_too_large", f"The body is larger than {MAX_BODY_BYTES} bytes.")


def _given(value: float | UnsetType, default: float) -> float:
    return default if value is UNSET else value


def _retention_s(policy: PolicyBody, space: Space) -> float | None:
    """What the request says itself; what its space says holds anyway."""
    if policy.retention_s is UNSET:
        return None
    if space.retention_s is not None and policy.retention_s > space.retention_s:
        detail = f"The space keeps data for {space.retention_s:g} s: a request can say less, not more."
        raise ApiProblem("input_invalid", "The body does not fit; see errors.", [Flaw("/policy/retention_s", detail)])
    return policy.retention_s


def parsed(body: bytes, kind: type[T]) -> T:
    """The value in a body. Raises ApiProblem: invalid_request when it is not JSON, input_invalid with a pointer to each
    flaw."""
    try:
        try:
            value: T = _decoder(kind).decode(body)
            return value
        except msgspec.ValidationError:
            flaws = _flaws(body, kind, "")
    except RecursionError:
        raise _too_deep("") from None
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise ApiProblem("invalid_request", f"The body is not JSON in UTF-8: {error}") from None
    raise ApiProblem("input_invalid", "The body does not fit; see errors.", flaws)


def _checked(input: Raw, metadata: Raw) -> dict[str, Any]:
    """The metadata, when both are objects that every decoder down the line can read."""
    if len(bytes(metadata)) > MAX_METADATA_BYTES:
        detail = f"The metadata are larger than {MAX_METADATA_BYTES} bytes."
        raise ApiProblem("payload_too_large", detail, [Flaw("/metadata", detail)])
    _object(input, "/input")
    return _object(metadata, "/metadata")


def _object(raw: Raw, pointer: str) -> dict[str, Any]:
    """The whole value, decoded: while it is raw, numbers out of range and broken UTF-8 go unnoticed."""
    if frames.too_deep(bytes(raw)):
        raise _too_deep(pointer)
    try:
        return _object_decoder.decode(raw)
    except RecursionError:
        raise _too_deep(pointer) from None
    except msgspec.ValidationError as error:
        detail = _detail(error)
        raise ApiProblem("input_invalid", f"{pointer}: {detail}", [Flaw(pointer, detail)]) from None
    except (msgspec.MsgspecError, UnicodeError) as error:
        flaws = [Flaw(pointer, str(error))]
        raise ApiProblem("invalid_request", f"The body is not JSON in UTF-8: {error}", flaws) from None


def _too_deep(pointer: str) -> ApiProblem:
    detail = f"Nested more than {frames.MAX_DEPTH} levels deep."
    return ApiProblem("input_invalid", detail, [Flaw(pointer, detail)])


def _flaws(raw: bytes | Raw, kind: type[msgspec.Struct], pointer: str) -> list[Flaw]:
    """All that is wrong with an object that did not fit its type; the decoder stops at the first."""
    try:
        members = _members_decoder.decode(raw)
    except msgspec.ValidationError as error:
        return [Flaw(pointer, _detail(error))]
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    found = [Flaw(_pointer(pointer, name), "There is no such field.") for name in members if name not in fields]
    for name, field in fields.items():
        here = _pointer(pointer, name)
        if name not in members:
            found += [Flaw(here, "This field is required.")] if field.required else []
        elif isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            found += _flaws(members[name], field.type, here)
        else:
            found += _value_flaws(members[name], field.type, here)
    return found[:_MAX_FLAWS]


def _value_flaws(raw: Raw, kind: Any, pointer: str) -> list[Flaw]:
    try:
        msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        return [Flaw(pointer, _detail(error))]
    return []


def _pointer(parent: str, name: str) -> str:
    return f"{parent}/{name[:_MAX_NAME].replace('~', '~0').replace('/', '~1')}"


def _detail(error: msgspec.ValidationError) -> str:
    """The decoder's message without its own notation of the place."""
    return str(error).partition(" - at `")[0].replace("`", "") + "."
