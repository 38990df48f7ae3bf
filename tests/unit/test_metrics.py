"""Every metric is documented, with labels of closed sets; nothing that comes from outside makes a time series."""

import re

import pytest

from services.gateway.metrics import close_code
from services.runtime.metrics import bounded
from tests.support.metrics import VALUES, Metric, is_bounded, registered
from tests.support.stack import ROOT

FORBIDDEN = {"space", "user", "agent", "name", "id", "rid", "request_id", "key", "conn", "lease", "email", "path", "address"}
ROW = re.compile(r"^\| `([a-z_]+)` \| (counter|gauge|histogram) \| ([^|]*) \| (.+) \|$", re.MULTILINE)


def documented() -> dict[str, Metric]:
    rows = ROW.findall((ROOT / "docs" / "metrics.md").read_text())
    assert len({row[0] for row in rows}) == len(rows), "a metric is documented twice"
    return {name: Metric(name, type, tuple(re.findall(r"`(\w+)`", labels)), text) for name, type, labels, text in rows}


def test_the_table_in_the_documents_has_every_metric_and_no_other() -> None:
    assert {name: metric[:3] for name, metric in documented().items()} == {
        name: metric[:3] for name, metric in registered().items()
    }


@pytest.mark.parametrize("metric", registered().values(), ids=lambda metric: metric.name)
def test_metrics_are_named_as_prometheus_has_it(metric: Metric) -> None:
    assert re.fullmatch(r"(ws|spaces_agent)(_[a-z]+)+", metric.name)
    assert metric.name.endswith("_total") == (metric.type == "counter")
    assert metric.type != "histogram" or metric.name.endswith("_seconds")
    assert len(metric.meaning) > 10
    assert not metric.meaning.endswith(".")


@pytest.mark.parametrize("metric", registered().values(), ids=lambda metric: metric.name)
def test_labels_have_values_of_closed_sets_only(metric: Metric) -> None:
    assert not FORBIDDEN & set(metric.labels)
    for label in metric.labels:
        assert not is_bounded(metric.name, label, "somebody's 01a2044a439c7146874bdc2036ab095706 of any length, " * 3)


def test_closed_sets_are_those_of_metrics_that_there_are() -> None:
    assert {name for name, _ in VALUES} <= registered().keys()
    assert all(label in registered()[name].labels for name, label in VALUES)


def test_a_close_code_that_a_peer_has_made_up_is_no_label() -> None:
    assert [close_code(code) for code in (1000, 1006, 4600, 4242, 1)] == ["1000", "1006", "4600", "other", "other"]


def test_what_is_not_known_is_other() -> None:
    assert [bounded(value, {"a"}) for value in ("a", "b", "")] == ["a", "other", "other"]
