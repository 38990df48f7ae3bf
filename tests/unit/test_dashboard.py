"""The dashboard is what Grafana imports, and asks only for metrics that there are, in words that Prometheus understands."""

import json
import subprocess
from itertools import combinations
from pathlib import Path
from typing import Any

from tests.support.dashboard import dashboard, expressions
from tests.support.metrics import registered
from tests.support.tools import tool
from tests.unit.test_alert_rules import names_in

ROWS = ["Overview", "Traffic", "Latency", "Queue", "Agents", "Gateways", "Dispatcher", "History", "NATS"]


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = dashboard()["panels"]
    return found


def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    across = one["x"] < other["x"] + other["w"] and other["x"] < one["x"] + one["w"]
    return across and one["y"] < other["y"] + other["h"] and other["y"] < one["y"] + one["h"]


def test_it_has_what_grafana_needs_to_import_it() -> None:
    whole = dashboard()
    assert whole["schemaVersion"] >= 36
    assert (whole["id"], whole["uid"], whole["title"]) == (None, "websocket-spaces", "WebSocket Spaces")
    assert [each["name"] for each in whole["templating"]["list"]] == ["datasource", "job", "service", "instance"]


def test_its_rows_tell_of_everything() -> None:
    assert [panel["title"] for panel in panels() if panel["type"] == "row"] == ROWS


def test_no_panel_has_the_id_of_another_or_lies_on_it() -> None:
    assert len({panel["id"] for panel in panels()}) == len(panels())
    for one, other in combinations(panels(), 2):
        assert not overlap(one["gridPos"], other["gridPos"]), (one["title"], other["title"])
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in panels())


def test_every_panel_asks_something_in_a_unit() -> None:
    for panel in panels():
        if panel["type"] == "row":
            continue
        assert panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        refs = [target["refId"] for target in panel["targets"]]
        assert refs
        assert len(set(refs)) == len(refs)
        assert all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"])


def test_it_asks_only_for_metrics_that_there_are() -> None:
    spoken_of = names_in("\n".join(expressions()))
    assert len(spoken_of) > 30
    assert spoken_of - registered().keys() == set()


def test_what_is_chosen_above_holds_for_every_panel() -> None:
    for panel in panels():
        for target in panel.get("targets", []):
            assert all(f'=~"${name}"' in target["expr"] for name in ("job", "instance", "service")), panel["title"]


def test_prometheus_understands_every_question(tmp_path: Path) -> None:
    rules = [{"record": f"panel:{n}", "expr": expression} for n, expression in enumerate(expressions())]
    (tmp_path / "rules.yaml").write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    checked = subprocess.run(
        [tool("promtool", "observability"), "check", "rules", str(tmp_path / "rules.yaml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
