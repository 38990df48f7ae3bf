"""Schemas: old payloads are upcast, step by step; what cannot be understood is refused."""

from typing import Any

import msgspec
import pytest

from services.contracts import codec
from services.contracts.codec import EventCodec, UndecodableEvent
from services.contracts.events import Accepted, Expired, RequestEvent
from tests.contracts.examples import ACCEPTED, RID

EXPIRED: dict[str, Any] = {
    "type": "expired",
    "id": "e1",
    "rid": RID,
    "space": "demo",
    "prev_seq": 3,
    "attempt": 0,
    "actor": "dispatcher:d1",
    "origin": "g1",
}


def reader(**upcasters: Any) -> EventCodec[RequestEvent]:
    """A codec with these made-up upcasters, named `<type>_<schema>`."""
    named = {(name.rpartition("_")[0], int(name.rpartition("_")[2])): step for name, step in upcasters.items()}
    return EventCodec(RequestEvent, named)


def renamed(payload: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in payload.items() if key != "request"} | {"rid": payload["request"]}


def test_an_old_payload_is_upcast() -> None:
    old = {key: value for key, value in EXPIRED.items() if key != "rid"} | {"schema": 0, "request": RID}
    event = reader(expired_0=renamed).decode(msgspec.json.encode(old))
    assert event == codec.requests.decode(msgspec.json.encode(EXPIRED))


def test_an_old_payload_that_fits_todays_fields_is_upcast_all_the_same() -> None:
    old = EXPIRED | {"schema": 0, "attempt": 1}
    event = reader(expired_0=lambda payload: payload | {"attempt": payload["attempt"] + 1}).decode(msgspec.json.encode(old))
    assert isinstance(event, Expired)
    assert event.attempt == 2
    assert event.schema == 1


def test_payloads_with_raw_json_are_upcast() -> None:
    old = msgspec.json.decode(codec.requests.encode(ACCEPTED)) | {"schema": 0}
    event = reader(accepted_0=lambda payload: payload).decode(msgspec.json.encode(old))
    assert isinstance(event, Accepted)
    assert msgspec.json.decode(event.input) == msgspec.json.decode(ACCEPTED.input)


def test_steps_follow_each_other() -> None:
    steps = reader(
        expired_1=lambda payload: payload | {"space": payload["space"] + "-1"},
        **{"expired_-1": lambda payload: payload | {"space": "a"}, "expired_0": lambda payload: payload | {"space": "b"}},
    )
    event = steps.decode(msgspec.json.encode(EXPIRED | {"schema": -1}))
    assert event.space == "b"


def test_a_missing_step_is_an_error() -> None:
    with pytest.raises(UndecodableEvent, match="no upcaster for 'expired' of schema 0"):
        reader().decode(msgspec.json.encode(EXPIRED | {"schema": 0}))


def test_a_newer_schema_is_not_guessed_at() -> None:
    with pytest.raises(UndecodableEvent, match="newer"):
        codec.requests.decode(msgspec.json.encode(EXPIRED | {"schema": 2}))


def test_without_a_schema_it_is_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """So the events of today are upcast when there is a second schema, and new ones say that they are of it."""
    monkeypatch.setattr(codec, "SCHEMA", 2)
    second = reader(expired_1=lambda payload: payload | {"space": "upcast"})
    event = second.decode(msgspec.json.encode(EXPIRED))
    assert (event.space, event.schema) == ("upcast", 2)
    today = msgspec.structs.replace(event, schema=1, space="new")
    assert msgspec.json.decode(second.encode(today))["schema"] == 2
    assert second.decode(second.encode(today)).space == "new"


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"null", b"\xff", b'{"type":"unknown"}', b'{"type":"expired"}', b"[" * 100_000, b'{"schema":"x"}'],
)
def test_garbage_is_undecodable(data: bytes) -> None:
    for family in (codec.requests, codec.connections, codec.directory):
        with pytest.raises(UndecodableEvent):
            family.decode(data)
