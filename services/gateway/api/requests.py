"""Requests: submit, read, cancel, retry. Hot endpoints take the bare request and answer bytes, without the framework's
machinery in between."""

import dataclasses

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.gateway import intake
from services.gateway.admission import Admission
from services.gateway.api.access import Access
from services.gateway.api.body import whole
from services.gateway.api.events import Events, wants_stream
from services.gateway.api.operations import CANCEL, READ, RETRY, SUBMIT
from services.gateway.api.responses import json_response
from services.gateway.auth import Caller, authenticate, submittable
from services.gateway.canceling import Cancellations
from services.gateway.queues import Queues
from services.gateway.reading import Reader
from services.gateway.submissions import Answer, Order, Submissions
from services.gateway.view import request_object, self_url
from services.runtime.directory import DirectoryFollower

RETRY_AFTER_S = 1


def router(
    follower: DirectoryFollower,
    access: Access,
    admission: Admission,
    submissions: Submissions,
    cancellations: Cancellations,
    reader: Reader,
    events: Events,
    queues: Queues,
) -> APIRouter:
    """The routes of requests."""

    async def submit(request: Request) -> Response:
        admission.check()  # before the key: while the directory is being recovered, it does not know all of them
        headers = dict(request.scope["headers"])
        caller = authenticate(follower, headers.get(b"authorization"))
        space = submittable(follower, caller, request.path_params["space"])
        submission = intake.submission(await whole(request, headers), space)
        await queues.check(space)
        return await accept(request, caller, submission, space.space)

    async def read(request: Request) -> Response:
        state = await access.request(access.caller(request), request.path_params["id"])
        place = await reader.place(state.rid) if state.status == "queued" else None
        progress = await reader.progress(state) if state.status == "processing" else None
        return json_response(request_object(state, place, progress))

    async def cancel(request: Request) -> Response:
        caller = access.caller(request)
        state = await access.request(caller, request.path_params["id"])
        return json_response(request_object(await cancellations.cancel(state, caller.user.user)))

    async def retry(request: Request) -> Response:
        caller = access.caller(request)
        state = await access.request(caller, request.path_params["id"])
        space = submittable(follower, caller, state.space)
        admission.check()
        await queues.check(space)
        return await accept(request, caller, intake.resubmission(state), space.space)

    async def accept(request: Request, caller: Caller, submission: intake.Submission, space: str) -> Response:
        order = _order(caller, request, submission, space)
        if not wants_stream(request.scope["headers"]):
            return _submitted(await submissions.submit(order))
        events.check()
        answer = await submissions.submit(dataclasses.replace(order, wait_s=0))
        return events.stream(caller, answer.state.rid, _headers(answer))

    routes = APIRouter()
    for operation, endpoint in ((SUBMIT, submit), (READ, read), (CANCEL, cancel), (RETRY, retry)):
        routes.add_route(operation.path, endpoint, methods=[operation.method])
    return routes


def _order(caller: Caller, request: Request, submission: intake.Submission, space: str) -> Order:
    headers = dict(request.scope["headers"])
    key = headers.get(b"idempotency-key")
    return Order(
        caller=caller,
        space=space,
        idempotency_key=None if key is None else intake.idempotency_key(key),
        traceparent=_text(headers.get(b"traceparent")),
        wait_s=intake.wait_s(_preferences(request)) if b"prefer" in headers else 0,
        submission=submission,
    )


def _submitted(answer: Answer) -> Response:
    state, headers = answer.state, _headers(answer)
    if state.open:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    return json_response(request_object(state), 202 if state.open else 201, headers)


def _headers(answer: Answer) -> dict[str, str]:
    return {"Location": self_url(answer.state.rid)} | ({"Idempotent-Replayed": "true"} if answer.replayed else {})


def _preferences(request: Request) -> str:
    """All that the client prefers: several Prefer headers are one (RFC 7240, 2)."""
    return ",".join(value.decode("latin-1") for name, value in request.scope["headers"] if name == b"prefer")


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")
