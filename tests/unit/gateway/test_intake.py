"""Intake: hostile bodies are refused with pointers; sound ones get the space's defaults."""

import hashlib

import msgspec
import pytest

from services.contracts.accounts import Space
from services.gateway import intake
from services.gateway.problems import ApiProblem

SPACE = Space(
    space="demo",
    owner="ada",
    title="",
    connections="many",
    start_timeout_s=600.0,
    execution_timeout_s=90.0,
    max_attempts=3,
)


def refused(body: bytes) -> ApiProblem:
    with pytest.raises(ApiProblem) as caught:
        intake.submission(body, SPACE)
    return caught.value


def pointers(problem: ApiProblem) -> list[str]:
    return [flaw.pointer for flaw in problem.flaws]


def test_what_is_absent_is_the_spaces_default() -> None:
    body = b'{"input": {"prompt": "hi"}}'
    submission = intake.submission(body, SPACE)
    assert bytes(submission.input) == b'{"prompt": "hi"}'
    assert submission.body_sha256 == hashlib.sha256(body).hexdigest()
    assert (submission.start_timeout_s, submission.execution_timeout_s) == (600.0, 90.0)
    assert (submission.priority, submission.max_attempts, submission.metadata) == (0, 3, {})


def test_what_is_given_counts() -> None:
    body = (
        b'{"input":{},"metadata":{"tag":"x"},'
        b'"policy":{"start_timeout_s":5,"execution_timeout_s":0.5,"priority":-10,"max_attempts":10}}'
    )
    submission = intake.submission(body, SPACE)
    assert (submission.start_timeout_s, submission.execution_timeout_s) == (5.0, 0.5)
    assert (submission.priority, submission.max_attempts, submission.metadata) == (-10, 10, {"tag": "x"})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"not json",
        b'{"input": {}} trailing',
        b'{"input": {"n": NaN}}',
        b'{"input": {"n": Infinity}}',
        b'{"input": {"n": 01}}',
        b'{"input": {"text": "\xff\xfe"}}',
        b'{"input": {"\xff": 1}}',
        b'{"input": {"half": "\\ud800"}}',
        b'{"input": {"control": "\x01"}}',
        b'\xef\xbb\xbf{"input": {}}',
        b'{"inp\xffut": {}}',
        b"\x00" * 1000,
        b'{"unknown": 1, "input": {',
        b'{"unknown": 1, "input": {}, "\xff": 1}',
        b'{"input": {}, "policy": {"priority": "high", ',
    ],
)
def test_what_is_not_json_in_utf8_is_malformed(body: bytes) -> None:
    assert refused(body).code == "invalid_request"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"[]", [""]),
        (b"null", [""]),
        (b'"x"', [""]),
        (b"{}", ["/input"]),
        (b'{"input": []}', ["/input"]),
        (b'{"input": "text"}', ["/input"]),
        (b'{"input": null}', ["/input"]),
        (b'{"input": {"n": 1e999}}', ["/input"]),
        (b'{"input": {"n": ' + b"9" * 5000 + b"}}", ["/input"]),
        (b'{"input": {}, "metadata": []}', ["/metadata"]),
        (b'{"input": {}, "inputs": {}}', ["/inputs"]),
        (b'{"input": {}, "a/b~c": 1}', ["/a~1b~0c"]),
        (b'{"input": {}, "policy": null}', ["/policy"]),
        (b'{"input": {}, "policy": {"start_timeout": 5}}', ["/policy/start_timeout"]),
        (b'{"input": {}, "policy": {"start_timeout_s": 0}}', ["/policy/start_timeout_s"]),
        (b'{"input": {}, "policy": {"start_timeout_s": -1}}', ["/policy/start_timeout_s"]),
        (b'{"input": {}, "policy": {"start_timeout_s": 172801}}', ["/policy/start_timeout_s"]),
        (b'{"input": {}, "policy": {"start_timeout_s": "5"}}', ["/policy/start_timeout_s"]),
        (b'{"input": {}, "policy": {"start_timeout_s": null}}', ["/policy/start_timeout_s"]),
        (b'{"input": {}, "policy": {"execution_timeout_s": 86401}}', ["/policy/execution_timeout_s"]),
        (b'{"input": {}, "policy": {"execution_timeout_s": 1e999}}', ["/policy/execution_timeout_s"]),
        (b'{"input": {}, "policy": {"priority": 11}}', ["/policy/priority"]),
        (b'{"input": {}, "policy": {"priority": 0.5}}', ["/policy/priority"]),
        (b'{"input": {}, "policy": {"priority": true}}', ["/policy/priority"]),
        (b'{"input": {}, "policy": {"max_attempts": 0}}', ["/policy/max_attempts"]),
        (b'{"input": {}, "policy": {"max_attempts": 11}}', ["/policy/max_attempts"]),
        (b'{"input": {}, "policy": {"retention_s": 0.5}}', ["/policy/retention_s"]),
        (b'{"input": {}, "policy": {"retention_s": null}}', ["/policy/retention_s"]),
    ],
)
def test_what_does_not_fit_is_pointed_at(body: bytes, expected: list[str]) -> None:
    problem = refused(body)
    assert problem.code == "input_invalid"
    assert pointers(problem) == expected
    assert all(flaw.detail for flaw in problem.flaws)


def test_all_flaws_are_told_at_once() -> None:
    problem = refused(b'{"inputt": {}, "policy": {"priority": 99, "max_attempts": "many", "speed": 1}}')
    assert sorted(pointers(problem)) == ["/input", "/inputt", "/policy/max_attempts", "/policy/priority", "/policy/speed"]


def test_the_list_of_flaws_is_bounded() -> None:
    members = ",".join(f'"{"x" * 500}{n}": 1' for n in range(1000))
    problem = refused(f'{{"input": {{}}, {members}}}'.encode())
    assert len(problem.flaws) <= 20
    assert all(len(flaw.pointer) < 100 for flaw in problem.flaws)


@pytest.mark.parametrize("brackets", [(b"[", b"]"), (b'{"a":', b"}")])
@pytest.mark.parametrize("depth", [101, 400, 2000, 1_000_000])
def test_deep_nesting_is_refused_without_a_crash(brackets: tuple[bytes, bytes], depth: int) -> None:
    opening, closing = brackets
    nested = opening * depth + b"1" + closing * depth
    for body in (b'{"input": {"a": ' + nested + b"}}", b'{"input": {}, "metadata": {"a": ' + nested + b"}}", nested):
        assert refused(body).code in ("input_invalid", "payload_too_large")
    unclosed = b'{"input": {"a": ' + opening * depth
    assert refused(unclosed).code in ("input_invalid", "invalid_request")


def test_many_brackets_side_by_side_or_in_text_are_not_deep() -> None:
    flat = b'{"input": {"rows": [' + b",".join([b"[1]"] * 5000) + b'], "text": "' + b'[{\\"' * 5000 + b'"}}'
    assert len(bytes(intake.submission(flat, SPACE).input)) > 20_000


def test_an_input_may_be_as_large_as_a_body() -> None:
    body = b'{"input": {"a": "' + b"x" * (intake.MAX_BODY_BYTES - 20) + b'"}}'
    assert len(body) == intake.MAX_BODY_BYTES
    assert len(bytes(intake.submission(body, SPACE).input)) > intake.MAX_INPUT_BYTES


def test_metadata_over_their_limit_are_too_large() -> None:
    problem = refused(b'{"input": {}, "metadata": {"a": "' + b"x" * intake.MAX_METADATA_BYTES + b'"}}')
    assert (problem.code, pointers(problem)) == ("payload_too_large", ["/metadata"])


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        ("", 0),
        ("wait=5", 5),
        ("respond-async, wait=10", 10),
        ("Wait = 7 ; x=y", 7),
        ('wait="8"', 8),
        ("wait=61", 60),
        ("wait=999999999", 60),
        ("wait=0", 0),
        ("wait=-1", 0),
        ("wait=soon", 0),
        ("await=5", 0),
        ("wait=" + "9" * 10_000, 0),
    ],
)
def test_the_preferred_wait(prefer: str, seconds: int) -> None:
    assert intake.wait_s(prefer) == seconds


@pytest.mark.parametrize("value", [b"", b"x" * 256, b"tab\t", b"\xc3\xa9", b"line\n", b"\x7f"])
def test_an_idempotency_key_is_printable_ascii_of_bounded_length(value: bytes) -> None:
    with pytest.raises(ApiProblem) as caught:
        intake.idempotency_key(value)
    assert caught.value.status == 400


def test_idempotency_keys_of_different_callers_and_spaces_are_different() -> None:
    assert intake.idempotency_key(b"order 1~") == "order 1~"
    digests = {
        intake.key_digest(*each)
        for each in [("a", "demo", "k"), ("b", "demo", "k"), ("a", "other", "k"), ("a", "demo", "l")]
    }
    assert len(digests) == 4


def test_a_request_keeps_its_data_as_long_as_it_says_but_not_longer_than_its_space() -> None:
    an_hour = msgspec.structs.replace(SPACE, retention_s=3600.0)
    said = b'{"input":{},"policy":{"retention_s":3600}}'
    assert intake.submission(said, SPACE).retention_s == 3600.0
    assert intake.submission(said, an_hour).retention_s == 3600.0
    assert intake.submission(b'{"input":{}}', an_hour).retention_s is None, "the space's own is not written down"
    with pytest.raises(ApiProblem) as caught:
        intake.submission(b'{"input":{},"policy":{"retention_s":3601}}', an_hour)
    assert (caught.value.code, pointers(caught.value)) == ("input_invalid", ["/policy/retention_s"])
