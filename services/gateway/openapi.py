"""The OpenAPI document (3.1), generated from the operations and the wire types."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from services.contracts.problems import PROBLEMS
from services.contracts.schemas import components
from services.gateway.api import examples
from services.gateway.api.operation import (
    ALWAYS_SENT,
    BYTES,
    SENT_TO_KEYS,
    SENT_WITH,
    STREAMED,
    Answer,
    Header,
    Operation,
    Parameter,
)
from services.gateway.items import EVENT_STREAM, EVENTS
from services.gateway.problems import MEDIA_TYPE, ProblemObject
from services.gateway.web_sessions import COOKIE, CSRF_HEADER

JSON = "application/json"
STREAM_EVENT = "StreamEvent"
UNAUTHENTICATED = PROBLEMS["unauthenticated"].status
_DATA = {"type": "string", "contentMediaType": JSON}
_REF = "#/components/schemas/{name}"
_DESCRIPTION = """\
Inference requests for machines that nobody can reach: agents dial out, users submit requests to *spaces*, everything that
happens is an event.

Names are snake_case, durations are seconds, instants RFC 3339 in UTC. Errors are problems (RFC 9457) with a `code`; a
request that failed is none: it is read with 200 and has an `error`."""


_SESSION = (
    f"A sign-in session, for pages of this gateway; an Authorization header is stronger. All but GET and HEAD need "
    f"`{CSRF_HEADER}` too, with `csrf_token` of GET /v1/session, and come from no page of another host; otherwise 403."
)
_KEY = "An API key: wsk_… An operation names the scopes that it needs: `submit`, `read`, `manage`."


def document(operations: Sequence[Operation]) -> bytes:
    """The document as JSON."""
    return msgspec.json.encode(built(operations))


def built(operations: Sequence[Operation]) -> dict[str, Any]:
    """The document."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    _, schemas = components([*_types(operations), *EVENTS.values(), ProblemObject], _REF)
    return {
        "openapi": "3.1.0",
        "info": {"title": "WebSocket Spaces", "version": "1", "description": _DESCRIPTION},
        "servers": [{"url": "/", "description": "This gateway, or any other."}],
        "tags": list({each.tag.name: msgspec.to_builtins(each.tag) for each in operations}.values()),
        "paths": paths,
        "components": {
            "schemas": {**schemas, STREAM_EVENT: _stream_event()},
            "headers": {header.name: _header(header) for header in _headers(operations)},
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": _KEY},
                "session": {"type": "apiKey", "in": "cookie", "name": COOKIE, "description": _SESSION},
            },
        },
    }


def _types(operations: Sequence[Operation]) -> list[type]:
    bodies = [each.body for each in operations]
    answers = [answer.example for each in operations for answer in each.answers.values()]
    return list({type(value): None for value in (*bodies, *answers) if value is not None})


def _headers(operations: Sequence[Operation]) -> list[Header]:
    answers = [answer for each in operations for answer in (*each.answers.values(), each.streamed) if answer is not None]
    always = (*ALWAYS_SENT, *SENT_TO_KEYS, *(header for headers in SENT_WITH.values() for header in headers))
    return list(
        {header.name: header for header in (*always, *(each for answer in answers for each in answer.headers))}.values()
    )


def _operation(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.id,
        "tags": [operation.tag.name],
        "summary": operation.summary,
        "description": f"{operation.description}\n\n{operation.needs()}",
        "security": _security(operation),
        "parameters": [_parameter(parameter) for parameter in operation.parameters],
        "responses": {str(status): _response(operation, status) for status in operation.statuses()},
    }
    if operation.body is not None:
        described["requestBody"] = {"required": True, "content": _content(operation.body)}
    if operation.raw_body:
        content = {kind: {"schema": schema} for kind, schema in operation.raw_body.items()}
        described["requestBody"] = {"required": False, "content": content}
    return described


def _security(operation: Operation) -> list[dict[str, list[str]]]:
    if operation.callers == "none":
        return []
    session: dict[str, list[str]] = {"session": []}
    return [session] if operation.callers == "session" else [{"key": list(operation.scopes)}, session]


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.place == "path",
        "description": parameter.description,
        "schema": parameter.schema,
        "example": parameter.example,
    }


def _header(header: Header) -> dict[str, Any]:
    return {
        "description": header.description,
        "required": header.required,
        "schema": header.schema,
        "example": header.example,
    }


def _response(operation: Operation, status: int) -> dict[str, Any]:
    problems = operation.problems_of(status)
    keyed = SENT_TO_KEYS if operation.takes_key and status != UNAUTHENTICATED else ()
    return _problems(status, problems, keyed) if problems else _success(operation, status, keyed)


def _success(operation: Operation, status: int, keyed: Sequence[Header]) -> dict[str, Any]:
    answers: list[Answer] = [operation.answers[status]] if status in operation.answers else []
    content: dict[str, Any] = {}
    for answer in answers:
        content |= {} if answer.example is None else _content(answer.example)
        content |= {answer.bytes_of: {"schema": dict(BYTES)}} if answer.bytes_of else {}
    if status == STREAMED and operation.streamed:
        answers.append(operation.streamed)
        content |= _stream()
    headers = {header.name: header for header in (*keyed, *(each for answer in answers for each in answer.headers))}
    return _answered(" ".join(answer.meaning for answer in answers), headers, content)


def _problems(status: int, problems: Mapping[str, str], keyed: Sequence[Header]) -> dict[str, Any]:
    """An answer with one of these codes; each is an example."""
    shown = {
        code: {"summary": PROBLEMS[code].title, "value": _plain(examples.problem(code, when))}
        for code, when in problems.items()
    }
    schema = {"allOf": [_reference(ProblemObject), {"properties": {"code": {"enum": list(problems)}}}]}
    described = "\n".join(f"- `{code}`: {when}" for code, when in problems.items())
    headers = {header.name: header for header in (*keyed, *SENT_WITH.get(status, ()))}
    return _answered(described, headers, {MEDIA_TYPE: {"schema": schema, "examples": shown}})


def _answered(description: str, headers: Mapping[str, Header], content: dict[str, Any]) -> dict[str, Any]:
    names = [*(header.name for header in ALWAYS_SENT), *headers]
    references = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
    return {"description": description, "headers": references} | ({"content": content} if content else {})


def _content(example: msgspec.Struct) -> dict[str, Any]:
    return {JSON: {"schema": _reference(type(example)), "example": _plain(example)}}


def _stream() -> dict[str, Any]:
    """OpenAPI 3.1 knows no streams. As is usual, the schema is that of each event, whose fields are texts."""
    return {EVENT_STREAM: {"schema": {"$ref": _REF.format(name=STREAM_EVENT)}, "example": examples.STREAM}}


def _stream_event() -> dict[str, Any]:
    data = {name: {**_DATA, "contentSchema": _reference(kind)} for name, kind in EVENTS.items()}
    return {
        "title": STREAM_EVENT,
        "description": "One event of a stream (WHATWG HTML, 9.2). `data` is JSON; one without `id` moves no cursor.",
        "type": "object",
        "properties": {"id": {"type": "string"}, "event": {"type": "string"}, "data": _DATA},
        "required": ["event", "data"],
        "oneOf": [{"properties": {"event": {"const": name}, "data": each}} for name, each in data.items()],
    }


def _plain(value: msgspec.Struct) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value))


def _reference(kind: type) -> dict[str, Any]:
    return {"$ref": _REF.format(name=kind.__name__)}
