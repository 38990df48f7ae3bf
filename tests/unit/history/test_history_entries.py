"""Events on their way into the log, and back."""

from typing import Any

import msgspec
import pytest

from services.contracts import codec, ids
from services.contracts.codec import UndecodableEvent
from services.contracts.events import (
    Accepted,
    Assigned,
    Canceled,
    Failed,
    Problem,
    RequestEvent,
    Requeued,
    Restored,
    Succeeded,
)
from services.history.entries import (
    conflict,
    connection_entry,
    directory_entry,
    refers_rightly,
    request_entry,
    scrubbed,
    whole,
)
from services.runtime.append import request_record

RID = ids.request_id("demo", 1, bytes(10))
COMMON: dict[str, Any] = {"rid": RID, "space": "demo", "actor": "system", "origin": "gateway-1", "attempt": 0, "prev_seq": 0}


def accepted(**changes: Any) -> Accepted:
    fields = {
        "id": "e1",
        "user": "u1",
        "key_id": "k1",
        "input": msgspec.Raw(b'{"pixels":[1,2,3]}'),
        "body_sha256": "0",
        "start_timeout_s": 60.0,
        "execution_timeout_s": 60.0,
    }
    return Accepted(**(COMMON | fields | changes))


def succeeded(output: bytes) -> Succeeded:
    result: dict[str, Any] = {"agent": "a/b", "gateway": "g1", "output_sha256": "0"}
    return Succeeded(**(COMMON | result | {"id": "e2", "prev_seq": 5, "attempt": 1}), output=msgspec.Raw(output))


def stored(event: RequestEvent) -> tuple[int, int, str, bytes]:
    record = request_record(event)
    return 7, 99, record.subject, record.data


@pytest.mark.parametrize(
    "event",
    [
        accepted(),
        accepted(input=msgspec.Raw(b"null")),
        accepted(metadata={"input": '"input":{"pixels":[1,2,3]}'}),
        accepted(input=msgspec.Raw(b'{"a":"\\u0000 \xc3\xa9"}')),
        accepted(user='"input":{"pixels":[1,2,3]}'),
        succeeded(b"[1, 2,\n 3]"),
        succeeded(b'"sha256:00"'),
        Restored(**COMMON, id="e3", accepted=accepted(), accepted_at="2026-01-01T00:00:00Z"),
    ],
    ids=lambda event: type(event).__name__,
)
def test_a_payload_is_cut_out_and_put_back_byte_for_byte(event: RequestEvent) -> None:
    seq, at, subject, data = stored(event)
    entry, _ = request_entry(seq, at, subject, data)
    assert entry.payload is not None
    assert entry.payload_sha is not None
    assert b'"sha256:' + entry.payload_sha.hex().encode() in entry.data
    assert whole(entry.data, entry.payload_sha, entry.payload) == data


def test_what_is_left_is_the_same_event_with_a_reference() -> None:
    entry, event = request_entry(*stored(accepted()))
    assert isinstance(event, Accepted)
    assert codec.requests.decode(entry.data) == event
    assert bytes(event.input) == b'"sha256:' + entry.payload_sha.hex().encode() + b'"'  # type: ignore[union-attr]
    assert b"pixels" not in entry.data


def test_an_erased_payload_leaves_null() -> None:
    entry, _ = request_entry(*stored(accepted()))
    event = codec.requests.decode(whole(entry.data, entry.payload_sha, None))
    assert event == accepted(input=msgspec.Raw(b"null"))


def test_events_without_a_payload_stay_as_they_are() -> None:
    event = Canceled(**(COMMON | {"id": "e4", "prev_seq": 1}))
    entry, same = request_entry(*stored(event))
    assert (entry.data, entry.payload, same) == (stored(event)[3], None, event)
    assert whole(entry.data, None, None) == entry.data


SAID: dict[str, Any] = {"agent": "a/b", "gateway": "g1", "log_tail": "secret log"}


@pytest.mark.parametrize(
    "event",
    [
        accepted(metadata={"note": "secret"}),
        accepted(input=msgspec.Raw(b'"secret"'), metadata={"note": '"input":"secret"'}),
        Assigned(**COMMON | {"prev_seq": 1, "id": "e"}, agent="a/b", conn="c", gateway="g", user="u", execution_timeout_s=1,
                 input=msgspec.Raw(b'{"a":"secret"}'), metadata={"note": "secret"}),
        Requeued(**COMMON | {"prev_seq": 1, "id": "e"}, reason="retryable", gateway="g", detail="secret"),
        Succeeded(**COMMON | {"prev_seq": 1, "id": "e"}, **SAID, output=msgspec.Raw(b'"secret"'), output_sha256="0"),
        Failed(**COMMON | {"prev_seq": 1, "id": "e"}, **SAID, error=Problem(code="handler_error", message="secret")),
        Restored(**COMMON, id="e", accepted=accepted(metadata={"note": "secret"}), accepted_at="2026-01-01T00:00:00Z"),
    ],
    ids=lambda event: type(event).__name__,
)  # fmt: skip
def test_what_is_left_of_an_erased_event_is_an_event_still(event: RequestEvent) -> None:
    entry, _ = request_entry(*stored(event))
    left = scrubbed(entry.data)
    assert b"secret" not in left
    again = codec.requests.decode(left)
    assert (type(again), again.prev_seq, again.id) == (type(event), event.prev_seq, event.id)
    assert refers_rightly(again, entry.payload_sha)
    assert scrubbed(left) == left
    # Nor does it hold what could not be cut out, say of an older schema.
    assert b"secret" not in scrubbed(stored(event)[3])
    assert refers_rightly(codec.requests.decode(scrubbed(stored(event)[3])), None)


def test_an_erased_event_that_held_nothing_stays_byte_for_byte() -> None:
    data = stored(Canceled(**(COMMON | {"id": "e4", "prev_seq": 1})))[3].replace(b",", b" , ")
    assert scrubbed(data) == data


OTHER = ids.request_id("demo", 2, bytes(10))


@pytest.mark.parametrize(
    ("subject", "data"),
    [
        (stored(accepted())[2], b"not json"),
        (stored(accepted())[2], b'{"type":"exploded"}'),
        (stored(accepted())[2].replace(".accepted.", ".assigned."), stored(accepted())[3]),
        (stored(accepted())[2].replace(RID, OTHER), stored(accepted())[3]),
        (stored(accepted())[2].replace(".demo.", ".other."), stored(accepted())[3]),
        (stored(accepted())[2] + "\0", stored(accepted())[3]),
        (stored(accepted())[2], codec.requests.encode(accepted(user="a\0b"))),
        (stored(accepted())[2], codec.requests.encode(accepted(prev_seq=2**63))),
        (stored(accepted())[2], codec.requests.encode(accepted(attempt=-1))),
        ("ws.req.00.x.accepted.demo.-.g", codec.requests.encode(accepted(rid="x"))),
    ],
)
def test_what_the_log_cannot_hold_is_undecodable(subject: str, data: bytes) -> None:
    with pytest.raises(UndecodableEvent):
        request_entry(7, 99, subject, data)


def test_a_refused_frame_belongs_to_its_request_if_that_has_a_real_id() -> None:
    named = '"id":"e","conn":"c1","agent":"a/b","gateway":"g","rid":"%s"'
    text = '{"type":"refused",' + named + ',"lease":1,"frame":"RESULT","reason":"invalid"}'
    assert connection_entry(1, 2, "ws.conn.c1.refused", (text % RID).encode()).rid == RID
    assert connection_entry(1, 2, "ws.conn.c1.refused", (text % "nonsense").encode()).rid is None
    with pytest.raises(UndecodableEvent):
        connection_entry(1, 2, "ws.conn.c2.refused", (text % RID).encode())


def test_a_directory_event_must_stand_under_its_type() -> None:
    data = b'{"type":"key_revoked","id":"e","prev_seq":3,"actor":"system","key_id":"k1"}'
    assert directory_entry(4, 2, "ws.dir.key.k1.key_revoked", data).prev_seq == 3
    with pytest.raises(UndecodableEvent):
        directory_entry(4, 2, "ws.dir.key.k1.api_key_created", data)


def test_a_conflict_has_no_character_that_the_database_refuses() -> None:
    found = conflict(1, 2, "a\0b", b"\0", "c\0d")
    assert "\0" not in found.subject + found.reason
    assert found.data == b"\0"
