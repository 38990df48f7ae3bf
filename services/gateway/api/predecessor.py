"""The predecessor's two routes for users."""

from urllib.parse import parse_qsl

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.gateway import intake
from services.gateway.admission import Admission
from services.gateway.api.access import Access
from services.gateway.api.boundary import ADDED
from services.gateway.api.operation import Operation
from services.gateway.api.predecessor_operations import FORMS, LEGACY_STATUS, LEGACY_SUBMIT
from services.gateway.api.requests import body_of
from services.gateway.api.responses import json_response
from services.gateway.auth import Caller, submittable
from services.gateway.lists import Query
from services.gateway.predecessor import DEPRECATED_AT, legacy_request, submission
from services.gateway.problems import ApiProblem
from services.gateway.submissions import Order, Submissions
from services.gateway.view import request_object
from services.runtime.directory import DirectoryFollower

_MAX_FIELDS = 16


def router(follower: DirectoryFollower, access: Access, admission: Admission, submissions: Submissions) -> APIRouter:
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
            submission=submission(await _fields(request), space),
        )
        answer = await submissions.submit(order)
        return json_response(legacy_request(request_object(answer.state)))

    async def status(request: Request, caller: Caller) -> Response:
        _deprecate(request, LEGACY_STATUS)
        rid = Query(request.query_params.multi_items(), ("request_id",), paging=False).one("request_id")
        if rid is None:
            raise ApiProblem("invalid_request", "Say which request: ?request_id=…")
        return json_response(legacy_request(request_object(await access.request(caller, rid))))

    routes = APIRouter()
    access.add(routes, LEGACY_SUBMIT, submit, first=admission.check)
    access.add(routes, LEGACY_STATUS, status)
    return routes


def _deprecate(request: Request, operation: Operation) -> None:
    link = f'</docs#{operation.id}>; rel="deprecation"; type="text/html"'
    request.scope[ADDED].update({"Deprecation": f"@{DEPRECATED_AT}", "Link": link})


async def _fields(request: Request) -> dict[str, str]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in FORMS:
        raise ApiProblem("invalid_request", f"The body must be a form: {' or '.join(FORMS)}.")
    try:
        body = (await body_of(request)).decode("utf-8")
        pairs = parse_qsl(
            body, keep_blank_values=True, strict_parsing=bool(body), errors="strict", max_num_fields=_MAX_FIELDS
        )
    except ValueError:
        raise ApiProblem("invalid_request", f"The body is no form of at most {_MAX_FIELDS} fields in UTF-8.") from None
    return dict(pairs)
