"""What the predecessor's clients send and read."""

from typing import Any

import msgspec
import pytest

from services.contracts.accounts import Space
from services.gateway import predecessor
from services.gateway.api import examples
from services.gateway.predecessor import LegacyRequest, legacy_request
from services.gateway.problems import ApiProblem, request_error
from services.gateway.view import RequestObject

DEMO = Space(
    space="demo",
    owner="ada",
    title="",
    connections="many",
    start_timeout_s=3600,
    execution_timeout_s=7,
    max_attempts=3,
)


def read(request: RequestObject = examples.SUCCEEDED, **changes: Any) -> LegacyRequest:
    return legacy_request(msgspec.structs.replace(request, **changes))


def test_a_form_becomes_an_input_without_the_fields_that_were_left_empty() -> None:
    made = predecessor.submission({"prompt": "hello", "audio": "", "file": "data:,x"}, {}, DEMO)
    assert msgspec.json.decode(made.input) == {"prompt": "hello", "file": "data:,x"}
    assert (made.execution_timeout_s, made.max_attempts) == (7, 3)


def test_a_form_is_the_same_when_its_files_are_whatever_their_ids() -> None:
    first, again, other = (
        predecessor.submission({"prompt": "x", "file": id}, {"file": digest}, DEMO).body_sha256
        for id, digest in (("/v1/files/a", "d1"), ("/v1/files/b", "d1"), ("/v1/files/a", "d2"))
    )
    assert first == again != other


@pytest.mark.parametrize(("space_s", "start_timeout_s"), [(3600.0, 120.0), (30.0, 30.0)])
def test_it_is_to_start_within_two_minutes_or_what_the_space_says(space_s: float, start_timeout_s: float) -> None:
    space = msgspec.structs.replace(DEMO, start_timeout_s=space_s)
    assert predecessor.submission({"prompt": "x"}, {}, space).start_timeout_s == start_timeout_s


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({}, ""),
        ({"prompt": "", "audio": ""}, ""),
        ({"prompt": "x", "text": "y"}, "/text"),
    ],
)
def test_a_form_that_is_none_of_its_own_is_refused(fields: dict[str, str], pointer: str) -> None:
    with pytest.raises(ApiProblem) as refused:
        predecessor.submission(fields, {}, DEMO)
    assert refused.value.code == "input_invalid"
    assert [flaw.pointer for flaw in refused.value.flaws] == [pointer]


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        ("queued", "queued"),
        ("processing", "processing"),
        ("succeeded", "completed"),
        ("failed", "failed"),
        ("canceled", "failed"),
        ("expired", "failed"),
    ],
)
def test_every_status_has_its_old_name(status: str, shown: str) -> None:
    assert read(status=status).status == shown


def test_an_outcome_is_shown_with_its_time() -> None:
    request = examples.SUCCEEDED
    assert read() == LegacyRequest(
        request_id=request.id,
        space_id="demo",
        status="completed",
        created_at=request.created_at,
        updated_at=str(request.completed_at),
        result=request.output,
        error=None,
        url=f"/v1/requests/{request.id}",
    )


def test_while_it_is_open_it_was_updated_when_it_came_or_was_assigned() -> None:
    assert read(examples.QUEUED).updated_at == examples.QUEUED.created_at
    assigned_at = examples.SUCCEEDED.assigned_at
    assert read(examples.QUEUED, status="processing", assigned_at=assigned_at).updated_at == assigned_at


def test_what_failed_says_why() -> None:
    assert read(status="failed", error=request_error("handler_error", "boom", False)).error == "boom"
    assert read(status="canceled").error == "It was canceled."
