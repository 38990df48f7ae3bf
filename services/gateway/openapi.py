"""The OpenAPI document (3.1), generated from the operations and the wire types."""

from collections.abc import Sequence
from typing import Any

import msgspec

from services.gateway.api.operations import Operation, Parameter
from services.gateway.items import EVENT_STREAM, EVENTS
from services.gateway.problems import MEDIA_TYPE, ProblemObject

STREAMED, NO_CONTENT = 200, 204
_REF = "#/components/schemas/{name}"


def document(operations: Sequence[Operation]) -> bytes:
    """The document as JSON."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    types = [type_ for each in operations for type_ in (each.body, each.answer) if type_ is not None]
    _, schemas = msgspec.json.schema_components([*types, *EVENTS.values(), ProblemObject], ref_template=_REF)
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "WebSocket Spaces",
                "version": "1",
                "description": "Inference requests for agents that dial out.",
            },
            "paths": paths,
            "components": {
                "schemas": schemas,
                "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "An API key: wsk_…"}},
            },
            "security": [{"key": []}],
        }
    )


def _operation(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.id,
        "summary": operation.summary,
        "parameters": [_parameter(parameter) for parameter in operation.parameters],
        "responses": {str(status): _answer(operation, status) for status in sorted(_statuses(operation))},
    }
    if operation.body is not None:
        described["requestBody"] = {"required": True, "content": _content("application/json", operation.body)}
    return described


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.place == "path",
        "description": parameter.description,
        "schema": parameter.schema,
    }


def _statuses(operation: Operation) -> set[int]:
    return {*operation.answers, *([STREAMED] if operation.streamed else [])}


def _answer(operation: Operation, status: int) -> dict[str, Any]:
    meanings = [operation.answers[status]] if status in operation.answers else []
    content: dict[str, Any] = {}
    if status >= 400:
        content = _content(MEDIA_TYPE, ProblemObject)
    elif meanings and status != NO_CONTENT:
        content = _content("application/json", operation.answer)
    if status == STREAMED and operation.streamed:
        meanings.append(operation.streamed)
        content = content | _stream()
    return {"description": " ".join(meanings)} | ({"content": content} if content else {})


def _content(media_type: str, kind: type) -> dict[str, Any]:
    return {media_type: {"schema": _reference(kind)}}


def _stream() -> dict[str, Any]:
    """A stream is text to JSON Schema; what the data of each event is stands beside it."""
    events = {name: _reference(kind) for name, kind in EVENTS.items()}
    return {EVENT_STREAM: {"schema": {"type": "string"}, "x-events": events}}


def _reference(kind: type) -> dict[str, Any]:
    return {"$ref": _REF.format(name=kind.__name__)}
