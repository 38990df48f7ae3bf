"""Outcomes whose output refers to files, or is one."""

import hashlib
from typing import Any

import msgspec
import pytest

from services.contracts.events import Failed, Problem, Succeeded
from services.gateway import replies, results
from services.gateway.granted import Granted
from services.gateway.leases import Lease
from spaces_agent import frames
from tests.contracts.examples import ACCEPTED, REQUEST_EVENTS, RID

SHA = "ab" * 32
OWN = f"{RID}.7.{'1' * 32}"
LEASE = Lease(RID, 1, 7, "demo", "gateway-a", "ada/gpu", "c1")


def result(output: Any = None, **changes: Any) -> frames.Result:
    encoded = msgspec.json.encode(output)
    given = {"sha256": hashlib.sha256(encoded).hexdigest(), "output": msgspec.Raw(encoded), **changes}
    return frames.Result(request_id=RID, attempt=1, lease=7, status="succeeded", run_s=1.5, log_tail="end", **given)


def succeeded(given: frames.Result) -> Succeeded:
    event = results.outcome(LEASE, given, "gateway-b")
    assert isinstance(event, Succeeded)
    return event


def test_the_files_that_an_output_refers_to_are_named_once_each() -> None:
    event = succeeded(result({"a": f"/v1/files/{OWN}", "b": [f"/v1/files/{OWN}", "/v1/files/", "text"]}))
    assert event.files == (OWN,)
    assert succeeded(result({"a": "text"})).files == ()


def test_an_output_in_a_file_is_named_and_its_digest_makes_a_repeated_offer_recognisable() -> None:
    event = succeeded(result(sha256=SHA, output_file=OWN))
    assert (event.output_file, event.output_sha256, bytes(event.output)) == (OWN, SHA, b"null")
    assert event.id == results.outcome_id(result(sha256=SHA, output_file=OWN))
    assert event.id != results.outcome_id(result(sha256="cd" * 32, output_file=OWN))


def test_an_output_beside_its_file_is_not_looked_at() -> None:
    event = succeeded(result({"other": "value"}, sha256=SHA, output_file=OWN))
    assert bytes(event.output) == b"null"


def test_what_a_file_refers_to_is_named_too() -> None:
    event = succeeded(result(sha256=SHA, output_file=OWN))
    filled = results.filled(event, b'{"a": "/v1/files/' + OWN.encode() + b'"}')
    assert filled == msgspec.structs.replace(event, files=(OWN,))


@pytest.mark.parametrize("output", [b"{", b'"\xff"', b"[" * 101 + b"]" * 101])
def test_a_file_that_is_no_output_fails_its_request_under_the_same_id(output: bytes) -> None:
    event = succeeded(result(sha256=SHA, output_file=OWN))
    failed = results.filled(event, output)
    assert isinstance(failed, Failed)
    assert failed.error.code == "handler_error"
    assert (failed.id, failed.prev_seq, failed.run_s, failed.log_tail) == (event.id, 7, 1.5, "end")


def test_a_file_over_the_limit_of_outputs_fails_its_request() -> None:
    failed = results.filled(succeeded(result(sha256=SHA, output_file=OWN)), b'"%b"' % (b"x" * frames.MAX_VALUE_BYTES))
    assert isinstance(failed, Failed)
    assert failed.error.code == "output_too_large"


def test_an_agent_may_say_that_a_file_is_gone() -> None:
    error = frames.HandlerError(code="data_expired", message="gone")
    failed = frames.Result(request_id=RID, attempt=1, lease=7, status="failed", sha256=SHA, error=error)
    event = results.outcome(LEASE, failed, "gateway-b")
    assert isinstance(event, Failed)
    assert event.error == Problem(code="data_expired", message="gone")


def test_an_assignment_carries_what_is_granted() -> None:
    assigned = next(event for event in REQUEST_EVENTS if type(event).__name__ == "Assigned")
    access = frames.FileAccess(ref=f"/v1/files/{OWN}", url=f"/v1/files/{OWN}/content?token=t", size=1, sha256=SHA)
    assign = replies.assign(assigned, 9, Granted((access,), access, "/v1/files?token=t"))  # type: ignore[arg-type]
    assert (assign.files, assign.input_file, assign.upload_url) == ((access,), access, "/v1/files?token=t")
    assert ACCEPTED.input == assign.input
