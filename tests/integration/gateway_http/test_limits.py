"""How often somebody may call, over HTTP."""

from collections.abc import AsyncIterator

import pytest

from tests.support.bus import Bus, running_bus
from tests.support.http_gateway import ADA, BOB, Gateway, HttpAnswer, fill_directory, running_gateway

ME = "/v1/users/me"
POLICY = '"key";q=3;w=3600'


@pytest.fixture
async def bus() -> AsyncIterator[Bus]:
    async with running_bus() as here:
        await fill_directory(here)
        yield here


@pytest.fixture
async def gateway(bus: Bus) -> AsyncIterator[Gateway]:
    async with running_gateway(bus, rate_limit="3/3600", rate_limit_unknown="2/3600") as here:
        yield here


async def me(gateway: Gateway, key: str) -> HttpAnswer:
    return await gateway.call("GET", ME, key=key)


def check_refused(answer: HttpAnswer) -> None:
    assert (answer.status, answer.json["code"], answer.json["retryable"]) == (429, "quota_exceeded", True)
    assert 1 <= int(answer.headers["Retry-After"]) <= 3600


async def test_a_key_that_calls_too_often_is_refused_and_told_when_to_come_back(gateway: Gateway) -> None:
    answers = [await me(gateway, ADA) for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429]
    assert [answer.headers["RateLimit-Policy"] for answer in answers] == [POLICY] * 4
    assert [answer.headers["RateLimit"].split(";")[1] for answer in answers] == ["r=2", "r=1", "r=0", "r=0"]
    check_refused(answers[-1])
    assert (await me(gateway, BOB)).status == 200


async def test_refusals_count_and_have_the_headers(gateway: Gateway) -> None:
    answer = await gateway.read("nothing")
    assert (answer.status, answer.headers["RateLimit-Policy"]) == (404, POLICY)
    assert (await gateway.submit(b"{")).headers["RateLimit"].startswith('"key";r=1;')


async def test_an_address_with_bad_keys_is_refused_but_not_a_key_that_was_good_there(gateway: Gateway) -> None:
    assert (await me(gateway, ADA)).status == 200
    answers = [await me(gateway, key) for key in ("wsk_wrong", "", "wsk_guess")]
    assert [answer.status for answer in answers] == [401, 401, 429]
    assert all("RateLimit" not in answer.headers for answer in answers)
    check_refused(answers[-1])
    check_refused(await me(gateway, BOB))
    assert (await me(gateway, ADA)).status == 200


async def test_each_gateway_counts_for_itself(bus: Bus, gateway: Gateway) -> None:
    async with running_gateway(bus, rate_limit="3/3600") as other:
        statuses = [(await me(where, ADA)).status for where in (gateway, other) for _ in range(4)]
    assert statuses == [200, 200, 200, 429] * 2


async def test_without_limits_nothing_is_said_of_them(bus: Bus) -> None:
    async with running_gateway(bus, rate_limit="", rate_limit_unknown="") as here:
        answer = await me(here, ADA)
    assert (answer.status, "RateLimit" in answer.headers, "RateLimit-Policy" in answer.headers) == (200, False, False)
