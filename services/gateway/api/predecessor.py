"""The predecessor's two routes for users."""

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.gateway import intake
from services.gateway.admission import Admission
from services.gateway.api.access import Access
from services.gateway.api.boundary import ADDED
from services.gateway.api.operation import Operation
from services.gateway.api.predecessor_forms import filled
from services.gateway.api.predecessor_operations import LEGACY_STATUS, LEGACY_SUBMIT
from services.gateway.api.responses import json_response
from services.gateway.auth import Caller, submittable
from services.gateway.files import Files
from services.gateway.lists import Query
from services.gateway.predecessor import DEPRECATED_AT, legacy_request, submission
from services.gateway.problems import ApiProblem
from services.gateway.submissions import Order, Submissions
from services.gateway.values import Values
from services.gateway.view import request_object
from services.runtime.directory import DirectoryFollower


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
        given = request.headers.get("idempotency-key")
        key = None if given is None else intake.idempotency_key(given.encode("latin-1"))
        form = await filled(request, caller, space, files)
        order = Order(
            caller=caller,
            # The predecessor's spaces had no queue without an agent.
            space=msgspec.structs.replace(space, on_no_agent="reject"),
            idempotency_key=key,
            traceparent=request.headers.get("traceparent"),
            tracestate=request.headers.get("tracestate"),
            wait_s=0,
            submission=submission(form.fields, form.digests, space),
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

    routes = APIRouter()
    access.add(routes, LEGACY_SUBMIT, submit, first=admission.check)
    access.add(routes, LEGACY_STATUS, status)
    return routes


def _deprecate(request: Request, operation: Operation) -> None:
    link = f'</docs#{operation.id}>; rel="deprecation"; type="text/html"'
    request.scope[ADDED].update({"Deprecation": f"@{DEPRECATED_AT}", "Link": link})
