"""Probes: all three, with meanings of their own, at paths and ports that exist."""

from collections.abc import Iterator
from typing import Any

from services.runtime.health import routes
from tests.deploy.suite import code
from tests.deploy.suite.findings import Problem, Rule
from tests.deploy.suite.objects import JOB, Object, Pods, Stack, pods_of

KINDS = ("startupProbe", "livenessProbe", "readinessProbe")
OURS = {route.path for route in routes(list)}
NATS = {"/healthz", "/varz"}
"""What the monitoring port of nats-server answers."""


def _probed(stack: Stack) -> Iterator[tuple[Pods, Object]]:
    """Containers that somebody connects to. One that nobody does shows only by its end that it does not work."""
    for workload in stack.workloads:
        pods = pods_of(workload)
        if workload["kind"] not in (JOB, "CronJob"):
            yield from ((pods, each) for each in pods.spec.get("containers") or [] if each.get("ports"))


def probes_are_there(stack: Stack) -> Iterator[Problem]:
    for pods, container in _probed(stack):
        for kind in KINDS:
            if kind not in container:
                yield pods.owner, f"container {container['name']} has no {kind}"


def _asked(probe: Object) -> Any:
    return {key: value for key, value in probe.items() if key in ("httpGet", "tcpSocket", "exec", "grpc")}


def probes_differ(stack: Stack) -> Iterator[Problem]:
    for pods, container in _probed(stack):
        alive, ready = container.get("livenessProbe"), container.get("readinessProbe")
        if alive and ready and _asked(alive) == _asked(ready):
            yield pods.owner, f"container {container['name']}: to be alive and to be ready are asked the same way"


def probes_reach_something(stack: Stack) -> Iterator[Problem]:
    for pods, container in _probed(stack):
        for kind in KINDS:
            probe = container.get(kind) or {}
            for asked in (probe.get("httpGet"), probe.get("tcpSocket")):
                if asked and pods.port(asked["port"]) is None:
                    yield (
                        pods.owner,
                        f"container {container['name']}: {kind} asks the port {asked['port']}, which is not there",
                    )


def probes_ask_real_paths(stack: Stack) -> Iterator[Problem]:
    for pods, container in _probed(stack):
        service = code.service_of(container)
        known = OURS if service else NATS
        for kind in KINDS:
            asked = (container.get(kind) or {}).get("httpGet")
            if asked and asked.get("path", "/").partition("?")[0] not in known:
                yield pods.owner, f"container {container['name']}: {kind} asks {asked.get('path')}, which nothing answers"
        expected = {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}
        for kind, path in expected.items() if service else ():
            asked = (container.get(kind) or {}).get("httpGet") or {}
            if kind in container and asked.get("path") != path:
                yield pods.owner, f"container {container['name']}: {kind} must ask {path}"


RULES = (
    Rule("probes-present", probes_are_there, "Add startup, liveness and readiness probes: see base/pods/probes.yaml."),
    Rule("probes-distinct", probes_differ, "Liveness: it lives, whatever it waits for. Readiness: it can do its work now."),
    Rule("probes-ports", probes_reach_something, "Ask a container port by its name."),
    Rule("probes-paths", probes_ask_real_paths, "Services answer at /healthz and /readyz (docs/operations.md)."),
)
