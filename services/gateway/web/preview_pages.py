"""The form that a schema would make, while somebody writes the schema: shown, and kept nowhere."""

import asyncio
from typing import Any

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.contracts.directory import Feature
from services.contracts.features import schema_of
from services.gateway import intake
from services.gateway.api.bodies import content_length, headers_of
from services.gateway.api.requests import body_of
from services.gateway.api.responses import json_response
from services.gateway.auth import Caller
from services.gateway.input_schemas import MAX_SCHEMA_BYTES
from services.gateway.problems import ApiProblem, Flaw
from services.gateway.validators import MAX_EXAMPLE_BYTES, check_schemas
from services.gateway.web.console import Console, Page
from services.gateway.web.input_form import input_form
from services.gateway.web.space_views import InputView

MAX_BYTES = 2 * (MAX_SCHEMA_BYTES + MAX_EXAMPLE_BYTES)
"""As people write JSON it is longer than it need be."""


class PreviewBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is being written, of which space (empty: a new one)."""

    space: str = ""
    features: tuple[Feature, ...] = ()
    input_schema: dict[str, Any] = {}
    example_input: dict[str, Any] = {}


class PreviewObject(msgspec.Struct, frozen=True, kw_only=True):
    """The form as HTML, empty when the schema makes none, and what is wrong with schema and example."""

    html: str
    errors: list[Flaw]


def router(console: Console, most_bytes: int) -> APIRouter:
    """The route of the preview; a file may have so many bytes."""

    async def preview(request: Request, caller: Caller) -> Response:
        if (content_length(headers_of(request)) or 0) > MAX_BYTES or len(body := await body_of(request)) > MAX_BYTES:
            raise ApiProblem("payload_too_large", f"The body is larger than {MAX_BYTES} bytes.")
        asked = intake.parsed(body, PreviewBody)
        # Compiling a schema takes a while.
        flaws = await asyncio.to_thread(_flaws, asked)
        if any(flaw.pointer.startswith("/input_schema") for flaw in flaws):
            return json_response(PreviewObject(html="", errors=flaws))
        form = input_form(asked.input_schema or schema_of(asked.features), asked.example_input)
        view = InputView(form, asked.space, most_bytes)
        html = console.fragment(request, caller, Page("preview.html", view))
        return json_response(PreviewObject(html=html, errors=flaws))

    routes = APIRouter()
    console.add_call(routes, "/preview", preview)
    return routes


def _flaws(asked: PreviewBody) -> list[Flaw]:
    try:
        check_schemas(asked.features, asked.input_schema, asked.example_input)
    except ApiProblem as problem:
        return problem.flaws
    return []
