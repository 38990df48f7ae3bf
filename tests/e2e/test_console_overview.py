"""The overview in a real browser: numbers, warnings and services as they turn, on a whole stack. Pictures with data come to
.pictures/, to be looked at."""

import asyncio
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import asyncpg
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from services.gateway.web.languages import PSEUDO
from tests.support.browser import DESKTOP, PHONE, Visitor, outside_catalogue, visitor
from tests.support.console import at, join, sign_in, without
from tests.support.stack import ROOT, Stack, eventually
from tests.support.world import agent

PICTURES = ROOT / ".pictures"
SOON_MS = 40_000
"""The time to live of a sign of life, and two looks of the page."""
SPREAD = """
    UPDATE requests SET
        accepted_at = accepted_at - ago * 1000000000, completed_at = completed_at - ago * 1000000000 + waited + ran,
        waited_ns = waited, ran_s = CASE WHEN ran_s IS NOT NULL THEN ran / 1e9 END,
        status = CASE WHEN number % 17 = 3 THEN 'failed' WHEN number % 41 = 5 THEN 'canceled' ELSE status END
    FROM (
        SELECT rid AS of, number, (3500 * power((number * 7919 % 1000) / 1000.0, 1.3))::bigint AS ago,
            (1e7 * (1 + number % 90) * (1 + number % 7))::bigint AS waited, (2e8 * (1 + number * 31 % 40))::bigint AS ran
        FROM (SELECT rid, row_number() OVER (ORDER BY rid) AS number FROM requests WHERE completed_at IS NOT NULL) AS each
    ) AS spread
    WHERE of = rid
"""
"""As if the requests of a moment had come in over an hour."""
OPEN = "SELECT 1 FROM requests WHERE completed_at IS NULL"
EARLIER = "UPDATE event_log SET at = at - 2400000000000 WHERE stream = 'CONNECTIONS' AND type = 'connected'"
"""As if agents had connected forty minutes earlier."""


@pytest.fixture
def operator(stack: Stack, browser: Browser) -> Iterator[Visitor]:
    """An administrator who is signed in."""
    with visitor(browser, stack.ready.url) as here:
        sign_in(here, stack)
        yield here


def number(page: Page, name: str) -> Locator:
    return page.locator(f"[data-number={name}]")


def finding(page: Page, rule: str) -> Locator:
    return page.locator(f"[data-rule={rule}]")


def service(page: Page, kind: str) -> Locator:
    return page.locator(f"[data-service={kind}]")


def test_a_fresh_platform_is_well_and_says_that_nothing_came_in(operator: Visitor) -> None:
    page = operator.page
    page.get_by_role("link", name="Overview").click()
    expect(page.get_by_role("heading", name="No requests yet")).to_be_visible()
    expect(page.locator("#warnings")).to_contain_text("All is well.")
    for kind in ("gateway", "registry", "dispatcher", "history"):
        expect(service(page, kind)).to_contain_text("Running")
    expect(service(page, "gateway")).to_contain_text("answers you")
    expect(page.locator("#stores")).to_contain_text("REQUESTS")
    assert page.locator("#stores .state[data-state=ok]").count() == 2
    assert operator.findings() == []


def submit_and_cancel(stack: Stack) -> None:
    id = stack.submit({"n": 0}, wait=0)["id"]
    with stack.calls() as http:
        assert http.post(f"/v1/requests/{id}/cancel").status_code == 200


def test_numbers_turn_as_requests_come_and_end(operator: Visitor, stack: Stack) -> None:
    page = operator.page
    operator.go("/overview?window=15m")
    expect(number(page, "accepted")).to_have_text("0")
    submit_and_cancel(stack)
    with agent(stack, "echo"):
        expect(number(page, "agents")).to_have_text("1")
        ended = [stack.submit({"n": n}) for n in range(3)]
        assert {each["status"] for each in ended} == {"succeeded"}
        expect(number(page, "accepted")).to_have_text("4")
        expect(number(page, "success")).to_have_text("100 %")
        expect(page.get_by_role("img", name=re.compile("^Requests succeeded: "))).to_be_visible()
    expect(number(page, "agents")).to_have_text("0")
    with stack.calls() as http:
        told = http.get("/v1/stats/series?window=15m").json()
    assert told["accepted"] == 4
    assert sum(told["ended"].values()) == 4


def test_a_table_stays_open_while_the_chart_turns(operator: Visitor, stack: Stack) -> None:
    page = operator.page
    submit_and_cancel(stack)
    operator.go("/overview?window=15m")
    chart = page.get_by_role("figure", name="Requests", exact=True)
    chart.get_by_text("As a table").click()
    rows = chart.locator("tbody tr")
    first = rows.first.locator("th").inner_text()
    expect(rows).to_have_count(60)
    eventually(lambda: rows.first.locator("th").inner_text() != first, "a new bucket has begun", 60.0)
    expect(chart.locator("table")).to_be_visible()
    expect(chart.get_by_text("As a table")).to_be_focused()


def test_a_service_that_dies_is_missed_and_seen_again_when_it_is_back(operator: Visitor, stack: Stack) -> None:
    page = operator.page
    operator.go("/overview")
    expect(service(page, "dispatcher")).to_contain_text("Running")
    before = service(page, "dispatcher").locator("code").inner_text()
    with without(stack, "dispatcher"):
        expect(service(page, "dispatcher")).to_contain_text("Nobody", timeout=SOON_MS)
        expect(finding(page, "service_missing")).to_contain_text("Dispatcher")
        expect(page.locator("#said")).to_have_text("1 warning")
    expect(service(page, "dispatcher")).to_contain_text("Running", timeout=SOON_MS)
    expect(service(page, "dispatcher").locator("code")).not_to_have_text(before)
    expect(finding(page, "service_missing")).to_have_count(0)
    expect(page.locator("#said")).to_have_text("All is well.")


def test_requests_that_wait_without_an_agent_are_warned_of_until_there_is_one(operator: Visitor, stack: Stack) -> None:
    page = operator.page
    waiting = [stack.submit({"n": n}, wait=0)["id"] for n in range(2)]
    operator.go("/overview?window=15m")
    expect(number(page, "waiting")).to_have_text("2")
    warning = finding(page, "no_agent")
    expect(warning).to_contain_text("2 requests wait, and no agent is connected.", timeout=SOON_MS)
    expect(warning.get_by_role("link")).to_have_attribute("href", f"/spaces/{stack.ready.space}")
    assert operator.findings() == []
    with agent(stack, "echo"):
        expect(warning).to_have_count(0)
        expect(page.locator("#warnings")).to_contain_text("All is well.")
        eventually(lambda: all(stack.get(rid)["status"] == "succeeded" for rid in waiting), "both are run")


def test_history_that_is_away_is_told_and_the_page_goes_on_when_it_is_back(operator: Visitor, stack: Stack) -> None:
    page = operator.page
    operator.go("/overview?window=15m")
    expect(number(page, "accepted")).to_be_visible()
    with without(stack, "history"):
        expect(finding(page, "history_silent")).to_be_visible(timeout=SOON_MS)
        expect(page.locator("#charts")).to_contain_text("Numbers cannot be counted right now", timeout=SOON_MS)
    expect(number(page, "accepted")).to_be_visible(timeout=SOON_MS)
    expect(finding(page, "history_silent")).to_have_count(0, timeout=SOON_MS)


def test_a_member_sees_their_own_and_nothing_of_the_platform(browser: Browser, stack: Stack) -> None:
    with visitor(browser, stack.ready.url) as member:
        join(member, "grace@example.org")
        member.go("/overview?window=24h")
        expect(member.page.get_by_role("heading", name="No requests yet")).to_be_visible()
        expect(member.page.get_by_text("Of your requests and agents.")).to_be_visible()
        assert member.page.locator("#services, #stores").count() == 0
        assert member.page.locator(".windows [aria-current]").inner_text() == "24 hours"
        member.page.get_by_role("link", name="7 days").click()
        expect(member.page).to_have_url(f"{stack.ready.url}/overview?window=7d")


def test_a_space_may_be_looked_at_alone(operator: Visitor, stack: Stack) -> None:
    operator.go("/overview?window=1h")
    operator.page.get_by_label("Space", exact=True).select_option(stack.ready.space)
    operator.page.get_by_role("button", name="Show").click()
    operator.page.wait_for_url(f"**/overview?window=1h&space={stack.ready.space}")
    expect(operator.page.get_by_label("Space", exact=True)).to_have_value(stack.ready.space)
    operator.page.get_by_role("link", name="15 minutes").click()
    operator.page.wait_for_url(f"**/overview?window=15m&space={stack.ready.space}")


def test_whose_session_has_ended_signs_in_and_comes_back(operator: Visitor) -> None:
    operator.go("/overview?window=15m")
    expect(number(operator.page, "accepted")).to_be_visible()
    operator.context.clear_cookies()
    at(operator, "/sign-in?next=%2Foverview%3Fwindow%3D15m")


@pytest.fixture(scope="module")
def busy(stack: Stack) -> Stack:
    """An hour with many requests, some of which fail; others wait."""
    with agent(stack, "echo", slots=16):
        with stack.calls() as http:
            for n in range(400):
                assert http.post(f"/v1/spaces/{stack.ready.space}/requests", json={"input": {"n": n}}).status_code == 202
        eventually(lambda: execute(stack, OPEN) == "SELECT 0", "all have ended")
    execute(stack, SPREAD)
    execute(stack, EARLIER)
    for n in range(3):
        stack.submit({"n": n}, wait=0)
    return stack


def execute(stack: Stack, statement: str) -> str:
    """What PostgreSQL says of a statement. The browser has this thread's event loop."""

    async def executed() -> str:
        connection = await asyncpg.connect(stack.ready.database_url)
        try:
            return str(await connection.execute(statement))
        finally:
            await connection.close()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(executed())).result()


@pytest.mark.parametrize("size", ["desktop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_busy_hour_has_a_picture_and_no_barrier(browser: Browser, busy: Stack, scheme: str, size: str) -> None:
    PICTURES.mkdir(exist_ok=True)
    viewport = DESKTOP if size == "desktop" else PHONE
    with visitor(browser, busy.ready.url, viewport=viewport, color_scheme=scheme) as somebody:
        sign_in(somebody, busy)
        somebody.go("/overview?window=1h")
        expect(somebody.page.locator(".plot > svg")).to_have_count(6)
        expect(finding(somebody.page, "no_agent")).to_be_visible(timeout=SOON_MS)
        somebody.page.screenshot(path=PICTURES / f"overview_busy_{scheme}_{size}.png", full_page=True)
        assert somebody.findings() == []
        assert not somebody.overflows()
        somebody.page.get_by_role("figure", name="Requests", exact=True).get_by_text("As a table").click()
        assert somebody.findings() == []
        assert not somebody.overflows()


def test_a_busy_hour_in_chinese_and_all_text_is_in_the_catalogue(browser: Browser, busy: Stack) -> None:
    with visitor(browser, busy.ready.url) as somebody:
        sign_in(somebody, busy)
        somebody.go("/overview?window=1h&lang=zh")
        expect(somebody.page.get_by_role("heading", name="概览")).to_be_visible()
        expect(finding(somebody.page, "no_agent")).to_contain_text("没有 agent 连接", timeout=SOON_MS)
        somebody.page.screenshot(path=PICTURES / "overview_busy_zh_desktop.png", full_page=True)
        somebody.go(f"/overview?window=1h&lang={PSEUDO}")
        assert outside_catalogue(somebody.page) == []
