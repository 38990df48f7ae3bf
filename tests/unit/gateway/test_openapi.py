"""The OpenAPI document describes what is there, and nothing that is not."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from services.contracts.problems import PROBLEMS
from services.gateway.api import (
    account_operations,
    agent_operations,
    audit_operations,
    discovery_operations,
    file_operations,
    member_operations,
    operations,
    predecessor_operations,
    queue_operations,
    sign_in_operations,
    space_operations,
    watching_operations,
)
from services.gateway.api.operation import ANY_PROBLEMS, BYTES, Operation
from services.gateway.api.operations import OPERATIONS
from services.gateway.items import EVENTS
from services.gateway.openapi import document
from services.gateway.problems import ProblemObject

DOCUMENT: dict[str, Any] = msgspec.json.decode(document(OPERATIONS))
PARTS_OF_REQUESTS = {code for code, kind in PROBLEMS.items() if kind.status < 400}
OF_NO_OPERATION = {"method_not_allowed"}
"""What is wrong with a request that reaches no operation."""


HEADERS_ALONE = {"file_offset 200"}
"""Answers that have no body."""


def is_bytes(schema: dict[str, Any]) -> bool:
    """Whether it describes bytes, or a form of such."""
    return BYTES in (schema, *schema.get("properties", {}).values())


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if "$ref" in value else set()
        return own.union(*(references(each) for each in value.values()))
    return set().union(*(references(each) for each in value)) if isinstance(value, list) else set()


def described(operation: Operation) -> dict[str, Any]:
    found = DOCUMENT["paths"][operation.path][operation.method.lower()]
    assert isinstance(found, dict)
    return found


def contents() -> Iterator[tuple[str, dict[str, Any]]]:
    """The content of each body and answer, with a name."""
    for operation in OPERATIONS:
        whole = described(operation)
        if "requestBody" in whole:
            yield f"{operation.id} body", whole["requestBody"]["content"]
        for status, answer in whole["responses"].items():
            yield f"{operation.id} {status}", answer.get("content", {})


def valued(schema: dict[str, Any]) -> Draft202012Validator:
    return Draft202012Validator({**schema, "components": DOCUMENT["components"]})


def events_in(stream: str) -> list[dict[str, str]]:
    """The events of a stream, each as its fields."""
    blocks = [dict(line.split(": ", 1) for line in block.split("\n")) for block in stream.strip().split("\n\n")]
    return [block for block in blocks if "event" in block]


def test_it_is_openapi_3_1() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_every_reference_leads_somewhere() -> None:
    there = {f"#/components/{kind}/{name}" for kind in ("schemas", "headers") for name in DOCUMENT["components"][kind]}
    assert references(DOCUMENT) <= there
    assert {f"#/components/schemas/{ProblemObject.__name__}", "#/components/schemas/SubmitBody"} <= there


def test_every_operation_that_is_declared_is_offered() -> None:
    modules = (
        *(operations, account_operations, agent_operations, audit_operations, discovery_operations, file_operations),
        *(member_operations, predecessor_operations, queue_operations, sign_in_operations, space_operations),
        watching_operations,
    )
    declared = [value for module in modules for value in vars(module).values() if isinstance(value, Operation)]
    assert {each.id for each in declared} == {each.id for each in OPERATIONS}
    assert len({each.id for each in declared}) == len({(each.method, each.path) for each in declared}) == len(declared)


def test_every_operation_is_described_with_its_path_parameters() -> None:
    for operation in OPERATIONS:
        found = described(operation)
        named = {each["name"] for each in found["parameters"] if each["in"] == "path"}
        assert named == {part[1:-1] for part in operation.path.split("/") if part.startswith("{")}
        assert all(each["required"] for each in found["parameters"] if each["in"] == "path")
        assert found["summary"]
        assert found["description"]
        assert found["tags"] == [operation.tag.name]
    assert [tag["name"] for tag in DOCUMENT["tags"]] == list(dict.fromkeys(each.tag.name for each in OPERATIONS))


def test_an_operation_answers_what_it_declares_and_nothing_else() -> None:
    for operation in OPERATIONS:
        answers = {*operation.answers, *([200] if operation.streamed else [])}
        assert all(200 <= status < 400 for status in answers)
        declared = {str(status) for status in answers | {PROBLEMS[code].status for code in operation.problems}}
        assert set(described(operation)["responses"]) == declared
        assert set(ANY_PROBLEMS) <= set(operation.problems)
        for status, answer in described(operation)["responses"].items():
            problem = answer.get("content", {}).get("application/problem+json", {})
            assert set(problem.get("examples", {})) == set(operation.problems_of(int(status)))


def test_every_problem_code_is_an_operations_or_a_requests() -> None:
    declared = {code for operation in OPERATIONS for code in operation.problems}
    assert declared | OF_NO_OPERATION | PARTS_OF_REQUESTS == set(PROBLEMS)
    assert not declared & PARTS_OF_REQUESTS


@pytest.mark.parametrize(("name", "content"), list(contents()))
def test_every_body_and_answer_has_examples_that_fit_its_schema(name: str, content: dict[str, Any]) -> None:
    assert content or name.endswith((" 204", " 304")) or name in HEADERS_ALONE
    for kind in content.values():
        if is_bytes(kind["schema"]):
            continue
        examples = [kind["example"]] if "example" in kind else [each["value"] for each in kind["examples"].values()]
        values = [value for each in examples for value in (events_in(each) if isinstance(each, str) else [each])]
        assert values
        for value in values:
            valued(kind["schema"]).validate(value)


def test_examples_of_parameters_and_headers_fit_their_schemas() -> None:
    parameters = [each for operation in OPERATIONS for each in described(operation)["parameters"]]
    for each in [*parameters, *DOCUMENT["components"]["headers"].values()]:
        valued(each["schema"]).validate(each["example"])
        assert each["description"]


def test_an_example_with_a_flaw_is_found() -> None:
    schema = {"$ref": "#/components/schemas/RequestObject"}
    assert not valued(schema).is_valid({"id": "x"})


def test_headers_are_described_where_they_are_sent() -> None:
    submit = DOCUMENT["paths"]["/v1/spaces/{space}/requests"]["post"]["responses"]
    every = {"X-Request-Id", "RateLimit", "RateLimit-Policy"}
    assert set(submit["202"]["headers"]) == every | {"Location", "Idempotent-Replayed", "Retry-After"}
    assert set(submit["201"]["headers"]) == set(submit["200"]["headers"]) == set(submit["202"]["headers"]) - {"Retry-After"}
    assert set(submit["503"]["headers"]) == set(submit["429"]["headers"]) == every | {"Retry-After"}
    assert set(submit["401"]["headers"]) == {"X-Request-Id", "WWW-Authenticate"}
    assert set(submit["404"]["headers"]) == every


def test_a_submission_is_described_by_the_type_that_validates_it() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    assert schemas["SubmitBody"]["required"] == ["input"]
    assert schemas["SubmitBody"]["additionalProperties"] is False
    assert schemas["SubmitBody"]["properties"]["input"]["type"] == "object"
    assert schemas["PolicyBody"]["properties"]["priority"] == {"type": "integer", "minimum": -10, "maximum": 10}


def test_streams_are_described_with_the_data_of_each_event() -> None:
    paths = DOCUMENT["paths"]
    events = paths["/v1/requests/{id}/events"]["get"]["responses"]
    assert list(events["200"]["content"]) == ["application/json", "text/event-stream"]
    assert events["200"]["content"]["text/event-stream"]["schema"] == {"$ref": "#/components/schemas/StreamEvent"}
    stream = DOCUMENT["components"]["schemas"]["StreamEvent"]
    assert [each["properties"]["event"]["const"] for each in stream["oneOf"]] == list(EVENTS)
    for event in events_in(events["200"]["content"]["text/event-stream"]["example"]):
        kind = next(each for each in stream["oneOf"] if each["properties"]["event"]["const"] == event["event"])
        valued(kind["properties"]["data"]["contentSchema"]).validate(msgspec.json.decode(event["data"]))
    assert "content" not in events["204"]
    submit = paths["/v1/spaces/{space}/requests"]["post"]["responses"]
    assert list(submit["200"]["content"]) == ["text/event-stream"]
    assert list(submit["201"]["content"]) == ["application/json"]
    assert list(submit["503"]["content"]) == ["application/problem+json"]
