"""Answers: bytes that msgspec made, and every error as a problem."""

import logging
import os
from collections.abc import Awaitable, Callable
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
AsPage = Callable[[Request, ApiProblem], Awaitable[Response | None]]
"""Shows people what is wrong; None: it is to be told to a program."""


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


async def as_problem(_: Request, __: ApiProblem) -> None:
    """Shows nobody a page."""


def of_problem(problem: ApiProblem) -> ApiProblem:
    """An endpoint refused."""
    return problem


def of_http_exception(error: HTTPException) -> ApiProblem:
    """The framework refused: no such path, no such method."""
    code = _CODES.get(error.status_code, "invalid_request")
    detail = _DETAILS.get(error.status_code, "The request is malformed.")
    return ApiProblem(code, detail, headers=error.headers)


def of_retryable(error: Retryable) -> ApiProblem:
    """Something that we need did not answer; nothing is wrong with the request."""
    detail = "The request log is full." if isinstance(error, StreamFull) else "A service that is needed did not answer."
    log.warning("answered 503: %s", error)
    return ApiProblem("unavailable", f"{detail} Try again.", headers=RETRY_AFTER)


def of_file_gone(_: FileGone) -> ApiProblem:
    """A file was deleted while it was asked for."""
    return file_gone()


def of_error(error: Exception) -> ApiProblem:
    """A defect of ours: the log has the trace, the client has the id that finds it there."""
    log.error("answered 500: %s", error, exc_info=error)
    return ApiProblem("internal", "Something went wrong on our side; the id above finds it in our log.")


def handlers(as_page: AsPage) -> dict[Any, Any]:
    """How each error is answered: as a page where one is right, else as a problem."""

    def answering(problem_of: Callable[[Any], ApiProblem]) -> Callable[[Request, Exception], Awaitable[Response]]:
        async def answer(request: Request, error: Exception) -> Response:
            problem = problem_of(error)
            return await as_page(request, problem) or problem_response(problem)

        return answer

    return {
        ApiProblem: answering(of_problem),
        HTTPException: answering(of_http_exception),
        Retryable: answering(of_retryable),
        FileGone: answering(of_file_gone),
        Exception: answering(of_error),
        ClientDisconnect: on_client_gone,
    }


async def on_client_gone(_: Request, __: ClientDisconnect) -> Response:
    """The client left before its body was complete: nothing was accepted, and nobody reads this answer."""
    return Response(status_code=CLIENT_GONE)
