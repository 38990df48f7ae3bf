"""Whatever an endpoint does, the client gets a problem with an id, and the log has the rest."""

import asyncio
import logging

import httpx
import pytest
from fastapi import APIRouter
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from services.gateway.api.app import application
from services.gateway.problems import ApiProblem, Flaw
from services.runtime.append import StreamFull
from services.runtime.errors import NatsUnavailable


def failing(error: BaseException) -> httpx.AsyncClient:
    """A client of an application whose /fail raises the error."""

    async def fail(_: Request) -> Response:
        raise error

    async def socket(websocket: WebSocket) -> None:
        raise AssertionError("no sockets here")

    router = APIRouter()
    router.add_route("/fail", fail)
    return httpx.AsyncClient(transport=httpx.ASGITransport(application(list, socket, router)), base_url="http://here")


async def test_a_defect_is_a_500_whose_id_finds_the_trace_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    answer = await failing(RuntimeError("secret detail")).get("/fail")
    assert (answer.status_code, answer.headers["Content-Type"]) == (500, "application/problem+json")
    assert (answer.json()["code"], answer.json()["request_id"]) == ("internal", answer.headers["X-Request-Id"])
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [record.exc_info is not None and "secret detail" in record.getMessage() for record in errors] == [True]


@pytest.mark.parametrize("error", [NatsUnavailable("no ack for ws.req.secret"), StreamFull("maximum bytes exceeded")])
async def test_what_may_succeed_later_is_a_503(error: Exception) -> None:
    answer = await failing(error).get("/fail")
    assert (answer.status_code, answer.json()["code"], answer.json()["retryable"]) == (503, "unavailable", True)
    assert answer.headers["Retry-After"] == "1"
    assert str(error) not in answer.text


async def test_a_refusal_keeps_its_headers_and_flaws() -> None:
    problem = ApiProblem("input_invalid", "no", [Flaw("/a", "bad")], {"X-Extra": "1"})
    answer = await failing(problem).get("/fail")
    assert (answer.status_code, answer.json()["errors"]) == (422, [{"pointer": "/a", "detail": "bad"}])
    assert answer.headers["X-Extra"] == "1"


async def test_an_answer_that_a_drain_cannot_wait_for_is_a_503() -> None:
    answer = await failing(asyncio.CancelledError()).get("/fail")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")


async def test_a_client_that_has_left_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    answer = await failing(ClientDisconnect()).get("/fail")
    assert (answer.status_code, answer.content) == (499, b"")
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_every_http_request_has_an_id_of_its_own() -> None:
    client = failing(RuntimeError())
    ids = {(await client.get("/nowhere")).headers["X-Request-Id"] for _ in range(3)}
    assert len(ids) == 3
