"""The console's pages over HTTP: who sees them, what goes with them, and what is refused."""

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import msgspec
import pytest

from services.contracts.directory import SpaceEdited
from services.gateway.web.rendering import POLICY
from tests.support.bus import Bus, until
from tests.support.http_gateway import Gateway, change_space, running_gateway
from tests.support.proxy import proxy

HTML = "text/html,application/xhtml+xml,*/*;q=0.8"
EMAIL, PASSWORD = "new@example.org", "correct horse"
PAGES = ("/spaces", "/spaces/demo", "/new-space", "/keys", "/keys/new", "/account")


class Shown(msgspec.Struct):
    """What a browser is shown, redirects not followed."""

    status: int
    headers: Any
    text: str

    @property
    def location(self) -> str:
        return str(self.headers["Location"])


async def look(gateway: Gateway, path: str, cookie: str = "", accept: str = HTML, **headers: str) -> Shown:
    sent = {"Accept": accept, **{name.replace("_", "-"): value for name, value in headers.items()}}
    if cookie:
        sent["Cookie"] = cookie
    async with gateway.http.get(gateway.url + path, headers=sent, allow_redirects=False) as answer:
        return Shown(answer.status, answer.headers, await answer.text())


async def signed_in(gateway: Gateway) -> str:
    """The cookie of a new member."""
    body = msgspec.json.encode({"email": EMAIL, "password": PASSWORD})
    assert (await gateway.call("POST", "/v1/users/sign-up", body, key="")).status == 201
    session = await gateway.call("POST", "/v1/session", body, key="")
    assert session.status == 201
    return str(session.headers["Set-Cookie"].partition(";")[0])


async def test_who_is_not_signed_in_is_led_to_do_so_and_back(gateway: Gateway) -> None:
    for path in (*PAGES, "/spaces/demo/settings", "/keys?a=1&b=%2F"):
        shown = await look(gateway, path)
        assert (shown.status, urlsplit(shown.location).path) == (303, "/sign-in")
        assert parse_qs(urlsplit(shown.location).query) == {"next": [path]}
        page = await look(gateway, shown.location)
        assert f'data-then="{path.replace("&", "&amp;")}"' in page.text
    assert (await look(gateway, "/")).location == "/spaces"


async def test_a_session_that_is_worth_nothing_leads_there_too(gateway: Gateway) -> None:
    shown = await look(gateway, "/keys", cookie="ws_session=none")
    assert (shown.status, shown.location) == (303, "/sign-in?next=%2Fkeys")


@pytest.mark.parametrize("next", ["//evil.example", "https://evil.example", "/%5Cevil.example", "javascript:alert(1)"])
async def test_nobody_is_led_elsewhere_after_signing_in(gateway: Gateway, next: str) -> None:
    for page in ("/sign-in", "/sign-up"):
        shown = await look(gateway, f"{page}?next={next}")
        assert shown.status == 200
        assert "evil" not in re.sub(r'<ul class="languages".*?</ul>', "", shown.text, flags=re.DOTALL)
        assert "javascript:" not in shown.text.replace("javascript%3A", "")
    cookie = await signed_in(gateway)
    assert (await look(gateway, f"/sign-in?next={next}", cookie)).location == "/"


async def test_who_is_signed_in_sees_every_page_and_goes_on_from_signing_in(gateway: Gateway) -> None:
    cookie = await signed_in(gateway)
    for path in PAGES:
        shown = await look(gateway, path, cookie)
        assert (shown.status, shown.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert EMAIL in shown.text
    assert (await look(gateway, "/sign-in?next=%2Fkeys", cookie)).location == "/keys"
    token = (await gateway.call("GET", "/v1/session", key="", Cookie=cookie)).json["csrf_token"]
    assert f'name="csrf-token" content="{token}"' in (await look(gateway, "/account", cookie)).text


async def test_every_page_has_the_policy_and_is_kept_by_no_cache(gateway: Gateway) -> None:
    cookie = await signed_in(gateway)
    for shown in [await look(gateway, path, cookie) for path in (*PAGES, "/none")] + [await look(gateway, "/sign-in")]:
        assert shown.headers["Content-Security-Policy"] == POLICY
        assert "unsafe" not in POLICY
        assert "default-src 'none'" in POLICY
        assert shown.headers["Cache-Control"] == "no-store"
        assert shown.headers["X-Content-Type-Options"] == "nosniff"
        assert shown.headers["Referrer-Policy"] == "same-origin"


async def test_a_hostile_title_stays_text(gateway: Gateway, bus: Bus) -> None:
    cookie = await signed_in(gateway)
    title = '"><script>alert(1)</script>{{7*7}}'
    await change_space(bus, SpaceEdited, title=title)

    async def titled() -> bool:
        return "alert(1)" in (await look(gateway, "/spaces", cookie)).text

    await until(titled, "the title is shown")
    for path in ("/spaces", "/spaces/demo"):
        shown = (await look(gateway, path, cookie)).text
        assert "<script>alert" not in shown
        assert "&lt;script&gt;alert(1)&lt;/script&gt;{{7*7}}" in shown


async def test_errors_are_pages_for_browsers(gateway: Gateway, bus: Bus) -> None:
    cookie = await signed_in(gateway)
    for path, status in (
        ("/spaces/none", 404),
        ("/nowhere", 404),
        ("/spaces/demo/settings", 403),
        ("/spaces/demo/members", 403),
    ):
        shown = await look(gateway, path, cookie)
        assert (shown.status, shown.headers["Content-Type"]) == (status, "text/html; charset=utf-8")
        assert EMAIL in shown.text, "who is signed in keeps the navigation"
    assert (await look(gateway, "/nowhere")).status == 404


async def test_and_problems_for_programs_and_everywhere_in_the_api(gateway: Gateway) -> None:
    for path, accept in (("/nowhere", "*/*"), ("/v1/nowhere", HTML), ("/v1/spaces", HTML), ("/static/x/none.js", HTML)):
        shown = await look(gateway, path, accept=accept)
        assert shown.headers["Content-Type"] == "application/problem+json"


async def test_who_looks_too_often_is_told_when_to_come_back(bus: Bus) -> None:
    async with running_gateway(bus, rate_limit="3/60") as gateway:
        cookie = await signed_in(gateway)
        seen = [await look(gateway, "/account", cookie) for _ in range(4)]
        assert [shown.status for shown in seen] == [200, 200, 200, 429]
        assert int(seen[3].headers["Retry-After"]) > 0
        assert seen[3].headers["Content-Type"] == "text/html; charset=utf-8"


async def test_while_nats_is_away_a_page_says_so(bus: Bus) -> None:
    async with proxy(bus.door.url("gateway")) as way, running_gateway(bus, through=way) as gateway:
        way.cut()
        shown = await look(gateway, "/spaces", cookie="ws_session=unknown")
        assert (shown.status, shown.headers["Content-Type"]) == (503, "text/html; charset=utf-8")
        assert (await look(gateway, "/sign-in")).status == 200, "the way in stays"
        await way.restore()


async def test_the_language_is_the_browser_s_until_one_is_chosen(gateway: Gateway) -> None:
    english, chinese = "Sign in", "登录"
    assert english in (await look(gateway, "/sign-in")).text
    shown = await look(gateway, "/sign-in", Accept_Language="zh-CN,zh;q=0.9")
    assert chinese in shown.text
    assert '<html lang="zh">' in shown.text
    assert "Set-Cookie" not in shown.headers
    switched = await look(gateway, "/sign-in?lang=zh")
    assert chinese in switched.text
    cookie = switched.headers["Set-Cookie"]
    assert "ws_lang=zh" in cookie
    assert "HttpOnly" in cookie
    assert chinese in (await look(gateway, "/sign-in", cookie="ws_lang=zh", Accept_Language="en")).text
    assert "Set-Cookie" not in (await look(gateway, "/sign-in?lang=tlh")).headers


async def test_the_scheme_is_remembered(gateway: Gateway) -> None:
    assert 'data-theme="dark"' in (await look(gateway, "/sign-in", cookie="ws_theme=dark")).text
    assert "data-theme=" not in (await look(gateway, "/sign-in", cookie="ws_theme=x%22")).text


async def test_what_pages_load_is_kept_for_ever_under_its_digest(gateway: Gateway) -> None:
    page = (await look(gateway, "/sign-in")).text
    loaded = re.findall(r'(?:src|href)="(/static/[^"]+)"', page)
    assert {url.rpartition(".")[2] for url in loaded} == {"css", "js", "svg"}
    for url in loaded:
        shown = await look(gateway, url, accept="*/*")
        assert (shown.status, shown.headers["Cache-Control"]) == (200, "public, max-age=31536000, immutable")
        assert shown.headers["X-Content-Type-Options"] == "nosniff"
    other = await look(gateway, re.sub("/static/[0-9a-f]+/", "/static/0000/", loaded[0]), accept="*/*")
    assert (other.status, other.headers["Cache-Control"]) == (200, "no-store"), "another version's page works as well"
    for name in ("../pages.py", "..%2fpages.py", "%2e%2e/pages.py"):
        assert (await look(gateway, f"/static/x/{name}", accept="*/*")).status == 404


async def test_closed_sign_up_is_told(bus: Bus) -> None:
    async with running_gateway(bus, sign_up="closed") as gateway:
        assert "/sign-up" not in (await look(gateway, "/sign-in")).text
        assert "<form" not in (await look(gateway, "/sign-up")).text


async def test_a_page_of_another_host_cannot_frame_or_post(gateway: Gateway) -> None:
    assert "frame-ancestors 'none'" in POLICY
    async with aiohttp.ClientSession() as http, http.post(gateway.url + "/sign-in") as answer:
        assert answer.status == 405
