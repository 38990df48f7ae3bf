"""An OpenAPI document as people read it. Pure."""

import json
from collections.abc import Iterator
from typing import Any

from services.gateway.web.shown import Answer, Content, Field, Group, Operation, Piece, Problem, Reference, Schema

_CONSTRAINTS = {
    "minimum": "≥ {}",
    "exclusiveMinimum": "> {}",
    "maximum": "≤ {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
}
_SCHEMAS = "#/components/schemas/"
_STREAM, STREAM_EVENT = "text/event-stream", "StreamEvent"


def reference(document: dict[str, Any]) -> Reference:
    """What an OpenAPI document of ours says."""
    operations = [
        (each["tags"][0], _operation(path, method, each, document["components"]))
        for path, methods in document["paths"].items()
        for method, each in methods.items()
    ]
    groups = [
        Group(tag["name"], tag["description"], [operation for name, operation in operations if name == tag["name"]])
        for tag in document["tags"]
    ]
    codes = {problem.code: problem for _, operation in operations for problem in operation.problems}
    return Reference(
        title=document["info"]["title"],
        version=document["info"]["version"],
        description=document["info"]["description"],
        groups=groups,
        problems=sorted(codes.values(), key=lambda problem: (problem.status, problem.code)),
        schemas=[_schema(name, each) for name, each in sorted(document["components"]["schemas"].items())],
    )


def _operation(path: str, method: str, operation: dict[str, Any], components: dict[str, Any]) -> Operation:
    headers, schemas = components["headers"], components["schemas"]
    responses = {int(status): response for status, response in operation["responses"].items()}
    bodies = _contents(operation.get("requestBody", {}), schemas)
    return Operation(
        id=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        description=operation["description"],
        parameters=[_described(each["name"], each, each["in"]) for each in operation["parameters"]],
        body=bodies[0] if bodies else None,
        answers=[_answer(status, each, headers, schemas) for status, each in responses.items() if status < 400],
        problems=[problem for status, each in responses.items() if status >= 400 for problem in _problems(status, each)],
        curls=list(_curls(path, method.upper(), operation)),
    )


def _described(name: str, described: dict[str, Any], place: str) -> Field:
    schema = described["schema"]
    return Field(
        name=name,
        type=_type(schema),
        required=described["required"],
        description=described["description"],
        place=place,
        limits=_limits(schema),
        example=str(described["example"]),
    )


def _answer(status: int, response: dict[str, Any], headers: dict[str, Any], schemas: dict[str, Any]) -> Answer:
    fields = [_described(name, headers[name], "header") for name in response["headers"]]
    return Answer(status, response["description"], fields, _contents(response, schemas))


def _contents(described: dict[str, Any], schemas: dict[str, Any]) -> list[Content]:
    return [
        Content(
            media_type=media_type,
            type=_type(content["schema"]),
            example=_text(content.get("example", "…")),
            events=_events(schemas[STREAM_EVENT]) if media_type == _STREAM else {},
        )
        for media_type, content in described.get("content", {}).items()
    ]


def _events(schema: dict[str, Any]) -> dict[str, list[Piece]]:
    """The events that a stream may hold, with the types of their data."""
    kinds = [each["properties"] for each in schema["oneOf"]]
    return {kind["event"]["const"]: _type(kind["data"]["contentSchema"]) for kind in kinds}


def _problems(status: int, response: dict[str, Any]) -> Iterator[Problem]:
    for content in response["content"].values():
        for code, example in content["examples"].items():
            value = example["value"]
            yield Problem(status, code, example["summary"], value["detail"], value["retryable"])


def _schema(name: str, schema: dict[str, Any]) -> Schema:
    required = schema.get("required", [])
    fields = [
        Field(
            name=member,
            type=_type(each),
            required=member in required,
            description=each.get("description", ""),
            limits=_limits(each),
        )
        for member, each in schema.get("properties", {}).items()
    ]
    return Schema(name, schema.get("description", ""), fields)


def _type(schema: dict[str, Any]) -> list[Piece]:
    """The type in words and names of schemas."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(_SCHEMAS)
        return [Piece(name, name)]
    if "anyOf" in schema:
        return _joined([_type(each) for each in schema["anyOf"]])
    if "enum" in schema:
        return [Piece(" | ".join(json.dumps(value) for value in schema["enum"]))]
    if "const" in schema:
        return [Piece(json.dumps(schema["const"]))]
    kinds = schema.get("type", "any")
    if kinds == "array" and "items" in schema:
        return [Piece("array of "), *_type(schema["items"])]
    return [Piece(kinds if isinstance(kinds, str) else " or ".join(kinds))]


def _joined(types: list[list[Piece]]) -> list[Piece]:
    joined: list[Piece] = []
    for each in types:
        joined += [Piece(" or "), *each] if joined else each
    return joined


def _limits(schema: dict[str, Any]) -> str:
    """What else is asked of a value."""
    limits = [words.format(schema[name]) for name, words in _CONSTRAINTS.items() if name in schema]
    limits += [schema["format"]] if "format" in schema else []
    return ", ".join([*limits, *([f"matches {schema['pattern']}"] if "pattern" in schema else [])])


def _curls(path: str, method: str, operation: dict[str, Any]) -> Iterator[str]:
    """Commands that try the operation, one for each form of its answers that a client can choose."""
    for parameter in operation["parameters"]:
        path = path.replace(f"{{{parameter['name']}}}", str(parameter["example"]))
    media_types = {each for answer in operation["responses"].values() for each in answer.get("content", {})}
    plain = "application/json" if method == "GET" and _STREAM in media_types else ""
    accepted = [plain, *([_STREAM] if _STREAM in media_types else [])]
    for media_type in accepted:
        options = [
            *([f"-H 'Accept: {media_type}'"] if media_type else []),
            *(f"-H 'Content-Type: {kind}' \\\n  {_data(content)}" for kind, content in _body(operation)),
        ]
        head = f"curl -s{'N' if media_type == _STREAM else ''}{'' if method == 'GET' else f' -X {method}'}"
        yield " \\\n  ".join([f'{head} "$URL{path}"', '-H "Authorization: Bearer $API_KEY"', *options])


def _body(operation: dict[str, Any]) -> list[tuple[str, Any]]:
    """The first body that is described: others say the same in another form."""
    return list(operation.get("requestBody", {}).get("content", {}).items())[:1]


def _data(content: dict[str, Any]) -> str:
    return f"-d '{json.dumps(content['example'])}'" if "example" in content else "--data-binary @FILE"


def _text(example: Any) -> str:
    return example if isinstance(example, str) else json.dumps(example, indent=2, ensure_ascii=False)
