"""What the frames let in: they are the only check between the wire and keys, subjects and log lines."""

from __future__ import annotations

import json
from typing import Any

import pytest

from spaces_agent import frames

HELLO: dict[str, Any] = {"type": "hello", "agent_id": "a-1", "boot_id": "b-1", "spaces": ["demo"], "slots": 1}
ACCEPT: dict[str, Any] = {"type": "accept", "request_id": "0" * 34, "attempt": 1, "lease": 1}
RESULT: dict[str, Any] = {**ACCEPT, "type": "result", "status": "succeeded", "sha256": "0" * 64}


@pytest.mark.parametrize("frame", [HELLO, ACCEPT, RESULT], ids=lambda frame: str(frame["type"]))
def test_a_well_formed_frame_is_read(frame: dict[str, Any]) -> None:
    assert frames.decode_agent_frame(json.dumps(frame))


@pytest.mark.parametrize(
    ("frame", "field", "value"),
    [
        (HELLO, "agent_id", "a-1\n"),
        (HELLO, "agent_id", "a.>"),
        (HELLO, "boot_id", "b 1"),
        (HELLO, "slots", 0),
        (HELLO, "spaces", []),
        (ACCEPT, "request_id", "0" * 34 + "\n"),
        (ACCEPT, "lease", 0),
        (RESULT, "sha256", "0" * 64 + "\n"),
    ],
)
def test_a_malformed_field_is_refused(frame: dict[str, Any], field: str, value: Any) -> None:
    with pytest.raises(frames.BadFrame):
        frames.decode_agent_frame(json.dumps({**frame, field: value}))


@pytest.mark.parametrize("data", [b"", b"{}", b'{"type":"welcome"}', b"\xff", b"[" * 100_000])
def test_what_is_no_frame_of_an_agent_is_refused(data: bytes) -> None:
    with pytest.raises(frames.BadFrame):
        frames.decode_agent_frame(data)
