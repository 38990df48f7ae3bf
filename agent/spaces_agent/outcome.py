"""From what a handler returned or raised to the `result` frame. Pure."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import msgspec

from spaces_agent import frames

_LONGEST_MESSAGE = 2000

# The standard encoder, since it refuses what is not JSON: others write NaN as null, or invent a form for objects.
_encoder = json.JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":"))


class BadOutput(Exception):
    """What the handler returned cannot be an output; carries the error for the user."""

    def __init__(self, error: frames.HandlerError) -> None:
        super().__init__(error.message)
        self.error = error


def encode_output(value: Any, max_bytes: int) -> bytes:
    """The output as JSON. Raises BadOutput: not JSON, more than `max_bytes`, or nested too deep."""
    try:
        data = _encoder.encode(value).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise BadOutput(_error("handler_error", f"the handler returned what is not JSON: {_short(error)}")) from error
    if len(data) > max_bytes:
        text = f"the output has {len(data)} bytes of JSON; at most {max_bytes} are allowed"
        raise BadOutput(_error("output_too_large", text))
    if frames.too_deep(data):
        raise BadOutput(_error("handler_error", f"the output is nested more than {frames.MAX_DEPTH} levels deep"))
    return data


def succeeded(work: frames.RequestFrame, output: bytes, *, started_s: float, run_s: float) -> frames.Result:
    """The result of a handler that returned this output (JSON)."""
    return frames.Result(
        request_id=work.request_id,
        attempt=work.attempt,
        lease=work.lease,
        status="succeeded",
        sha256=hashlib.sha256(output).hexdigest(),
        output=msgspec.Raw(output),
        started_s=started_s,
        run_s=run_s,
    )


def failed(work: frames.RequestFrame, error: frames.HandlerError, *, started_s: float, run_s: float) -> frames.Result:
    """The result of a handler that failed."""
    return frames.Result(
        request_id=work.request_id,
        attempt=work.attempt,
        lease=work.lease,
        status="failed",
        sha256=hashlib.sha256(msgspec.json.encode(error)).hexdigest(),
        error=error,
        started_s=started_s,
        run_s=run_s,
    )


def raised(error: BaseException) -> frames.HandlerError:
    """What the user is told about an exception: its type and text, never where in the code it happened."""
    if isinstance(error, BadOutput):
        return error.error
    text = _short(error)
    return _error("handler_error", f"{type(error).__name__}: {text}" if text else type(error).__name__)


def _error(code: str, message: str) -> frames.HandlerError:
    # Half of a surrogate pair is no Unicode text, and a NUL no text for a database.
    message = message.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")
    return frames.HandlerError(code=code, message=message)


def _short(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # the exception's own code is the handler's
        return ""
    return text if len(text) <= _LONGEST_MESSAGE else text[:_LONGEST_MESSAGE] + "…"
