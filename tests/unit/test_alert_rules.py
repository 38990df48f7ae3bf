"""The alert rules: each fires when it shall and only then, speaks of metrics that there are, and is explained."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.alert_cases import CASES, Series
from tests.support.metrics import registered, rules_file
from tests.support.stack import ROOT
from tests.support.tools import tool

GROUPS: list[dict[str, Any]] = yaml.safe_load(rules_file().read_text())["groups"]
RULES = [rule for group in GROUPS for rule in group["rules"]]
RECORDED = [rule for rule in RULES if "record" in rule]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
OURS = re.compile(r"\b(?:ws|spaces_agent)_[a-z_]+")
AFTER = "80m"


def names_in(text: str) -> set[str]:
    """The metrics that are spoken of. What a histogram has besides counts as the histogram."""
    return {re.sub(r"_(bucket|sum|count)$", "", name) if name not in registered() else name for name in OURS.findall(text)}


def judged(alert: str, series: Series, fires: bool) -> dict[str, Any]:
    """A test for promtool."""
    fired = {"labels": "{}", "value": 1}
    return {
        "name": f"{alert} {'fires' if fires else 'stays silent'}",
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) > bool 0',
                "eval_time": AFTER,
                "exp_samples": [fired] if fires else [],
            }
        ],
    }


def cases_of(alert: str, directory: Path, *tests: dict[str, Any]) -> str:
    """A file of tests of one alert, apart from the others: promtool computes all the rules of a file each minute."""
    rules, file = directory / f"{alert}-rule.yaml", directory / f"{alert}.yaml"
    rules.write_text(json.dumps({"groups": [{"name": alert, "rules": [*RECORDED, ALERTS[alert]]}]}))
    file.write_text(json.dumps({"rule_files": [str(rules)], "evaluation_interval": "1m", "tests": tests}))
    return str(file)


def promtool(*files: str) -> subprocess.CompletedProcess[str]:
    """Have promtool judge them. It makes a database for each test: in memory, where there is such a directory."""
    memory = {"TMPDIR": "/dev/shm"} if os.access("/dev/shm", os.W_OK) else {}
    command = [tool("promtool", "observability"), "test", "rules", *files]
    return subprocess.run(command, env=os.environ | memory, capture_output=True, text=True, check=False)


def test_the_rules_are_what_prometheus_reads() -> None:
    checked = subprocess.run(
        [tool("promtool", "observability"), "check", "rules", str(rules_file())], capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_there_is_a_case_for_every_alert_and_no_other() -> None:
    assert CASES.keys() == ALERTS.keys()
    assert all(case.bad and case.good for case in CASES.values())


@pytest.mark.timeout(300)  # a database for each, where others use the disk as well
def test_each_alert_fires_when_it_shall_and_only_then(tmp_path: Path) -> None:
    files = [
        cases_of(alert, tmp_path, judged(alert, case.bad, fires=True), judged(alert, case.good, fires=False))
        for alert, case in CASES.items()
    ]
    done = promtool(*files)
    assert done.returncode == 0, done.stdout + done.stderr


def test_one_that_does_not_fire_is_found(tmp_path: Path) -> None:
    done = promtool(cases_of("SpacesHalted", tmp_path, judged("SpacesHalted", CASES["SpacesHalted"].good, fires=True)))
    assert done.returncode != 0
    assert "got: nil" in done.stdout + done.stderr


def test_the_rules_speak_only_of_metrics_that_there_are() -> None:
    spoken_of = names_in("\n".join(rule["expr"] for rule in RULES))
    assert len(spoken_of) > 25
    assert spoken_of - registered().keys() == set()


@pytest.mark.parametrize("alert", ALERTS)
def test_whoever_is_woken_is_told_how_bad_it_is_and_where_to_read_on(alert: str) -> None:
    rule = ALERTS[alert]
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["runbook_url"] == f"docs/alerts.md#{alert.lower()}"


def test_every_alert_is_explained_and_everything_explained_is_an_alert() -> None:
    text = (ROOT / "docs" / "alerts.md").read_text()
    sections = dict(re.findall(r"^### (\w+)\n\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL))
    assert sections.keys() == ALERTS.keys()
    for alert, section in sections.items():
        assert f"**{ALERTS[alert]['labels']['severity']}**" in section, alert
        assert "First:" in section, alert
        assert "Over:" in section, alert
