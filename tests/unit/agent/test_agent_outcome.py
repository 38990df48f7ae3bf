"""What a handler returns or raises, and the frame that is made of it."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from spaces_agent import Retry, frames, outcome

WORK = frames.Accept(request_id="0" * 34, attempt=2, lease=5)
RUN = outcome.Run(started_s=0.1, run_s=0.2, first_output_s=0.15, last_index=3, log_tail="end")


def error_of(value: Any, max_bytes: int = 1000) -> frames.HandlerError:
    with pytest.raises(outcome.BadOutput) as caught:
        outcome.encode_output(value, max_bytes)
    return caught.value.error


def test_an_output_is_any_json_value() -> None:
    assert outcome.encode_output({"a": [1, None, "é"]}, 1000) == '{"a":[1,null,"é"]}'.encode()


def test_a_result_carries_the_digest_of_its_output() -> None:
    result = outcome.succeeded(WORK, b"[1]", RUN)
    assert result.sha256 == hashlib.sha256(b"[1]").hexdigest()
    assert (result.request_id, result.attempt, result.lease, result.status) == ("0" * 34, 2, 5, "succeeded")
    assert (result.started_s, result.run_s, result.first_output_s) == (0.1, 0.2, 0.15)
    assert (result.last_index, result.log_tail) == (3, "end")


@pytest.mark.parametrize("value", [float("nan"), [float("inf")], object(), {"x": b"bytes"}, {(1, 2): 3}, "\ud800"])
def test_what_is_not_json_fails_with_a_clear_message(value: Any) -> None:
    error = error_of(value)
    assert error.code == "handler_error"
    assert error.message.startswith("the handler returned what is not JSON: ")


def test_what_contains_itself_is_not_json() -> None:
    value: list[Any] = []
    value.append(value)
    assert error_of(value).code == "handler_error"


def test_an_output_over_the_limit_is_named_as_such() -> None:
    assert outcome.encode_output("x" * 98, 100)
    error = error_of("x" * 99, 100)
    assert error.code == "output_too_large"
    assert "101 bytes" in error.message
    assert "100 are allowed" in error.message


def test_an_exception_is_told_by_type_and_text_only() -> None:
    assert outcome.raised(KeyError("x")) == frames.HandlerError(code="handler_error", message="KeyError: 'x'")
    assert outcome.raised(ValueError()).message == "ValueError"


def test_a_handler_may_ask_to_be_tried_again() -> None:
    error = outcome.raised(Retry("the device\x00is busy"))
    assert error == frames.HandlerError(code="handler_error", message="the device\ufffdis busy", retryable=True)
    assert outcome.raised(Retry()).message == "the handler asks to be tried again"


def test_a_long_or_unprintable_exception_still_fits_into_a_frame() -> None:
    error = outcome.raised(ValueError("\ud800\x00" + "x" * 100_000))
    assert len(error.message) < 3000
    assert "\x00" not in error.message
    assert frames.encode(outcome.failed(WORK, error, RUN))


@pytest.mark.parametrize("error", [RuntimeError("no"), SystemExit("no")], ids=repr)
def test_an_exception_that_cannot_be_printed_is_told_by_its_type(error: BaseException) -> None:
    class Rude(Exception):
        def __str__(self) -> str:
            raise error

    assert outcome.raised(Rude()).message == "Rude"


def test_an_output_that_others_could_not_decode_is_refused() -> None:
    value: Any = 1
    for _ in range(frames.MAX_DEPTH):
        value = [value]
    assert outcome.encode_output(value, 1000)
    error = error_of([value])
    assert (error.code, error.message) == ("handler_error", "the output is nested more than 100 levels deep")
