"""Network policies: nothing by default, and each edge that the programs need, at both of its ends."""

from collections.abc import Iterator

from tests.deploy.suite.edges import Edge, arriving, leaving, needed, tolerated, unresolved
from tests.deploy.suite.findings import Problem, Rule
from tests.deploy.suite.objects import Object, Stack, shown


def _policies(stack: Stack) -> Object:
    """What findings are about that no policy alone is to blame for."""
    return (stack.of("NetworkPolicy") or [{"kind": "NetworkPolicy", "metadata": {"name": "(none)"}}])[0]


def nothing_is_allowed_by_default(stack: Stack) -> Iterator[Problem]:
    for policy in stack.of("NetworkPolicy"):
        spec = policy["spec"]
        if spec.get("podSelector") == {} and set(spec.get("policyTypes") or []) == {"Ingress", "Egress"}:
            return
    yield _policies(stack), "no policy denies all pods both directions"


def policies_say_their_types(stack: Stack) -> Iterator[Problem]:
    for policy in stack.of("NetworkPolicy"):
        types = set(policy["spec"].get("policyTypes") or [])
        for field, type_ in (("ingress", "Ingress"), ("egress", "Egress")):
            if field in policy["spec"] and type_ not in types:
                yield policy, f"it has rules of {field} that policyTypes does not name"


def ports_are_named(stack: Stack) -> Iterator[Problem]:
    for edge in sorted(leaving(stack) | arriving(stack)):
        if not edge.port:
            yield _about(stack, edge), f"all ports are allowed: {edge}"


def _about(stack: Stack, edge: Edge) -> Object:
    for each in stack.pods:
        if shown(each.owner) in (edge.source, edge.target):
            return each.owner
    return _policies(stack)


def needed_edges_are_allowed(stack: Stack) -> Iterator[Problem]:
    out, into = leaving(stack), arriving(stack)
    ours = {shown(each.owner) for each in stack.pods}
    for edge in sorted(needed(stack)):
        if edge.source in ours and edge not in out:
            yield _about(stack, edge), f"it needs {edge}, which no policy lets out"
        if edge.target in ours and edge not in into:
            yield _about(stack, edge), f"it needs {edge}, which no policy lets in"


def no_other_edge_is_allowed(stack: Stack) -> Iterator[Problem]:
    wanted = needed(stack)
    for edge in sorted((leaving(stack) | arriving(stack)) - wanted):
        if edge.port and not tolerated(stack, edge):
            yield _about(stack, edge), f"nothing needs {edge}"


def addresses_lead_somewhere(stack: Stack) -> Iterator[Problem]:
    for owner, address in unresolved(stack):
        yield owner, f"{address} is no Service of this overlay"


RULES = (
    Rule(
        "default-deny",
        nothing_is_allowed_by_default,
        "Add a policy with an empty podSelector for Ingress and Egress, without rules.",
    ),
    Rule("policy-types", policies_say_their_types, "Name the direction in policyTypes."),
    Rule("edge-ports", ports_are_named, "Name the ports."),
    Rule("edge-needed", needed_edges_are_allowed, "Allow it where it leaves and where it arrives: see base/network."),
    Rule("edge-superfluous", no_other_edge_is_allowed, "Take it out of the policy, or tell the program its address."),
    Rule("address", addresses_lead_somewhere, "Name a Service, or a pod at a headless one."),
)
