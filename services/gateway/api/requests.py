"""Requests: submit, read, cancel, retry, erase. Hot endpoints take the bare request and answer bytes, without the
framework's machinery in between."""

import asyncio
import dataclasses

from fastapi import APIRouter
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from services.contracts.accounts import Space
from services.gateway import intake
from services.gateway.admission import Admission
from services.gateway.api.access import Access
from services.gateway.api.events import Events, wants_stream
from services.gateway.api.operations import CANCEL, ERASE, READ, RETRY, SUBMIT
from services.gateway.api.responses import json_response
from services.gateway.auth import Caller, submittable
from services.gateway.canceling import Cancellations
from services.gateway.erasing import Erasures
from services.gateway.problems import ApiProblem
from services.gateway.reading import Reader
from services.gateway.submissions import Answer, Order, Submissions
from services.gateway.values import Values
from services.gateway.view import request_object, self_url
from services.runtime.directory import DirectoryFollower

RETRY_AFTER_S = 1
BODY_S = 60.0
"""A body that takes longer is not waited for."""
_CLOSE = {"Connection": "close"}


def router(
    follower: DirectoryFollower,
    access: Access,
    admission: Admission,
    submissions: Submissions,
    cancellations: Cancellations,
    erasures: Erasures,
    reader: Reader,
    events: Events,
    values: Values,
) -> APIRouter:
    """The routes of requests."""

    async def submit(request: Request, caller: Caller) -> Response:
        space = submittable(follower, caller, request.path_params["space"])
        body = await body_of(request)
        # Megabytes of JSON: the event loop has other things to do.
        large = len(body) > intake.MAX_INPUT_BYTES
        submission = await asyncio.to_thread(intake.submission, body, space) if large else intake.submission(body, space)
        return await accept(request, caller, submission, space)

    async def read(request: Request, caller: Caller) -> Response:
        state = await access.request(caller, request.path_params["id"])
        place = await reader.place(state.rid) if state.status == "queued" else None
        progress = await reader.progress(state) if state.status == "processing" else None
        return json_response(request_object(await values.filled(state), place, progress))

    async def cancel(request: Request, caller: Caller) -> Response:
        state = await access.request(caller, request.path_params["id"])
        canceled = await cancellations.cancel(state, caller.user.user)
        return json_response(request_object(await values.filled(canceled)))

    async def retry(request: Request, caller: Caller) -> Response:
        state = await access.request(caller, request.path_params["id"])
        space = submittable(follower, caller, state.space)
        admission.check()
        submission = intake.resubmission(await values.with_input(state))
        return await accept(request, caller, submission, space)

    async def erase(request: Request, caller: Caller) -> Response:
        state = await access.request(caller, request.path_params["id"])
        erased = await erasures.erase(state, caller.user.user)
        return json_response(request_object(erased), 200 if await erasures.recorded(erased) else 202)

    async def accept(request: Request, caller: Caller, submission: intake.Submission, space: Space) -> Response:
        order = _order(caller, request, submission, space)
        if not wants_stream(request.scope["headers"]):
            answer = await submissions.submit(order)
            return _submitted(dataclasses.replace(answer, state=await values.filled(answer.state)))
        events.check(caller)
        answer = await submissions.submit(dataclasses.replace(order, wait_s=0))
        return events.stream(caller, answer.state.rid, _headers(answer))

    routes = APIRouter()
    # Admission before the key: while the directory is being recovered, it does not know all of them.
    access.add(routes, SUBMIT, submit, first=admission.check)
    for operation, endpoint in ((READ, read), (CANCEL, cancel), (RETRY, retry), (ERASE, erase)):
        access.add(routes, operation, endpoint)
    return routes


def _order(caller: Caller, request: Request, submission: intake.Submission, space: Space) -> Order:
    headers = dict(request.scope["headers"])
    key = headers.get(b"idempotency-key")
    return Order(
        caller=caller,
        space=space,
        idempotency_key=None if key is None else intake.idempotency_key(key),
        traceparent=_text(headers.get(b"traceparent")),
        tracestate=_text(headers.get(b"tracestate")),
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


async def body_of(request: Request) -> bytes:
    """The whole body. Raises ApiProblem as soon as it is known to be too large, ClientDisconnect."""
    headers = dict(request.scope["headers"])
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
