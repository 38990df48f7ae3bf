"""Signing in, out, and passwords over HTTP, with two gateways and two registries."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import msgspec
import pytest

from services.gateway.web_sessions import SESSION_S
from services.registry.passwords import MAX_WAITING
from tests.support.bus import Bus, running_bus, until
from tests.support.http_gateway import ADMIN, Gateway, HttpAnswer, fill_directory, running_gateway, serve_registry_at

EMAIL, PASSWORD, NEW_PASSWORD = "new@example.org", "correct horse", "battery staple"
EFFECT_S = 1.0
"""Within which a change at one gateway is in effect at every one."""


@pytest.fixture
async def bus() -> AsyncIterator[Bus]:
    async with running_bus() as here:
        await fill_directory(here)
        for _ in range(2):
            await serve_registry_at(here)
        yield here


@pytest.fixture
async def other(bus: Bus) -> AsyncIterator[Gateway]:
    async with running_gateway(bus) as here:
        yield here


class Page:
    """A browser's page: a cookie and the token that goes with it."""

    def __init__(self, answer: HttpAnswer) -> None:
        self.set_cookie = answer.headers["Set-Cookie"]
        self.cookie, self.token = self.set_cookie.partition(";")[0], answer.json["csrf_token"]
        self.user = answer.json["user"]["id"]

    async def call(self, gateway: Gateway, method: str, path: str, **body: Any) -> HttpAnswer:
        sent = msgspec.json.encode(body) if body else None
        return await gateway.call(method, path, sent, key="", Cookie=self.cookie, X_CSRF_Token=self.token)

    async def status(self, gateway: Gateway) -> int:
        return (await self.call(gateway, "GET", "/v1/session")).status

    async def change_password(self, gateway: Gateway, current: str, new: str) -> HttpAnswer:
        body = {"current_password": current, "new_password": new}
        return await self.call(gateway, "POST", "/v1/users/me/password", **body)


async def post(gateway: Gateway, path: str, key: str = "", **body: Any) -> HttpAnswer:
    return await gateway.call("POST", path, msgspec.json.encode(body), key=key)


async def sign_in(gateway: Gateway, password: str = PASSWORD, email: str = EMAIL) -> HttpAnswer:
    return await post(gateway, "/v1/session", email=email, password=password)


async def signed_up(gateway: Gateway) -> str:
    """The id of a member who has made themselves one."""
    made = await post(gateway, "/v1/users/sign-up", email=EMAIL, password=PASSWORD)
    assert (made.status, made.json["role"]) == (201, "member"), made.body
    return str(made.json["id"])


async def page(gateway: Gateway, password: str = PASSWORD) -> Page:
    answer = await sign_in(gateway, password)
    assert answer.status == 201, answer.body
    return Page(answer)


async def ended(page: Page, gateway: Gateway) -> None:
    async def refused() -> bool:
        return await page.status(gateway) == 401

    await until(refused, "the session is refused", EFFECT_S)


async def test_who_signs_up_signs_in_and_works_at_every_gateway(gateway: Gateway, other: Gateway) -> None:
    user = await signed_up(gateway)
    here = await page(other)
    assert here.user == user
    assert "HttpOnly" in here.set_cookie
    assert "SameSite=Lax" in here.set_cookie
    for each in (gateway, other):
        shown = await here.call(each, "GET", "/v1/session")
        assert (shown.status, shown.json["csrf_token"], shown.json["user"]["email"]) == (200, here.token, EMAIL)
        submitted = await here.call(each, "POST", "/v1/spaces/demo/requests", input={"n": 1})
        assert submitted.status == 202
        rid = submitted.json["id"]
        assert (await here.call(other, "GET", f"/v1/requests/{rid}")).json["user"] == user
    made = await here.call(gateway, "POST", "/v1/keys", name="mine")
    assert (made.status, made.json["expires_at"]) == (201, None)
    assert (await gateway.call("GET", "/v1/users/me", key=made.json["secret"])).json["id"] == user


async def test_a_key_is_stronger_than_the_cookie(gateway: Gateway) -> None:
    await signed_up(gateway)
    here = await page(gateway)
    me = await gateway.call("GET", "/v1/users/me", key=ADMIN, Cookie=here.cookie)
    assert me.json["id"] == "root"
    assert (await gateway.call("GET", "/v1/users/me", key="wsk_none", Cookie=here.cookie)).status == 401


async def test_a_sign_out_is_in_effect_at_every_gateway(gateway: Gateway, other: Gateway, bus: Bus) -> None:
    await signed_up(gateway)
    here, stays = await page(gateway), await page(gateway)
    rid = (await here.call(gateway, "POST", "/v1/spaces/demo/requests", input={})).json["id"]
    url = f"{other.url}/v1/requests/{rid}/events"
    async with other.http.get(url, headers={"Cookie": here.cookie}) as stream:
        await stream.content.readuntil(b"event: queued")
        gone = await here.call(gateway, "DELETE", "/v1/session")
        assert gone.status == 204
        assert "Max-Age=0" in gone.headers["Set-Cookie"]
        await ended(here, other)
        rest = await asyncio.wait_for(stream.content.read(), 2 * EFFECT_S)
        assert b'"code":"unauthenticated"' in rest
    assert await here.status(gateway) == 401
    assert await stays.status(gateway) == await stays.status(other) == 200


async def test_a_change_of_password_ends_all_other_sessions(gateway: Gateway, other: Gateway) -> None:
    await signed_up(gateway)
    here, elsewhere = await page(gateway), await page(other)
    wrong = await here.change_password(gateway, "wrong", NEW_PASSWORD)
    assert (wrong.status, wrong.json["code"]) == (403, "forbidden")
    assert (await here.change_password(gateway, PASSWORD, NEW_PASSWORD)).status == 204
    for each in (gateway, other):
        await ended(elsewhere, each)
        assert await here.status(each) == 200
    assert (await sign_in(other)).status == 401
    assert await (await page(other, NEW_PASSWORD)).status(gateway) == 200


async def test_a_disabled_user_s_sessions_are_worth_nothing_at_once(gateway: Gateway, other: Gateway) -> None:
    user = await signed_up(gateway)
    here = await page(gateway)
    assert (await post(gateway, f"/v1/users/{user}/disable", ADMIN)).status == 200
    assert await here.status(gateway) == 401
    await ended(here, other)
    refused = await sign_in(gateway)
    assert (refused.status, refused.json["detail"][:21]) == (401, "This user is disabled")
    assert (await sign_in(gateway, "wrong")).json["detail"] == "The e-mail address or the password is wrong."
    assert (await post(gateway, f"/v1/users/{user}/enable", ADMIN)).status == 200
    assert await here.status(gateway) == 200


async def test_nobody_learns_which_addresses_there_are(gateway: Gateway) -> None:
    await signed_up(gateway)
    answers = [await sign_in(gateway, "wrong", email) for email in (EMAIL, "nobody@example.org", "no address")]
    told = [{key: value for key, value in each.json.items() if key != "request_id"} for each in answers]
    assert told[0] == told[1] == told[2]
    assert told[0]["code"] == "unauthenticated"


@pytest.mark.parametrize("email", [EMAIL, "nobody@example.org"])
async def test_ten_failures_lock_an_address_out_wherever_they_came(gateway: Gateway, other: Gateway, email: str) -> None:
    await signed_up(gateway)
    here = await page(gateway)
    failed = [await sign_in((gateway, other)[n % 2], "wrong", email.upper()) for n in range(10)]
    assert [each.status for each in failed] == [401] * 10
    for each in (gateway, other):
        locked = await sign_in(each, PASSWORD, email)
        assert (locked.status, locked.json["code"]) == (429, "locked_out")
        assert 0 < int(locked.headers["Retry-After"]) <= 900
    assert await here.status(gateway) == await here.status(other) == 200
    assert (await sign_in(gateway, "wrong", "ada@example.org")).status == 401, "others are not"


async def test_who_comes_at_once_gets_no_more_tries(gateway: Gateway, other: Gateway) -> None:
    # NATS chooses who is asked: were they more, one registry might get so many that it lets some not even wait.
    answers = await asyncio.gather(*(sign_in((gateway, other)[n % 2], "wrong") for n in range(MAX_WAITING)))
    statuses = [each.status for each in answers]
    assert statuses.count(401) in (10, 11), "two registries may look at one password each at the same time"
    assert set(statuses) <= {401, 429}


async def test_a_success_begins_the_count_anew(gateway: Gateway) -> None:
    await signed_up(gateway)
    for _ in range(2):
        assert [(await sign_in(gateway, "wrong")).status for _ in range(9)] == [401] * 9
        assert (await sign_in(gateway)).status == 201


async def test_a_link_of_an_administrator_sets_a_password_once(gateway: Gateway, other: Gateway) -> None:
    user = await signed_up(gateway)
    here = await page(gateway)
    for _ in range(10):
        await sign_in(gateway, "wrong")
    first, link = [await post(other, f"/v1/users/{user}/password-reset", ADMIN) for _ in range(2)]
    assert link.status == 201
    token = link.json["token"]
    assert link.json["url"] == f"{other.url}/password-reset#{token}"
    assert await here.status(gateway) == 200, "nothing has changed yet"
    for spent in (first.json["token"], "wsr_none"):
        answer = await post(gateway, "/v1/password-reset", token=spent, password=NEW_PASSWORD)
        assert (answer.status, answer.json["code"]) == (404, "not_found")
    assert (await post(gateway, "/v1/password-reset", token=token, password="short")).status == 422
    assert (await post(gateway, "/v1/password-reset", token=token, password=NEW_PASSWORD)).status == 204
    await ended(here, other)
    assert (await sign_in(gateway, NEW_PASSWORD)).status == 201, "the lock-out has ended"
    assert (await post(gateway, "/v1/password-reset", token=token, password=PASSWORD)).status == 404


async def test_signing_up_is_no_way_to_try_passwords(gateway: Gateway) -> None:
    await signed_up(gateway)
    for password in (PASSWORD, NEW_PASSWORD):
        again = await post(gateway, "/v1/users/sign-up", email=EMAIL, password=password)
        assert (again.status, again.json["code"]) == (409, "exists")
    role = await post(gateway, "/v1/users/sign-up", email="x@example.org", password=PASSWORD, role="admin")
    assert role.status == 422


async def test_sign_up_may_be_closed(bus: Bus) -> None:
    async with running_gateway(bus, sign_up="closed") as closed:
        refused = await post(closed, "/v1/users/sign-up", email=EMAIL, password=PASSWORD)
        assert (refused.status, refused.json["code"]) == (403, "forbidden")


async def test_a_session_lasts_two_weeks(gateway: Gateway) -> None:
    await signed_up(gateway)
    expires_at = (await sign_in(gateway)).json["expires_at"]
    left_s = msgspec.convert(expires_at, type=datetime).timestamp() - time.time()
    assert SESSION_S - 60 < left_s <= SESSION_S + 1


async def test_in_a_session_there_is_a_key_that_may_all_and_ends_with_it(gateway: Gateway) -> None:
    await signed_up(gateway)
    signed = await sign_in(gateway)
    told = (await Page(signed).call(gateway, "GET", "/v1/keys/me")).json
    assert (told["id"], told["scopes"], told["spaces"]) == ("session", ["manage", "read", "submit"], [])
    assert (told["user"], told["expires_at"]) == (signed.json["user"]["id"], signed.json["expires_at"])
