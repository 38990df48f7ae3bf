"""The OpenAPI document describes what is there, and nothing that is not."""

from typing import Any

import msgspec

from services.gateway.api.operations import OPERATIONS
from services.gateway.items import EVENTS
from services.gateway.openapi import document
from services.gateway.problems import ProblemObject


def described() -> dict[str, Any]:
    value = msgspec.json.decode(document(OPERATIONS))
    assert isinstance(value, dict)
    return value


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if "$ref" in value else set()
        return own.union(*(references(each) for each in value.values()))
    return set().union(*(references(each) for each in value)) if isinstance(value, list) else set()


def test_every_reference_leads_somewhere() -> None:
    whole = described()
    schemas = {f"#/components/schemas/{name}" for name in whole["components"]["schemas"]}
    assert references(whole) <= schemas
    assert {f"#/components/schemas/{ProblemObject.__name__}", "#/components/schemas/SubmitBody"} <= schemas


def test_every_operation_is_described_with_its_path_parameters() -> None:
    paths = described()["paths"]
    for operation in OPERATIONS:
        found = paths[operation.path][operation.method.lower()]
        named = {each["name"] for each in found["parameters"] if each["in"] == "path"}
        assert named == {part[1:-1] for part in operation.path.split("/") if part.startswith("{")}
        assert all(each["required"] for each in found["parameters"] if each["in"] == "path")


def test_a_submission_is_described_by_the_type_that_validates_it() -> None:
    schemas = described()["components"]["schemas"]
    assert schemas["SubmitBody"]["required"] == ["input"]
    assert schemas["SubmitBody"]["additionalProperties"] is False
    assert schemas["SubmitBody"]["properties"]["input"]["type"] == "object"
    assert schemas["PolicyBody"]["properties"]["priority"] == {"type": "integer", "minimum": -10, "maximum": 10}


def test_streams_are_described_with_the_data_of_each_event() -> None:
    paths = described()["paths"]
    events = paths["/v1/requests/{id}/events"]["get"]["responses"]
    assert list(events["200"]["content"]) == ["application/json", "text/event-stream"]
    assert list(events["200"]["content"]["text/event-stream"]["x-events"]) == list(EVENTS)
    assert "content" not in events["204"]
    submit = paths["/v1/spaces/{space}/requests"]["post"]["responses"]
    assert list(submit["200"]["content"]) == ["text/event-stream"]
    assert list(submit["201"]["content"]) == ["application/json"]
    assert list(submit["503"]["content"]) == ["application/problem+json"]
