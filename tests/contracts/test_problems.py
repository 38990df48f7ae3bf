"""The list of problem codes."""

import re
from http import HTTPStatus

import pytest

from services.contracts.problems import PROBLEMS

NEEDED = {
    "invalid_request": 400,
    "unauthenticated": 401,
    "forbidden": 403,
    "not_found": 404,
    "payload_too_large": 413,
    "input_invalid": 422,
    "idempotency_mismatch": 422,
    "unavailable": 503,
    "execution_timeout": 200,
    "agent_lost": 200,
    "handler_error": 200,
    "output_too_large": 200,
}


@pytest.mark.parametrize("code", NEEDED)
def test_the_codes_of_the_api_have_their_status(code: str) -> None:
    assert PROBLEMS[code].status == NEEDED[code]


@pytest.mark.parametrize("code", PROBLEMS)
def test_each_problem_can_be_shown(code: str) -> None:
    kind = PROBLEMS[code]
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", code)
    assert kind.status == 200 or 400 <= HTTPStatus(kind.status) < 600
    assert kind.title
    assert kind.title[0].isupper()
    assert not kind.title.endswith(".")


def test_server_errors_may_be_retried_and_the_callers_may_not() -> None:
    for kind in PROBLEMS.values():
        if kind.status != 200:
            assert kind.retryable == (kind.status >= 500 or kind.status == 429)
