"""What keeps the service up while pods come, go and move."""

import math
from collections.abc import Iterator

from tests.deploy.suite import code
from tests.deploy.suite.environment import arguments, environment
from tests.deploy.suite.findings import Problem, Rule
from tests.deploy.suite.objects import DEPLOYMENT, STATEFUL_SET, Object, Stack, labels_of, matches, name_of, pods_of, shown

HOSTNAME = "kubernetes.io/hostname"
ENOUGH = {"gateway": 2, "registry": 2, "dispatcher": 2, "history": 2, "nats": 3}
"""How many there must be, at least, where people depend on it."""


def scaler(stack: Stack, workload: Object) -> Object | None:
    """What scales a workload, when something does."""
    for each in stack.of("HorizontalPodAutoscaler", "ScaledObject"):
        target = each["spec"]["scaleTargetRef"]
        if target["name"] == name_of(workload) and target.get("kind", DEPLOYMENT) == workload["kind"]:
            return each
    return None


def fewest(stack: Stack, workload: Object) -> int:
    """How many pods of a workload there are when there are fewest."""
    found = scaler(stack, workload)
    if found is not None:
        return int(found["spec"].get("minReplicas", found["spec"].get("minReplicaCount", 1)))
    return int(workload["spec"].get("replicas", 1))


def _running(stack: Stack) -> list[Object]:
    return stack.of(DEPLOYMENT, STATEFUL_SET)


def _may_go(budget: Object, count: int) -> int:
    """How many of so many pods a disruption budget lets go at once; percentages are rounded up, as Kubernetes does."""

    def of(value: int | str) -> int:
        return math.ceil(int(value.rstrip("%")) * count / 100) if isinstance(value, str) else value

    spec = budget["spec"]
    if "maxUnavailable" in spec:
        return of(spec["maxUnavailable"])
    return count - of(spec.get("minAvailable", 1))


def budgets_never_block(stack: Stack) -> Iterator[Problem]:
    for workload in _running(stack):
        budgets = [
            each
            for each in stack.of("PodDisruptionBudget")
            if matches(each["spec"].get("selector"), pods_of(workload).labels)
        ]
        count = fewest(stack, workload)
        if len(budgets) > 1 or (count > 1 and not budgets):
            yield workload, f"it has {len(budgets)} disruption budgets, and needs one"
        for budget in budgets:
            if _may_go(budget, count) < 1:
                yield budget, f"with {count} pods of {shown(workload)} none may ever go: no node can be drained"
            if workload["kind"] == DEPLOYMENT and budget["spec"].get("unhealthyPodEvictionPolicy") != "AlwaysAllow":
                yield budget, "pods that are not ready keep a node from being drained"


def budgets_keep_a_majority(stack: Stack) -> Iterator[Problem]:
    for workload in stack.of(STATEFUL_SET):
        count = fewest(stack, workload)
        for budget in stack.of("PodDisruptionBudget"):
            selects = matches(budget["spec"].get("selector"), pods_of(workload).labels)
            if selects and count >= 3 and _may_go(budget, count) > (count - 1) // 2:
                yield budget, f"{_may_go(budget, count)} of {count} servers may go at once, which is no majority left"


def replicas_are_spread(stack: Stack) -> Iterator[Problem]:
    for workload in _running(stack):
        pods = pods_of(workload)
        constraints = pods.spec.get("topologySpreadConstraints") or []
        if fewest(stack, workload) > 1 and HOSTNAME not in {each["topologyKey"] for each in constraints}:
            yield workload, "its pods may all be on one node"
        for each in constraints:
            if not matches(each.get("labelSelector"), pods.labels):
                yield workload, f"the constraint of {each['topologyKey']} does not count its own pods"
            wanted = set((each.get("labelSelector") or {}).get("matchLabels") or {}) | set(each.get("matchLabelKeys") or [])
            others = [other for other in stack.selected(each.get("labelSelector")) if other.owner is not workload]
            if others and "app.kubernetes.io/component" not in wanted:
                yield (
                    workload,
                    f"the constraint of {each['topologyKey']} counts the pods of {shown(others[0].owner)} as well",
                )


def there_are_enough(stack: Stack) -> Iterator[Problem]:
    for workload in _running(stack):
        wanted = ENOUGH.get(labels_of(workload).get("app.kubernetes.io/component", ""), 1) if stack.production else 1
        if fewest(stack, workload) < wanted:
            yield workload, f"there are {fewest(stack, workload)}, and at least {wanted} are needed"


def autoscalers_scale(stack: Stack) -> Iterator[Problem]:
    for found in stack.of("HorizontalPodAutoscaler", "ScaledObject"):
        target, spec = found["spec"]["scaleTargetRef"], found["spec"]
        workload = stack.one(target.get("kind", DEPLOYMENT), target["name"])
        if workload is None:
            yield found, f"there is no {target.get('kind', DEPLOYMENT)}/{target['name']} to scale"
        elif "replicas" in workload["spec"]:
            yield workload, f"it says replicas, and {shown(found)} does: each apply would undo the other"
        fewest_, most = (
            spec.get("minReplicas", spec.get("minReplicaCount", 1)),
            spec.get("maxReplicas", spec.get("maxReplicaCount", 100)),
        )
        if fewest_ > most:
            yield found, f"at least {fewest_} and at most {most}"
        for metric in spec.get("metrics") or []:
            name = metric.get("pods", {}).get("metric", {}).get("name")
            if name is not None and name not in code.metrics():
                yield found, f"no service has a metric {name}"


def rollouts_keep_capacity(stack: Stack) -> Iterator[Problem]:
    for workload in stack.of(DEPLOYMENT):
        strategy = workload["spec"].get("strategy") or {}
        rolling = strategy.get("rollingUpdate") or {}
        if strategy.get("type", "RollingUpdate") != "RollingUpdate" or rolling.get("maxUnavailable", "25%") not in (0, "0%"):
            yield workload, "a rollout takes pods away before new ones are ready"
        if rolling.get("maxUnavailable") in (0, "0%") and rolling.get("maxSurge", "25%") in (0, "0%"):
            yield workload, "a rollout can neither add a pod nor take one away"
        if workload["spec"].get("minReadySeconds", 0) < 1:
            yield workload, "a new pod counts as available the moment it is ready"


def _before_signal(container: Object) -> float:
    return float((container.get("lifecycle") or {}).get("preStop", {}).get("sleep", {}).get("seconds", 0))


def _delay(stack: Stack, container: Object) -> float:
    return float(environment(stack, container).get("WS_DRAIN_DELAY", 0))


def _needed(stack: Stack, container: Object) -> float:
    """How long a container may take to end in order, in seconds."""
    words = arguments(stack, container)
    drain = [float(word.partition("=")[2]) for word in words if word.startswith("--drain-s=")]
    if code.service_of(container):
        return _before_signal(container) + _delay(stack, container) + code.DRAIN_S + code.SPARE_S
    if "nats-server" in words:
        return code.NATS_LAME_DUCK_S + code.SPARE_S
    return _before_signal(container) + (drain[0] + code.SPARE_S if drain else 0.0)


def grace_covers_the_drain(stack: Stack) -> Iterator[Problem]:
    for workload in _running(stack):
        pods = pods_of(workload)
        grace = pods.spec.get("terminationGracePeriodSeconds", 30)
        for container in pods.containers:
            if grace < _needed(stack, container):
                yield workload, f"it is killed after {grace} s, and may need {_needed(stack, container):g} s to end in order"


def routed_pods_outlive_their_readiness(stack: Stack) -> Iterator[Problem]:
    for route in stack.of("HTTPRoute"):
        for rule in route["spec"].get("rules") or []:
            for backend in rule.get("backendRefs") or []:
                service = stack.one("Service", backend["name"])
                for pods in stack.behind(service) if service else ():
                    for container in pods.containers:
                        if _delay(stack, container) + _before_signal(container) < _noticed(container):
                            yield pods.owner, "it drains before the proxies have noticed that it is not ready"


def _noticed(container: Object) -> float:
    probe = container.get("readinessProbe") or {}
    return float(probe.get("failureThreshold", 3) * (probe.get("periodSeconds", 10) + probe.get("timeoutSeconds", 1)))


def routes_have_no_time_limit(stack: Stack) -> Iterator[Problem]:
    for route in stack.of("HTTPRoute"):
        for rule in route["spec"].get("rules") or []:
            if rule.get("backendRefs") and (rule.get("timeouts") or {}).get("request") != "0s":
                yield route, "requests, and so WebSockets and event streams, are cut off after a time"


RULES = (
    Rule(
        "budget",
        budgets_never_block,
        "One budget for each workload, maxUnavailable: 1, unhealthyPodEvictionPolicy: AlwaysAllow.",
    ),
    Rule("budget-majority", budgets_keep_a_majority, "Let one server go at a time."),
    Rule("spread", replicas_are_spread, "Spread over kubernetes.io/hostname, counting by name and component."),
    Rule("enough", there_are_enough, "Raise the replicas, or the autoscaler's minimum."),
    Rule("autoscaler", autoscalers_scale, "Scale what exists, by a metric that exists, and take `replicas` out of it."),
    Rule("rollout", rollouts_keep_capacity, "maxUnavailable: 0, maxSurge: 1 or more, minReadySeconds: 1 or more."),
    Rule(
        "grace",
        grace_covers_the_drain,
        "Raise terminationGracePeriodSeconds: preStop, WS_DRAIN_DELAY, the drain, and some to spare.",
    ),
    Rule(
        "drain-delay",
        routed_pods_outlive_their_readiness,
        "Raise WS_DRAIN_DELAY over failureThreshold × (period + timeout).",
    ),
    Rule("route-timeouts", routes_have_no_time_limit, "Set timeouts.request: 0s."),
)
