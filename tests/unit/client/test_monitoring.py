"""Connections and numbers: by the client, and by the commands."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from spaces_client import InvalidAnswer
from tests.support.clients import Connect
from tests.unit.client.command_line import KEY, at
from tests.unit.client.scripted_server import ScriptedServer, answer

LASTING: dict[str, Any] = {
    "id": "c2", "agent": "ada/gpu", "gateway": "g-1", "spaces": ["demo", "x"], "slots": 4, "version": "",
    "address": "192.0.2.7",
    "connected_at": "2025-01-01T10:00:00.5Z", "disconnected_at": None, "connected_s": None, "reason": None, "code": None,
}  # fmt: skip
OVER = LASTING | {
    "id": "c1",
    "disconnected_at": "2025-01-01T11:00:00Z",
    "connected_s": 90.0,
    "reason": "silent\x1b[2J",
    "code": 1006,
}
STATS: dict[str, Any] = {
    "space": None, "window_s": 3600, "until": "2025-01-01T10:00:00Z", "accepted": 130,
    "ended": {"succeeded": 120, "failed": 5, "canceled": 2, "expired": 0}, "throughput": 0.0352778, "success_rate": 0.96,
    "sampled": 127, "queue_s": {"p50": 0.004, "p95": 0.9, "p99": 3.2}, "run_s": None,
}  # fmt: skip


WARNING: dict[str, Any] = {
    "severity": "critical", "rule": "no_agent", "space": "demo", "subject": None, "amount": 3, "limit": 0, "for_s": 42.0,
    "detail": "3 requests wait.", "remedy": "Start\x1b[2J an agent.",
}  # fmt: skip
FLAPPING = WARNING | {
    "severity": "warning",
    "rule": "agent_flapping",
    "space": None,
    "subject": "ada/gpu",
    "detail": "It flaps.",
}


def test_warnings_are_typed(connect: Connect) -> None:
    with ScriptedServer(answer({"results": [WARNING, FLAPPING]})) as server, connect(server.url, KEY) as client:
        first, second = client.warnings()
    assert (first.rule, first.space, first.subject, first.severity) == ("no_agent", "demo", None, "critical")
    assert (second.rule, second.space, second.subject) == ("agent_flapping", None, "ada/gpu")
    assert server.received[0].path == "/v1/warnings"


def test_warnings_are_shown_with_what_to_do() -> None:
    some, none = answer({"results": [WARNING, FLAPPING]}), answer({"results": []})
    with ScriptedServer(some, some, none) as server:
        shown = at(server, "warnings")
        assert shown.exit_code == 1
        assert shown.stdout.splitlines() == [
            "critical  demo: 3 requests wait.",
            "          Start\\u001b[2J an agent.",
            "warning   ada/gpu: It flaps.",
            "          Start\\u001b[2J an agent.",
        ]
        assert json.loads(at(server, "warnings", "--json").stdout) == {"results": [WARNING, FLAPPING]}
        well = at(server, "warnings")
        assert (well.exit_code, well.stdout, well.stderr) == (0, "", "all is well\n")


def test_connections_are_typed_and_paged(connect: Connect) -> None:
    pages = [answer({"results": [LASTING], "next": "n"}), answer({"results": [OVER], "next": None})]
    with ScriptedServer(*pages) as server, connect(server.url, KEY) as client:
        lasting, over = client.connections(agent="ada/gpu", space="demo")
    assert (lasting.id, lasting.disconnected_at, lasting.code) == ("c2", None, None)
    assert (over.disconnected_at, over.connected_s, over.code) == (datetime(2025, 1, 1, 11, tzinfo=UTC), 90.0, 1006)
    assert server.received[0].path == "/v1/connections?agent=ada%2Fgpu&space=demo&limit=100"
    assert server.received[1].path == "/v1/connections?agent=ada%2Fgpu&space=demo&cursor=n&limit=100"


def test_connections_are_listed() -> None:
    listed = answer({"results": [LASTING, OVER]})
    with ScriptedServer(listed, listed, answer({"results": []})) as server:
        shown = at(server, "connections").stdout.splitlines()
        assert json.loads(at(server, "connections", "--json").stdout) == {"results": [LASTING, OVER]}
        none = at(server, "connections", "--agent", "ada/x")
        assert (none.exit_code, none.stdout, none.stderr) == (0, "", "there is no such connection\n")
    assert shown[0].split()[:2] == ["AGENT", "CONNECTED"]
    assert shown[1].split() == ["ada/gpu", "2025-01-01", "10:00:00", "demo,", "x", "g-1", "192.0.2.7"]
    assert "1 min 30 s  silent\\u001b[2J (1006)  demo, x" in shown[2]


def test_numbers_are_shown() -> None:
    with ScriptedServer(answer(STATS), answer(STATS | {"space": "demo", "success_rate": None}), answer(STATS)) as server:
        assert at(server, "stats").stdout.splitlines() == [
            "space       all",
            "window      1 h 0 min",
            "accepted    130",
            "ended       127: 120 succeeded, 5 failed, 2 canceled",
            "per second  0.0353",
            "succeeded   96.0%",
            "waited      p50 4.0 ms, p95 900 ms, p99 3.2 s",
        ]
        shown = at(server, "stats", "--space", "demo", "--window", "5m").stdout
        assert shown.startswith("space       demo")
        assert "succeeded   " not in shown
        assert json.loads(at(server, "stats", "--json").stdout) == STATS
    assert [sent.path for sent in server.received] == [
        "/v1/stats?window=1h", "/v1/stats?space=demo&window=5m", "/v1/stats?window=1h",
    ]  # fmt: skip


def test_numbers_that_are_none_are_an_invalid_answer(connect: Connect) -> None:
    with ScriptedServer(answer([])) as server, connect(server.url, KEY) as client, pytest.raises(InvalidAnswer):
        client.stats()
