"""What the rules for manifests are made of."""

from dataclasses import replace
from typing import Any

import jsonschema
import pytest

from tests.deploy.suite import postgres
from tests.deploy.suite.breaking import Broken, broken
from tests.deploy.suite.edges import Edge, arriving, leaving, needed
from tests.deploy.suite.environment import environment
from tests.deploy.suite.objects import Stack, matches
from tests.deploy.suite.published import NEWEST, OLDEST, strict
from tests.deploy.suite.quantities import go_bytes, number
from tests.deploy.suite.render import ROOT


@pytest.mark.parametrize(
    ("quantity", "expected"), [("500m", 0.5), ("1", 1), (2, 2), ("1k", 1000), ("64Mi", 64 * 2**20), ("1.5Gi", 1.5 * 2**30)]
)
def test_quantities_are_numbers(quantity: str | int, expected: float) -> None:
    assert number(quantity) == expected


@pytest.mark.parametrize("quantity", ["1Gb", "", "Gi", "1 Gi"])
def test_what_is_no_quantity_is_refused(quantity: str) -> None:
    with pytest.raises(ValueError, match="not a quantity"):
        number(quantity)


def test_limits_of_go_are_bytes() -> None:
    assert go_bytes("768MiB") == 768 * 2**20
    with pytest.raises(ValueError, match="not a limit"):
        go_bytes("768Mi")


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        (None, False),
        ({}, True),
        ({"matchLabels": {"app": "gateway"}}, True),
        ({"matchLabels": {"app": "gateway", "tier": "front"}}, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["gateway", "history"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["gateway"]}]}, False),
        ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, False),
    ],
)
def test_selectors_select_as_in_kubernetes(selector: dict[str, Any] | None, selected: bool) -> None:
    assert matches(selector, {"app": "gateway"}) is selected


def workload(name: str, port: int, **environment: str) -> dict[str, Any]:
    variables = [{"name": key, "value": value} for key, value in environment.items()]
    container = {"name": name, "env": variables, "ports": [{"name": "main", "containerPort": port}]}
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}}
    return {"kind": "Deployment", "metadata": {"name": name}, "spec": {"template": template}}


def policy(pods: str, side: str, peers: str, peer: str, port: int | str) -> dict[str, Any]:
    rule = {peers: [{"podSelector": {"matchLabels": {"app": peer}}}], "ports": [{"port": port}]}
    return {
        "kind": "NetworkPolicy",
        "metadata": {"name": f"{pods}-{side}"},
        "spec": {"podSelector": {"matchLabels": {"app": pods}}, side: [rule]},
    }


SERVICE: dict[str, Any] = {
    "kind": "Service",
    "metadata": {"name": "bus"},
    "spec": {"selector": {"app": "nats"}, "ports": [{"port": 4222, "targetPort": "main"}]},
}
STACK = Stack(
    (
        workload("gateway", 5001, PASSWORD="secret", WS_NATS_URL="nats://gateway:$(PASSWORD)@bus:4222"),
        workload("nats", 14222),
        SERVICE,
        policy("gateway", "egress", "to", "nats", "main"),
        policy("nats", "ingress", "from", "gateway", 14222),
    )
)


def test_an_edge_follows_from_an_address_through_the_service_to_the_port_of_the_pods() -> None:
    edge = Edge("Deployment/gateway", "Deployment/nats", 14222)
    assert {each for each in needed(STACK) if each.port != 53} == {edge}
    assert leaving(STACK) == arriving(STACK) == {edge}


def test_a_variable_has_those_before_it_put_in() -> None:
    container: Any = STACK.containers[0][1]
    assert environment(STACK, container)["WS_NATS_URL"] == "nats://gateway:secret@bus:4222"
    later = {**container, "env": container["env"][::-1]}
    assert environment(STACK, later)["WS_NATS_URL"] == "nats://gateway:$(PASSWORD)@bus:4222"


def test_to_break_one_thing_leaves_the_stack_whole() -> None:
    other = broken(STACK, Broken("", "Service/bus", "spec/ports/0/port", 4223))
    assert other != STACK
    assert SERVICE["spec"]["ports"][0]["port"] == 4222
    assert broken(STACK, Broken("", "Service/bus")) == replace(
        STACK, objects=tuple(each for each in STACK.objects if each != SERVICE)
    )


def test_a_schema_of_a_custom_resource_refuses_fields_that_it_does_not_name() -> None:
    schema = strict(
        {
            "type": "object",
            "properties": {
                "spec": {
                    "type": "object",
                    "properties": {"size": {"type": "integer", "nullable": True}},
                    "x-kubernetes-preserve-unknown-fields": False,
                },
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "properties": {}},
            },
        },
        root=True,
    )
    jsonschema.validate({"metadata": {"name": "a"}, "spec": {"size": None}, "free": {"any": 1}}, schema)
    with pytest.raises(jsonschema.ValidationError, match="siez"):
        jsonschema.validate({"spec": {"siez": 1}}, schema)


BINDINGS = """
pub struct PoolSpec {
    /// How many; "pub not: Field,\\n"
    pub instances: i64,
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "logLevel")]
    pub log_level: Option<PoolLogLevel>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#type: Option<BTreeMap<String, Vec<String>>>,
}
pub enum PoolLogLevel {
    #[serde(rename = "info")]
    Info,
}
"""


def test_bindings_tell_fields_types_and_what_must_be_there() -> None:
    schema = postgres.schema(BINDINGS, "Pool")
    whole = {"apiVersion": "postgresql.cnpg.io/v1", "kind": "Pool", "metadata": {}}
    good: dict[str, Any] = {"instances": 1, "logLevel": "info", "type": {"a": ["b"]}}
    jsonschema.validate(whole | {"spec": good}, schema)
    for bad in (
        {},
        good | {"instances": "1"},
        good | {"logLevel": "loud"},
        good | {"log_level": "info"},
        good | {"type": {"a": "b"}},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(whole | {"spec": bad}, schema)


def test_the_documents_name_the_versions_that_are_looked_at() -> None:
    assert f"Kubernetes {OLDEST} or newer" in (ROOT / "docs" / "kubernetes.md").read_text()
    assert f"Kubernetes {OLDEST} and {NEWEST}" in (ROOT / "docs" / "kubernetes-validation.md").read_text()
