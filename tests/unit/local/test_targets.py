"""The file in which Prometheus finds the processes of an embedded stack."""

import json
from pathlib import Path

from services.local.targets import Targets


def groups(home: Path) -> list[tuple[str, str, str]]:
    read = json.loads((home / "prometheus.json").read_text())
    return [(each["labels"]["service"], each["labels"]["process"], each["targets"][0]) for each in read]


def test_every_process_is_a_target_with_what_it_is(tmp_path: Path) -> None:
    targets = Targets(tmp_path)
    targets.put("gateway", "gateway-1", "127.0.0.1", 5001)
    targets.put("agent", "agent-1", "127.0.0.1", 41)
    assert groups(tmp_path) == [("agent", "agent-1", "127.0.0.1:41"), ("gateway", "gateway-1", "127.0.0.1:5001")]


def test_an_address_of_ipv6_is_told_from_its_port(tmp_path: Path) -> None:
    targets = Targets(tmp_path)
    targets.put("gateway", "gateway-1", "::1", 5001)
    assert groups(tmp_path) == [("gateway", "gateway-1", "[::1]:5001")]


def test_a_process_that_comes_back_on_another_port_is_looked_for_there(tmp_path: Path) -> None:
    targets = Targets(tmp_path)
    targets.put("history", "history-1", "127.0.0.1", 41)
    targets.put("history", "history-1", "127.0.0.1", 42)
    assert groups(tmp_path) == [("history", "history-1", "127.0.0.1:42")]


def test_a_home_that_takes_no_more_keeps_nothing_from_starting(tmp_path: Path) -> None:
    Targets(tmp_path / "gone").put("history", "history-1", "127.0.0.1", 41)
