"""Every page of the console in a real browser: its picture in both schemes on desktop and phone, what axe finds in it, and
whether its text is in the catalogue. The pictures come to .pictures/, to be looked at."""

import functools
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page
from starlette.routing import Route

from services.gateway.web import console_pages
from services.gateway.web.assets import PREFIX, assets
from services.gateway.web.console import Console
from services.gateway.web.languages import PSEUDO
from services.registry.directory import user_id
from tests.support.browser import DESKTOP, PHONE, Visitor, outside_catalogue, visitor
from tests.support.stack import ROOT, Stack, eventually, fresh_home

PICTURES = ROOT / ".pictures"
SIZES = {"desktop": DESKTOP, "phone": PHONE}
SCHEMES = ("light", "dark")
OPEN = {
    "sign-in": "/sign-in",
    "sign-up": "/sign-up",
    "password-reset": "/password-reset#wsr_0123456789",
    "not-found": "/nothing/here",
}
"""Pages for people who are not signed in, by the names of their pictures."""
FRAMED = {
    "spaces": "/spaces",
    "space": "/spaces/demo",
    "space-agents": "/spaces/demo/agents",
    "space-settings": "/spaces/demo/settings",
    "space-members": "/spaces/whisper-large/members",
    "new-space": "/new-space",
    "agents": "/agents",
    "agent": "/agents/somebody/gpu-box",
    "connections": "/connections",
    "requests": "/requests",
    "request": "/requests/{request}",
    "request-waiting": "/requests/{waiting}",
    "request-erased": "/requests/{erased}",
    "keys": "/keys",
    "new-key": "/keys/new",
    "account": "/account",
    "users": "/users",
    "new-user": "/users/new",
    "user": f"/users/{user_id('grace@example.org')}",
    "audit": "/audit",
    "audit-filtered": "/audit?type=space_paused&since=2026-01-01",
    "overview": "/overview?window=15m",
    "spaces-zh": "/spaces?lang=zh",
}
"""Pages for those who are."""
ALL = OPEN | FRAMED
MADE: dict[str, str] = {}
"""The ids of what `furnish` has made, by the names that stand for them in the paths."""


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with fresh_home() as home, Stack(home) as running:
        furnish(running)
        use(running)
        yield running


def furnish(stack: Stack) -> None:
    """Spaces in several states, and keys."""
    with stack.calls() as http:
        spaces = [
            ("digits", "Handwritten digits", "everyone"),
            ("whisper-large", "Speech to text", "private"),
            ("upscaler", "Upscale pictures, four times as large and without losing a detail", "everyone"),
        ]
        for id, title, visibility in spaces:
            made = http.post("/v1/spaces", json={"id": id, "title": title, "visibility": visibility})
            assert made.status_code == 201, made.text
        joined = http.post("/v1/users/sign-up", json={"email": "grace@example.org", "password": "correct horse"}).json()
        member = http.put(f"/v1/spaces/whisper-large/members/{joined['id']}", json={"role": "manager"})
        assert member.status_code == 200, member.text
        assert http.patch("/v1/spaces/demo", json={"title": "Demo"}).status_code == 200
        assert http.post("/v1/spaces/digits/pause").status_code == 200
        assert http.post("/v1/spaces/upscaler/disable").status_code == 200
        keys = [
            {"name": "nightly job", "spaces": ["digits"], "expires_in_s": 90 * 86400},
            {"name": "landing page", "scopes": ["submit"], "spaces": ["demo"], "origins": ["https://example.org"]},
            {"name": "GPU box in the cellar", "kind": "agent", "spaces": ["whisper-large", "digits"]},
        ]
        for key in keys:
            assert http.post("/v1/keys", json=key).status_code == 201


def use(stack: Stack) -> None:
    """Requests in several states."""
    MADE["request"], MADE["erased"] = (stack.submit({"prompt": f"Tell me story {n}."})["id"] for n in (1, 2))
    MADE["waiting"] = stack.submit({"pixels": [0, 16]}, space="digits", wait=0)["id"]
    with stack.calls() as http:
        answer = http.delete(f"/v1/requests/{MADE['erased']}/data")
    assert answer.is_success, answer.text


def settled(somebody: Visitor) -> bool:
    """Whether everything that turns live has done so."""
    live = somebody.page.locator("[data-state=unknown], [data-looking]:not([hidden])")
    return live.count() == 0 and not somebody.complaints


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_each_page_has_a_picture_and_no_barrier(
    stack: Stack, browser: Browser, signed_in: dict[str, Any], scheme: str, size: str, name: str
) -> None:
    PICTURES.mkdir(exist_ok=True)
    state = signed_in if name in FRAMED else None
    with visitor(browser, stack.ready.url, viewport=SIZES[size], color_scheme=scheme, storage_state=state) as somebody:
        somebody.foresees(404)
        somebody.go(ALL[name].format_map(MADE))
        eventually(functools.partial(settled, somebody), f"{name} is settled")
        somebody.page.screenshot(path=PICTURES / f"{name}-{scheme}-{size}.png", full_page=True)
        assert somebody.findings() == []
        assert not somebody.overflows(), f"it is wider than a {size}"


def open_menu(page: Page) -> None:
    button = page.get_by_role("button", name="Menu")
    if button.is_visible():  # there is room for the whole menu on a desktop
        button.click()


def ask_to_revoke(page: Page) -> None:
    page.get_by_role("button", name="Revoke").first.click()


def ask_to_delete(page: Page) -> None:
    page.get_by_role("button", name="Delete the space").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete the space").click()


def make_flaws(page: Page) -> None:
    page.get_by_label("Name").fill("Not A Name")
    page.get_by_label("Queue limit").fill("-1")
    page.get_by_role("button", name="Make space").click()


def make_key(page: Page) -> None:
    page.get_by_label("Name").fill("nightly job")
    page.get_by_role("button", name="Make key").click()
    page.get_by_role("heading", name="Your new key").wait_for()


def make_agent_key(page: Page) -> None:
    page.get_by_role("button", name="Make an agent key").click()
    page.get_by_text("Waiting for the agent").wait_for()


def write_schema(page: Page) -> None:
    page.get_by_role("radio", name="A schema").check()
    page.get_by_role("button", name="Text to picture").click()
    page.get_by_text("The form is up to date.").wait_for()
    page.get_by_role("region", name="The form for it").scroll_into_view_if_needed()


def make_user(page: Page) -> None:
    page.get_by_label("E-mail address").fill(f"edith-{time.monotonic_ns()}@example.org")
    page.get_by_role("button", name="Make user").click()
    page.get_by_text("It is good until").wait_for()


def ask_to_disable(page: Page) -> None:
    page.get_by_role("button", name="Disable").click()


def open_agent(page: Page) -> None:
    page.locator("#agents tbody a").first.click()
    page.get_by_text("Nothing: all its slots are free.").wait_for()


def ask_to_drain(page: Page) -> None:
    page.locator("#agents").get_by_role("button", name="Drain").first.click()


STATES: dict[str, tuple[str, Callable[[Page], None]]] = {
    "menu": ("/spaces", open_menu),
    "revoking": ("/keys", ask_to_revoke),
    "deleting": ("/spaces/demo/settings", ask_to_delete),
    "flaws": ("/new-space", make_flaws),
    "schema": ("/new-space", write_schema),
    "made-user": ("/users/new", make_user),
    "disabling": (f"/users/{user_id('grace@example.org')}", ask_to_disable),
    "made-key": ("/keys/new", make_key),
    "connecting": ("/spaces/whisper-large/agents", make_agent_key),
    "agent": ("/agents", open_agent),
    "draining": ("/agents", ask_to_drain),
}
"""What pages look like in the middle of something."""


@pytest.mark.parametrize("name", STATES)
@pytest.mark.parametrize(("scheme", "size"), [("light", "desktop"), ("dark", "phone")])
def test_each_state_has_a_picture_and_no_barrier(
    stack: Stack, browser: Browser, signed_in: dict[str, Any], scheme: str, size: str, name: str
) -> None:
    path, reach = STATES[name]
    PICTURES.mkdir(exist_ok=True)
    with visitor(browser, stack.ready.url, viewport=SIZES[size], color_scheme=scheme, storage_state=signed_in) as somebody:
        somebody.go(path)
        reach(somebody.page)
        eventually(functools.partial(settled, somebody), f"{name} is settled")
        somebody.page.screenshot(path=PICTURES / f"state-{name}-{scheme}-{size}.png")
        assert somebody.findings() == []
        assert not somebody.overflows(), f"it is wider than a {size}"


def test_every_page_is_among_them() -> None:
    routers = console_pages.routers(Console(None, assets()), None, None, None, "open", 1, None, None, None)  # type: ignore[arg-type]
    routes = [route for router in routers for route in router.routes if isinstance(route, Route)]
    shown = [route for route in routes if "GET" in (route.methods or ())]
    paths = {route.path for route in shown} - {"/", f"{PREFIX}/{{digest}}/{{name}}"}
    pictured = {re.split("[#?]", path)[0] for path in ALL.values()}
    assert [path for path in paths if not any(matches(path, each) for each in pictured)] == []


def matches(route: str, path: str) -> bool:
    return re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", route), path) is not None


def test_all_text_comes_from_the_catalogue(stack: Stack, browser: Browser, signed_in: dict[str, Any]) -> None:
    for pages, state in ((OPEN, None), (FRAMED, signed_in)):
        with visitor(browser, stack.ready.url, storage_state=state) as somebody:
            somebody.foresees(404)
            for path in pages.values():
                page, *rest = re.split("(?=[#?])", path.format_map(MADE))
                somebody.go(f"{page}?lang={PSEUDO}{''.join(rest) if '#' in path else ''}")
                eventually(functools.partial(settled, somebody), f"{path} is settled")
                assert outside_catalogue(somebody.page) == [], path
