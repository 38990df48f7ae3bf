"""Requests: submit, read, cancel, retry. Hot endpoints take the bare request and answer bytes, without the framework's
machinery in between."""

import asyncio

from fastapi import APIRouter
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from services.contracts.ids import is_request_id
from services.contracts.requests import RequestState
from services.gateway import intake
from services.gateway.admission import Admission
from services.gateway.api.operations import CANCEL, READ, RETRY, SUBMIT
from services.gateway.api.responses import json_response
from services.gateway.auth import Caller, authenticate, may_read, submittable
from services.gateway.canceling import Cancellations
from services.gateway.problems import ApiProblem
from services.gateway.reading import Reader
from services.gateway.submissions import Answer, Order, Submissions
from services.gateway.view import request_object, self_url
from services.runtime import telemetry
from services.runtime.directory import DirectoryFollower

RETRY_AFTER_S = 1
BODY_S = 60.0
"""A body that takes longer is not waited for."""
_CLOSE = {"Connection": "close"}


def router(
    follower: DirectoryFollower,
    admission: Admission,
    submissions: Submissions,
    cancellations: Cancellations,
    reader: Reader,
) -> APIRouter:
    """The routes of requests."""

    async def submit(request: Request) -> Response:
        headers = dict(request.scope["headers"])
        caller = authenticate(follower, headers.get(b"authorization"))
        space = submittable(follower, caller, request.path_params["space"])
        admission.check()
        order = _order(caller, request, intake.submission(await _body(request, headers), space), space.space)
        return _submitted(await submissions.submit(order))

    async def read(request: Request) -> Response:
        state = await readable(caller_of(request), request.path_params["id"])
        place = await reader.place(state.rid) if state.status == "queued" else None
        return json_response(request_object(state, place))

    async def cancel(request: Request) -> Response:
        caller = caller_of(request)
        state = await readable(caller, request.path_params["id"])
        return json_response(request_object(await cancellations.cancel(state, caller.user.user)))

    async def retry(request: Request) -> Response:
        caller = caller_of(request)
        state = await readable(caller, request.path_params["id"])
        space = submittable(follower, caller, state.space)
        admission.check()
        order = _order(caller, request, intake.resubmission(state), space.space)
        return _submitted(await submissions.submit(order))

    def caller_of(request: Request) -> Caller:
        return authenticate(follower, request.headers.get("authorization", "").encode("latin-1") or None)

    async def readable(caller: Caller, rid: str) -> RequestState:
        """The request, if the caller may see it; whether another's exists is not told."""
        state = await reader.read(rid) if is_request_id(rid) else None
        if state is None or not may_read(caller, state):
            raise ApiProblem("not_found", "There is no such request.")
        telemetry.request_id.set(rid)
        return state

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
    state = answer.state
    headers = {"Location": self_url(state.rid)}
    if state.open:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    if answer.replayed:
        headers["Idempotent-Replayed"] = "true"
    return json_response(request_object(state), 202 if state.open else 201, headers)


async def _body(request: Request, headers: dict[bytes, bytes]) -> bytes:
    """The whole body. Raises ApiProblem as soon as it is known to be too large, ClientDisconnect."""
    if int(headers.get(b"content-length", b"0")) > intake.MAX_BODY_BYTES:
        raise intake.too_large()
    try:
        async with asyncio.timeout(BODY_S):
            return await _received(request)
    except TimeoutError:
        raise ApiProblem("invalid_request", f"The body did not come within {BODY_S:g} s.", headers=_CLOSE) from None


async def _received(request: Request) -> bytes:
    chunks: list[bytes] = []
    size, more = 0, True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > intake.MAX_BODY_BYTES:
            raise intake.too_large()
        more = message.get("more_body", False)
    return b"".join(chunks)


def _preferences(request: Request) -> str:
    """All that the client prefers: several Prefer headers are one (RFC 7240, 2)."""
    return ",".join(value.decode("latin-1") for name, value in request.scope["headers"] if name == b"prefer")


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")
