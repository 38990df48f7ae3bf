"""From what a handler returned or raised to the `result` frame. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from spaces_agent import frames
from spaces_agent.errors import FileFailed, FileGone, Retry

_LONGEST_MESSAGE = 2000
_TEXT_CHARACTERS = 16 * 1024
"""Longer texts are yielded in parts: each takes at most six bytes for each of its characters."""

# The standard encoder, since it refuses what is not JSON: others write NaN as null, or invent a form for objects.
_encoder = json.JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":"))


class BadOutput(Exception):
    """What the handler returned or yielded cannot be an output; carries the error for the user."""

    def __init__(self, error: frames.HandlerError) -> None:
        super().__init__(error.message)
        self.error = error


def encode_output(value: Any, max_bytes: int) -> bytes:
    """The output as JSON. Raises BadOutput: not JSON, more than `max_bytes`, or nested too deep."""
    data = _encode(value, "returned")
    if len(data) > max_bytes:
        raise too_large(str(len(data)), max_bytes)
    _check_depth(data)
    return data


def encode_chunks(value: Any) -> Iterator[bytes]:
    """One part of an output as JSON; a long text comes in several. Raises BadOutput: not JSON, nested too deep, or too large
    for one frame."""
    if not isinstance(value, str):
        yield encode_chunk(value)
        return
    for start in range(0, max(len(value), 1), _TEXT_CHARACTERS):
        yield encode_chunk(value[start : start + _TEXT_CHARACTERS])


def encode_chunk(value: Any) -> bytes:
    """The same of what is no long text."""
    data = _encode(value, "yielded")
    if not data.startswith(b'"'):
        most = frames.MAX_DATA_BYTES - len(b"[]")
        if len(data) > most:
            message = f"the handler yielded a value of {len(data)} bytes of JSON; one may have {most}: yield it in parts"
            raise BadOutput(_error("output_too_large", message))
        _check_depth(b"[%b]" % data)  # as a part it is one level deeper
    return data


def too_large(has: str, max_bytes: int) -> BadOutput:
    """The error for an output with this number of bytes."""
    message = f"the output has {has} bytes of JSON; at most {max_bytes} are allowed"
    if max_bytes >= frames.MAX_VALUE_BYTES:
        message += ". Save what is larger with context.files.save, and return the reference"
    return BadOutput(_error("output_too_large", message))


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """An output in a file: its id, and the digest of its bytes."""

    file: str
    sha256: str


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What a result tells of the run behind it; durations as in frames.Result."""

    started_s: float
    run_s: float
    first_output_s: float = 0.0
    last_index: int = 0
    log_tail: str = ""


def succeeded(work: frames.RequestFrame, output: bytes | Stored, run: Run) -> frames.Result:
    """The result of a handler with this output, JSON or in a file."""
    if isinstance(output, Stored):
        result = _result(work, run, "succeeded", b"null", None)
        return msgspec.structs.replace(result, output_file=output.file, sha256=output.sha256)
    return _result(work, run, "succeeded", output, None)


def failed(work: frames.RequestFrame, error: frames.HandlerError, run: Run) -> frames.Result:
    """The result of a handler that failed."""
    return _result(work, run, "failed", b"null", error)


def raised(error: BaseException) -> frames.HandlerError:
    """What the user is told about an exception: its type and text, never where in the code it happened."""
    if isinstance(error, BadOutput):
        return error.error
    text = _short(error)
    if isinstance(error, FileGone):
        return _error("data_expired", text)
    if isinstance(error, FileFailed):
        return frames.HandlerError(code="handler_error", message=clean(text), retryable=error.retryable)
    if isinstance(error, Retry):
        message = clean(text) or "the handler asks to be tried again"
        return frames.HandlerError(code="handler_error", message=message, retryable=True)
    return _error("handler_error", f"{type(error).__name__}: {text}" if text else type(error).__name__)


def clean(text: str) -> str:
    """The text without what is none: half of a surrogate pair is not Unicode, and a NUL no text for a database."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")


def _result(
    work: frames.RequestFrame,
    run: Run,
    status: Literal["succeeded", "failed"],
    output: bytes,
    error: frames.HandlerError | None,
) -> frames.Result:
    return frames.Result(
        request_id=work.request_id,
        attempt=work.attempt,
        lease=work.lease,
        status=status,
        sha256=hashlib.sha256(output if error is None else msgspec.json.encode(error)).hexdigest(),
        output=msgspec.Raw(output),
        error=error,
        last_index=run.last_index,
        started_s=run.started_s,
        run_s=run.run_s,
        first_output_s=run.first_output_s,
        log_tail=run.log_tail,
    )


def _encode(value: Any, how: str) -> bytes:
    try:
        return _encoder.encode(value).encode()
    except (TypeError, ValueError, RecursionError) as error:
        text = f"the handler {how} what is not JSON: {_short(error)}"
        raise BadOutput(_error("handler_error", text)) from error


def _check_depth(data: bytes) -> None:
    if frames.too_deep(data):
        raise BadOutput(_error("handler_error", f"the output is nested more than {frames.MAX_DEPTH} levels deep"))


def _error(code: str, message: str) -> frames.HandlerError:
    return frames.HandlerError(code=code, message=clean(message))


def _short(error: BaseException) -> str:
    try:
        text = str(error)
    except BaseException:  # the exception's own code is the handler's
        return ""
    return text if len(text) <= _LONGEST_MESSAGE else text[:_LONGEST_MESSAGE] + "…"
