"""The predecessor's two routes for users."""

from collections.abc import AsyncIterator
from urllib.parse import parse_qsl

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.contracts.accounts import Space
from services.contracts.files import File, reference
from services.gateway import intake
from services.gateway.admission import Admission
from services.gateway.api.access import Access
from services.gateway.api.bodies import Form, Part, pieces
from services.gateway.api.boundary import ADDED
from services.gateway.api.operation import Operation
from services.gateway.api.predecessor_operations import LEGACY_STATUS, LEGACY_SUBMIT
from services.gateway.api.requests import body_of
from services.gateway.api.responses import json_response
from services.gateway.auth import Caller, submittable
from services.gateway.downloads import safe_name
from services.gateway.files import Files
from services.gateway.lists import Query
from services.gateway.media_types import normal
from services.gateway.predecessor import DEPRECATED_AT, FILE_FIELDS, legacy_request, submission, unknown_field
from services.gateway.problems import ApiProblem
from services.gateway.storing import NewFile
from services.gateway.submissions import Order, Submissions
from services.gateway.values import Values
from services.gateway.view import request_object
from services.runtime.directory import DirectoryFollower

_URLENCODED, _MULTIPART = b"application/x-www-form-urlencoded", b"multipart/form-data"
_MAX_FIELDS, _MAX_NAME = 16, 64


def router(
    follower: DirectoryFollower,
    access: Access,
    admission: Admission,
    submissions: Submissions,
    files: Files,
    values: Values,
) -> APIRouter:
    """The routes of the predecessor."""

    async def submit(request: Request, caller: Caller) -> Response:
        _deprecate(request, LEGACY_SUBMIT)
        space = submittable(follower, caller, request.path_params["space_id"])
        key = request.headers.get("idempotency-key")
        order = Order(
            caller=caller,
            # The predecessor's spaces had no queue without an agent.
            space=msgspec.structs.replace(space, on_no_agent="reject"),
            idempotency_key=None if key is None else intake.idempotency_key(key.encode("latin-1")),
            traceparent=request.headers.get("traceparent"),
            wait_s=0,
            submission=submission(*await form_of(request, caller, space), space),
        )
        answer = await submissions.submit(order)
        return json_response(legacy_request(request_object(answer.state)))

    async def status(request: Request, caller: Caller) -> Response:
        _deprecate(request, LEGACY_STATUS)
        rid = Query(request.query_params.multi_items(), ("request_id",), paging=False).one("request_id")
        if rid is None:
            raise ApiProblem("invalid_request", "Say which request: ?request_id=…")
        state = await access.request(caller, rid)
        return json_response(legacy_request(request_object(await values.filled(state))))

    async def form_of(request: Request, caller: Caller, space: Space) -> tuple[dict[str, str], dict[str, str]]:
        """The form's fields, in which references stand for files, once these are stored; and the files' digests."""
        content_type = request.headers.get("content-type", "").encode("latin-1")
        kind = content_type.partition(b";")[0].strip().lower()
        if kind == _URLENCODED:
            return _urlencoded(await body_of(request)), {}
        if kind != _MULTIPART:
            raise ApiProblem("invalid_request", "The body must be a form: multipart/form-data, or urlencoded.")
        found: dict[str, str] = {}
        digests: dict[str, str] = {}
        form = Form(content_type, pieces(request))
        while (part := await form.part()) is not None:
            if len(found) == _MAX_FIELDS:
                raise ApiProblem("invalid_request", f"The form has more than {_MAX_FIELDS} fields.")
            if part.filename is None:
                found[part.name[:_MAX_NAME]] = await _text(part.data)
            # A page sends a file without a name for a field that was left empty.
            elif part.filename:
                file = await stored(part, caller, space)
                found[part.name], digests[part.name] = reference(file.id), file.sha256
        return found, digests

    async def stored(part: Part, caller: Caller, space: Space) -> File:
        if part.name not in FILE_FIELDS:
            raise unknown_field(part.name)
        new = NewFile(
            kind="upload",
            space=space.space,
            user=caller.user.user,
            key_id=caller.key.key_id,
            name=safe_name(part.filename or ""),
            media_type=normal(part.media_type),
        )
        return await files.store(new, part.data)

    routes = APIRouter()
    access.add(routes, LEGACY_SUBMIT, submit, first=admission.check)
    access.add(routes, LEGACY_STATUS, status)
    return routes


def _deprecate(request: Request, operation: Operation) -> None:
    link = f'</docs#{operation.id}>; rel="deprecation"; type="text/html"'
    request.scope[ADDED].update({"Deprecation": f"@{DEPRECATED_AT}", "Link": link})


def _urlencoded(body: bytes) -> dict[str, str]:
    try:
        text = body.decode()
        pairs = parse_qsl(
            text, keep_blank_values=True, strict_parsing=bool(text), errors="strict", max_num_fields=_MAX_FIELDS
        )
    except ValueError:
        raise ApiProblem("invalid_request", f"The body is no form of at most {_MAX_FIELDS} fields in UTF-8.") from None
    return dict(pairs)


async def _text(data: AsyncIterator[bytes]) -> str:
    found = bytearray()
    async for piece in data:
        found += piece
        if len(found) > intake.MAX_BODY_BYTES:
            raise intake.too_large()
    try:
        return found.decode()
    except UnicodeDecodeError:
        raise ApiProblem("invalid_request", "A field is no text in UTF-8.") from None
