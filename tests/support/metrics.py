"""Metrics as Prometheus reads them, and from which closed sets of the code the values of their labels come."""

import importlib
import json
import re
import urllib.request
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, get_args

from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from services.contracts import subjects
from services.contracts.lifecycle import TRANSITIONS, Status
from services.contracts.problems import PROBLEMS
from services.contracts.reports import AgentState
from services.gateway.metrics import CLOSE_CODES
from services.gateway.refusals import Reason
from services.history.collecting import Reason as DeletedFor
from spaces_agent import frames
from spaces_agent.measures import Family, Measures
from spaces_agent.metrics import of_process, of_spool
from tests.support.stack import ROOT, Stack

OURS = ("ws_", "spaces_agent_")
BUCKETS = {value for value in vars(subjects).values() if isinstance(value, str) and re.fullmatch(r"ws_[a-z_]+", value)}
STREAM_NAMES = {subjects.REQUESTS, subjects.OUTPUT, subjects.CONNECTIONS, subjects.DIRECTORY, subjects.FILES} | {
    f"KV_{bucket}" for bucket in BUCKETS
}


class Metric(NamedTuple):
    """A metric as it is registered. Its name is the one that its samples have, `_total` included."""

    name: str
    type: str
    labels: tuple[str, ...]
    meaning: str


@cache
def registered() -> dict[str, Metric]:
    """All metrics of our own, of every service and of the agent, by name."""
    for path in (ROOT / "services").rglob("*.py"):
        if "prometheus_client" in path.read_text():
            importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    collectors: Any = set(REGISTRY._collector_to_names)
    families = [(family, collector) for collector in collectors for family in collector.collect()]
    services = [
        _metric(family.name, family.type, tuple(collector._labelnames), family.documentation)
        for family, collector in families
        if family.name.startswith(OURS)
    ]
    agents = [_of_agent(family) for family in agent_families() if family.name.startswith(OURS)]
    return {metric.name: metric for metric in sorted([*services, *agents])}


def agent_families() -> list[Family]:
    """What an agent shows, except for what it knows of its handlers."""
    return [*Measures(1).families(), *of_spool(ROOT / "no-such-directory"), *of_process(), *_OF_SERVING]


_OF_SERVING = [
    Family("spaces_agent_ready", "gauge", "1 while it takes work", []),
    Family("spaces_agent_running", "gauge", "Requests that run", []),
    Family("spaces_agent_unacknowledged_results", "gauge", "Results that no gateway has acknowledged", []),
]


def _metric(name: str, type: str, labels: tuple[str, ...], meaning: str) -> Metric:
    return Metric(f"{name}_total" if type == "counter" else name, type, labels, meaning)


def _of_agent(family: Family) -> Metric:
    labels = {label for rest, _ in family.samples for label in re.findall(r'(\w+)="', rest)}
    return Metric(family.name, family.type, tuple(sorted(labels - {"le"})), family.help)


@cache
def _source() -> str:
    return "".join(path.read_text() for path in sorted((ROOT / "services").rglob("*.py")))


def _in_source(value: str) -> bool:
    """Whether the code has this text as a literal, or what `{{…}}` of an f-string makes of it."""
    braced = value.replace("{", "{{").replace("}", "}}").replace("/static/", "{PREFIX}/")
    return f'"{value}"' in _source() or f'"{braced}"' in _source()


TYPES = {type_ for _, type_ in TRANSITIONS}
TAILS = {
    *("collector", "delivery", "directory", "janitor", "recorder", "waiting"),
    *(f"part{part}" for part in range(16)),
    *BUCKETS,
    "ws_files",
}
VALUES: dict[tuple[str, str], set[str] | frozenset[str]] = {
    ("ws_agent_connections_closed_total", "code"): {str(code) for code in CLOSE_CODES} | {"other"},
    ("ws_agent_frames_total", "frame"): {
        *(str(kind.__struct_config__.tag) for kind in get_args(frames.AgentFrame)),
        "bad",
    },
    ("ws_agent_slots", "state"): {"used", "free"},
    ("ws_append_retries_total", "type"): {*TYPES, "directory", "connection", "other"},
    ("ws_appends_total", "type"): {*TYPES, "directory", "connection", "other"},
    ("ws_appends_total", "result"): {
        *("stored", "superseded", "chain_closed", "stream_full", "undecided", "refused", "canceled")
    },
    ("ws_build_info", "component"): {"gateway", "registry", "dispatcher", "history"},
    ("ws_dispatcher_agents", "state"): {*get_args(AgentState)},
    ("ws_dispatcher_decisions_total", "type"): {"assign", "requeue", "expire", "fail"},
    ("ws_dispatcher_slots", "state"): {"used", "free"},
    ("ws_history_files_deleted_total", "reason"): {*get_args(DeletedFor)},
    ("ws_http_responses_total", "code"): {str(code) for code in range(100, 600)},
    ("ws_output_appends_total", "result"): {"stored", "retried", "refused", "given_up"},
    ("ws_refused_frames_total", "frame"): {"accept", "reject", "output", "result", "stopped"},
    ("ws_refused_frames_total", "reason"): {*get_args(Reason)},
    ("ws_refused_frames_total", "recorded"): {"yes", "no"},
    ("ws_requests_ended_total", "status"): {*get_args(Status)},
    ("ws_requests_failed_total", "code"): {*PROBLEMS, "other"},
    ("ws_rpc_requests_total", "result"): {"ok", "not_mine", "invalid", "unavailable", "refused"},
    ("ws_rpc_unanswered_total", "asked"): {"dispatcher", "history", "registry", "other"},
    ("ws_tail_pending_messages", "tail"): TAILS,
    ("spaces_agent_results_total", "status"): {"succeeded", "failed", "stopped"},
}
METHODS = {"GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS", "other"}
OPERATION = re.compile(r"(registry|history|dispatcher)\.([a-z_]+)")


def is_bounded(metric: str, label: str, value: str) -> bool:
    """Whether the value of a label is from a closed set of the code. Fails for a label of which nobody has said what it may
    be."""
    if (metric, label) in VALUES:
        return value in VALUES[metric, label]
    match label:
        case "stream":
            return value in STREAM_NAMES
        case "method":
            return value in METHODS
        case "route":
            return value == "other" or _in_source(value)
        case "operation":
            return (named := OPERATION.fullmatch(value)) is not None and _in_source(named[2])
        case "condition":
            return f'ready_when("{value}"' in _source()
        case "version":
            return len(value) < 40
    raise AssertionError(f"{metric} has the label {label}: say in tests/support/metrics.py which values it may have")


class Shown:
    """The samples of one scrape."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.families = list(text_string_to_metric_families(text))

    def __call__(self, name: str, **labels: str) -> float:
        """The sum of all samples of this name that have these labels."""
        return sum(value for found, has, value in self.samples() if found == name and labels.items() <= has.items())

    def samples(self) -> Iterator[tuple[str, dict[str, str], float]]:
        for family in self.families:
            for sample in family.samples:
                yield sample.name, sample.labels, sample.value


def read_metrics(address: str) -> Shown:
    """Scrape a process. Fails when what it says is not in Prometheus's format."""
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
        return Shown(answer.read().decode())


def targets(stack: Stack) -> dict[str, str]:
    """The addresses of a stack's processes by their names, from the file that Prometheus reads."""
    groups = json.loads((stack.home / "prometheus.json").read_text())
    return {group["labels"]["process"]: group["targets"][0] for group in groups}


def rules_file() -> Path:
    """The alert rules."""
    return ROOT / "deploy" / "observability" / "alerts.yaml"
