"""Requests, limits, and what programs must know of them."""

from collections.abc import Iterator

from tests.deploy.suite.environment import environment
from tests.deploy.suite.findings import Problem, Rule
from tests.deploy.suite.objects import Object, Stack, shown
from tests.deploy.suite.quantities import go_bytes, number

GO_SHARE = 0.9
"""Go's runtime does not count all that it takes: its limit must leave a tenth."""


def _all(stack: Stack) -> Iterator[tuple[Object, str, Object]]:
    for owner, container in stack.containers:
        yield owner, f"container {container['name']}", container.get("resources") or {}
    for cluster in stack.clusters:
        yield cluster, "its instances", cluster["spec"].get("resources") or {}


def resources_are_said(stack: Stack) -> Iterator[Problem]:
    for owner, who, resources in _all(stack):
        for part in ("requests", "limits"):
            for kind in ("cpu", "memory"):
                if kind not in (resources.get(part) or {}):
                    yield owner, f"{who}: no {part} of {kind}"


def requests_fit_limits(stack: Stack) -> Iterator[Problem]:
    for owner, who, resources in _all(stack):
        for kind, limit in (resources.get("limits") or {}).items():
            request = (resources.get("requests") or {}).get(kind, limit)
            if number(request) > number(limit):
                yield owner, f"{who}: it requests {request} of {kind} and may take {limit}"


def go_knows_its_limit(stack: Stack) -> Iterator[Problem]:
    for owner, container in stack.containers:
        given = environment(stack, container).get("GOMEMLIMIT")
        limit = (container.get("resources") or {}).get("limits", {}).get("memory")
        is_go = "nats-server" in [*(container.get("command") or []), *(container.get("args") or [])]
        if is_go and given is None:
            yield owner, f"container {container['name']}: nats-server without GOMEMLIMIT takes what its cache can get"
        elif given is not None and limit is not None and go_bytes(given) > GO_SHARE * number(limit):
            yield owner, f"container {container['name']}: GOMEMLIMIT {given} is over {GO_SHARE:.0%} of {limit}"


def temporary_space_is_bounded(stack: Stack) -> Iterator[Problem]:
    for pods in stack.pods:
        for volume in pods.spec.get("volumes") or []:
            if "emptyDir" in volume and "sizeLimit" not in (volume["emptyDir"] or {}):
                yield pods.owner, f"the emptyDir {volume['name']} of {shown(pods.owner)} has no sizeLimit"


RULES = (
    Rule("resources", resources_are_said, "Say requests and limits of cpu and memory, from measurements."),
    Rule("requests-fit", requests_fit_limits, "Lower the request or raise the limit."),
    Rule("gomemlimit", go_knows_its_limit, "Set GOMEMLIMIT well below the memory limit (docs/adr/0010)."),
    Rule("bounded-empty-dir", temporary_space_is_bounded, "Say a sizeLimit."),
)
