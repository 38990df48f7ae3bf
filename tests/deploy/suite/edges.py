"""Who may reach whom by the network policies, and who must by what the programs are told."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.deploy.suite.environment import environment
from tests.deploy.suite.objects import Object, Pods, Stack, matches, name_of, shown, template_of

ANYWHERE, DNS, MONITORING = "anywhere", "namespace kube-system", "namespace monitoring"
POSTGRES_OPERATOR = "namespace cnpg-system"
ALL_PORTS = 0
_PORTS = {"nats": 4222, "nats-route": 6222, "postgresql": 5432, "https": 443, "http": 80}
_TOLD = re.compile(r"^(WS_NATS_URL|WS_DATABASE_URL|WS_NATS_ROUTE_\d|GATEWAY_URL|OTEL_EXPORTER_OTLP_(TRACES_)?ENDPOINT)$")


@dataclass(frozen=True, slots=True, order=True)
class Edge:
    """A connection to a port. Who is at its ends: `Kind/name` of ours, `namespace …` or `anywhere` of others."""

    source: str
    target: str
    port: int
    protocol: str = "TCP"

    def __str__(self) -> str:
        return f"{self.source} → {self.target}, {self.protocol} port {self.port or 'any'}"


def leaving(stack: Stack) -> set[Edge]:
    """What policies let out of our pods."""
    return {
        Edge(shown(pods.owner), who, port, protocol)
        for policy in stack.of("NetworkPolicy")
        for pods in stack.selected(policy["spec"].get("podSelector"))
        for rule in policy["spec"].get("egress") or []
        for who, at in _peers(stack, rule.get("to"))
        for port, protocol in _ports(rule, at)
    }


def arriving(stack: Stack) -> set[Edge]:
    """What policies let in to our pods."""
    return {
        Edge(who, shown(pods.owner), port, protocol)
        for policy in stack.of("NetworkPolicy")
        for pods in stack.selected(policy["spec"].get("podSelector"))
        for rule in policy["spec"].get("ingress") or []
        for who, _ in _peers(stack, rule.get("from"))
        for port, protocol in _ports(rule, pods)
    }


def _peers(stack: Stack, peers: list[Object] | None) -> Iterator[tuple[str, Pods | None]]:
    if not peers:
        yield ANYWHERE, None
    for peer in peers or []:
        if "ipBlock" in peer:
            yield ANYWHERE, None
        elif "namespaceSelector" in peer:
            labels = (peer["namespaceSelector"] or {}).get("matchLabels") or {}
            name = labels.get("kubernetes.io/metadata.name")
            yield f"namespace {name}" if name else ANYWHERE, None
        else:
            yield from ((shown(pods.owner), pods) for pods in stack.selected(peer.get("podSelector")))


def _ports(rule: Object, at: Pods | None) -> Iterator[tuple[int, str]]:
    if not rule.get("ports"):
        yield ALL_PORTS, "TCP"
    for each in rule.get("ports") or []:
        port, protocol = each.get("port", ALL_PORTS), each.get("protocol", "TCP")
        if "endPort" in each:
            yield ALL_PORTS, protocol
        elif isinstance(port, int):
            yield port, protocol
        elif at is not None and (found := at.port(port)) is not None:
            yield found, protocol


def needed(stack: Stack) -> set[Edge]:
    """What there must be, from addresses in the environment, routes, and what is known of the programs of others."""
    inside = [edge for pods in stack.pods for edge in _told(stack, pods)]
    return {*inside, *_names(stack), *_scrapes(stack), *_ways_in(stack), *_postgres(stack)}


def unresolved(stack: Stack) -> Iterator[tuple[Object, str]]:
    """Addresses that lead to no Service of the stack though they have the form of one: the workload, and the address."""
    for pods, scheme, host, _ in _addresses(stack):
        if scheme in ("nats", "nats-route", "postgresql") and _service(stack, host) is None:
            yield pods.owner, f"{scheme}://{host}"


def _addresses(stack: Stack) -> Iterator[tuple[Pods, str, str, int]]:
    for pods in stack.pods:
        for container in pods.containers:
            for name, value in environment(stack, container).items():
                if not _TOLD.match(name):
                    continue
                for each in value.split(","):
                    url = urlsplit(each)
                    yield pods, url.scheme, url.hostname or "", url.port or _PORTS.get(url.scheme, 0)


def _service(stack: Stack, host: str) -> Object | None:
    names = host.split(".")
    # Either the Service, or one pod's own name at a headless one.
    for each in stack.services:
        if name_of(each) in (names[0], *names[1:2]):
            return each
    return None


def _told(stack: Stack, pods: Pods) -> Iterator[Edge]:
    for owner, scheme, host, port in _addresses(stack):
        if owner is not pods:
            continue
        service = _service(stack, host)
        if service is None:
            names = host.split(".")
            inside = scheme == "http" and len(names) > 1
            yield Edge(shown(pods.owner), f"namespace {names[1]}" if inside else ANYWHERE, port)
            continue
        for each in service["spec"].get("ports") or []:
            if each["port"] == port:
                for target in stack.behind(service):
                    yield Edge(shown(pods.owner), shown(target.owner), target.port(each.get("targetPort", port)) or port)


def _names(stack: Stack) -> Iterator[Edge]:
    yield from (Edge(shown(pods.owner), DNS, 53, protocol) for pods in stack.pods for protocol in ("TCP", "UDP"))


def _scrapes(stack: Stack) -> Iterator[Edge]:
    for workload in stack.workloads:
        annotations = template_of(workload).get("metadata", {}).get("annotations") or {}
        if annotations.get("prometheus.io/scrape") == "true":
            yield Edge(MONITORING, shown(workload), int(annotations.get("prometheus.io/port", ALL_PORTS)))


def _ways_in(stack: Stack) -> Iterator[Edge]:
    for route in stack.of("HTTPRoute"):
        backends = [each for rule in route["spec"].get("rules") or [] for each in rule.get("backendRefs") or []]
        for parent in route["spec"].get("parentRefs") or []:
            for backend in backends:
                service = stack.one("Service", backend["name"])
                for port in service["spec"]["ports"] if service else ():
                    for pods in stack.behind(service or {}) if port["port"] == backend.get("port") else ():
                        target = pods.port(port.get("targetPort", port["port"]))
                        if target is not None:
                            yield Edge(f"namespace {parent.get('namespace')}", shown(pods.owner), target)


def _postgres(stack: Stack) -> Iterator[Edge]:
    # The operator's documentation, "Networking": instances, operator, Kubernetes' API, the store of backups.
    for cluster in stack.clusters:
        name = shown(cluster)
        for port in (5432, 8000):
            yield Edge(name, name, port)
            yield Edge(POSTGRES_OPERATOR, name, port)
        yield Edge(MONITORING, name, 9187)
        yield Edge(name, ANYWHERE, 443)
        yield Edge(name, ANYWHERE, 6443)


def tolerated(stack: Stack, edge: Edge) -> bool:
    """Edges that are right though nothing here asks for them: a way in to gateways, whatever leads there."""
    gateways = {
        shown(pods.owner): pods.port("http")
        for pods in stack.pods
        if matches({"matchLabels": {"app.kubernetes.io/component": "gateway"}}, pods.labels)
    }
    routed = bool(stack.of("HTTPRoute"))
    return not routed and edge.source.startswith("namespace ") and gateways.get(edge.target) == edge.port
