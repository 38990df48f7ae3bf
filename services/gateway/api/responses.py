"""Answers: bytes that msgspec made, and every error as a problem."""

import logging
import os
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from services.gateway.problems import MEDIA_TYPE, ApiProblem
from services.gateway.view import encode
from services.runtime.append import StreamFull
from services.runtime.errors import Retryable
from services.runtime.file_store import FileGone
from services.runtime.telemetry import request_id

log = logging.getLogger("services.gateway.http")

_CODES = {404: "not_found", 405: "method_not_allowed", 413: "payload_too_large"}
_DETAILS = {
    404: "There is nothing at this path.",
    405: "This path does not take that method.",
    413: "The body is too large.",
}
CLIENT_GONE = 499
"""For our own metrics only."""
NO_STORE = {"Cache-Control": "no-store"}
RETRY_AFTER = {"Retry-After": "1"}


def new_request_id() -> str:
    """An id for an HTTP request that has no request of ours yet."""
    return os.urandom(8).hex()


def json_response(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer that no cache keeps."""
    return Response(encode(body), status, {**NO_STORE, **(headers or {})}, "application/json")


def problem_response(problem: ApiProblem) -> Response:
    """The answer that says what is wrong."""
    headers = {**NO_STORE, **problem.headers}
    return Response(encode(problem.body(request_id.get())), problem.status, headers, MEDIA_TYPE)


def file_gone() -> ApiProblem:
    """The answer to who asks for a file that is deleted."""
    return ApiProblem("data_expired", "The file is no longer kept.")


async def on_problem(_: Request, problem: ApiProblem) -> Response:
    """An endpoint refused."""
    return problem_response(problem)


async def on_http_exception(_: Request, error: HTTPException) -> Response:
    """The framework refused: no such path, no such method."""
    code = _CODES.get(error.status_code, "invalid_request")
    detail = _DETAILS.get(error.status_code, "The request is malformed.")
    return problem_response(ApiProblem(code, detail, headers=error.headers))


async def on_retryable(_: Request, error: Retryable) -> Response:
    """Something that we need did not answer; nothing is wrong with the request."""
    detail = "The request log is full." if isinstance(error, StreamFull) else "A service that is needed did not answer."
    log.warning("answered 503: %s", error)
    return problem_response(ApiProblem("unavailable", f"{detail} Try again.", headers=RETRY_AFTER))


async def on_file_gone(_: Request, __: FileGone) -> Response:
    """A file was deleted while it was asked for."""
    return problem_response(file_gone())


async def on_client_gone(_: Request, __: ClientDisconnect) -> Response:
    """The client left before its body was complete: nothing was accepted, and nobody reads this answer."""
    return Response(status_code=CLIENT_GONE)


async def on_error(_: Request, error: Exception) -> Response:
    """A defect of ours: the log has the trace, the client has the id that finds it there."""
    log.error("answered 500: %s", error, exc_info=error)
    return problem_response(ApiProblem("internal", "Something went wrong on our side; the id above finds it in our log."))
