"""Requests in the console, in a real browser, on a whole stack with real agents: the list, and one of them."""

import asyncio
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from services.contracts.instants import nanoseconds
from tests.support.browser import PHONE, Visitor, visitor
from tests.support.console import at, calls_of, join, sign_in
from tests.support.proxy import proxy
from tests.support.stack import Stack, eventually
from tests.support.world import agent, client, kill_group, marker, spool, until

HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>"


@pytest.fixture
def somebody(stack: Stack, browser: Browser, request: pytest.FixtureRequest) -> Iterator[Visitor]:
    with visitor(browser, stack.ready.url, permissions=["clipboard-read", "clipboard-write"]) as here:
        join(here, f"{request.node.name}@example.org")
        yield here


@pytest.fixture
def api(somebody: Visitor) -> Iterator[httpx.Client]:
    with calls_of(somebody) as client:
        yield client


def submit(api: httpx.Client, input: dict[str, Any], *, wait: int = 0, space: str = "demo", **policy: Any) -> dict[str, Any]:
    answer = api.post(
        f"/v1/spaces/{space}/requests",
        json={"input": input, "policy": policy},
        headers={"Prefer": f"wait={wait}"} if wait else {},
    )
    assert answer.is_success, answer.text
    request: dict[str, Any] = answer.json()
    return request


def listed(page: Page) -> list[str]:
    """The ids of the rows, in order."""
    return [str(link.get_attribute("title")) for link in page.locator("#rows [data-cell=id]").all()]


def row(page: Page, rid: str) -> Locator:
    return page.get_by_role("row").filter(has=page.get_by_title(rid, exact=True))


def status(page: Page) -> Locator:
    return page.locator("[data-part=head] [data-status]")


def test_pages_lead_to_older_requests_and_back_while_new_ones_arrive(somebody: Visitor, api: httpx.Client) -> None:
    page = somebody.page
    rids = [submit(api, {"n": n})["id"] for n in range(45)][::-1]
    page.get_by_role("link", name="Requests").click()
    expect(page.locator("#rows tr")).to_have_count(20)
    assert listed(page) == rids[:20]
    expect(page.get_by_role("link", name="Newer")).to_be_hidden()
    page.get_by_role("link", name="Older").click()
    expect(page.get_by_title(rids[39], exact=True)).to_be_visible()
    assert listed(page) == rids[20:40]
    submit(api, {"n": 45})
    page.get_by_role("link", name="Older").click()
    expect(page.locator("#rows tr")).to_have_count(5)
    assert listed(page) == rids[40:]
    expect(page.get_by_role("link", name="Older")).to_be_hidden()
    page.reload()
    expect(page.locator("#rows tr")).to_have_count(5)
    page.get_by_role("link", name="Newer").click()
    expect(page.get_by_title(rids[20], exact=True)).to_be_visible()
    assert listed(page) == rids[20:40], "what came meanwhile has moved nothing"
    page.go_back()
    expect(page.locator("#rows tr")).to_have_count(5)


def test_filters_stand_in_the_address(somebody: Visitor, api: httpx.Client, stack: Stack) -> None:
    page = somebody.page
    answer = api.post("/v1/spaces", json={"id": "filtered", "title": "Filtered"})
    assert answer.status_code == 201, answer.text
    there, here = submit(api, {"n": 1}, space="filtered")["id"], submit(api, {"n": 2})["id"]
    assert api.post(f"/v1/requests/{here}/cancel").status_code == 200
    somebody.go("/requests?space=filtered")
    expect(page.get_by_label("Space")).to_have_value("filtered")
    expect(page.locator("#rows tr")).to_have_count(1)
    assert listed(page) == [there]
    page.get_by_label("Space").select_option("")
    expect(page.locator("#rows tr")).to_have_count(2)
    at(somebody, "/requests")
    page.get_by_role("checkbox", name="Canceled").check()
    expect(page.locator("#rows tr")).to_have_count(1)
    at(somebody, "/requests?status=canceled")
    page.get_by_role("checkbox", name="Failed").check()
    at(somebody, "/requests?status=failed%2Ccanceled")
    page.reload()
    expect(page.get_by_role("checkbox", name="Failed")).to_be_checked()
    expect(page.get_by_title(here, exact=True)).to_be_visible()
    assert listed(page) == [here]
    page.get_by_label("Until").fill("2020-01-01T10:00")
    expect(page.get_by_role("heading", name="No request fits")).to_be_visible()
    assert "created_before=20" in page.url
    page.reload()
    expect(page.get_by_label("Until")).to_have_value("2020-01-01T10:00")
    page.get_by_role("link", name="Clear filters").click()
    expect(page.locator("#rows tr")).to_have_count(2)
    somebody.foresees(400)
    somebody.go("/requests?status=nonsense")
    expect(page.get_by_role("alert")).to_contain_text("cannot be filtered like that")


def test_who_has_submitted_nothing_learns_what_to_do(somebody: Visitor) -> None:
    somebody.go("/requests")
    expect(somebody.page.get_by_role("heading", name="No requests yet")).to_be_visible()
    assert somebody.findings() == []
    somebody.page.get_by_role("link", name="Choose a space").click()
    at(somebody, "/spaces")


def test_an_administrator_sees_the_requests_of_all_and_chooses_a_user(
    somebody: Visitor, browser: Browser, api: httpx.Client, stack: Stack
) -> None:
    mine, others = submit(api, {"n": 1})["id"], stack.submit({"n": 2}, wait=0)["id"]
    email = somebody.page.locator(".email").inner_text()
    with visitor(browser, stack.ready.url) as root:
        page = root.page
        sign_in(root, stack)
        root.go("/requests")
        expect(row(page, mine)).to_contain_text(email)
        expect(row(page, others)).to_contain_text(stack.ready.admin.email)
        page.get_by_label("User").fill(email)
        expect(page.locator("#rows tr")).to_have_count(1)
        assert listed(page) == [mine]
        row(page, mine).get_by_role("link").first.click()
        expect(page.locator("[data-part=head]")).to_contain_text(email)


def test_new_requests_are_announced_and_rows_turn_live(somebody: Visitor, api: httpx.Client, stack: Stack) -> None:
    page = somebody.page
    first = submit(api, {"n": 1})["id"]
    somebody.go("/requests")
    expect(row(page, first)).to_contain_text("Waiting")
    second = submit(api, {"n": 2})["id"]
    page.get_by_role("button", name="1 new request – show").click()
    expect(row(page, second)).to_contain_text("Waiting")
    assert listed(page) == [second, first]
    expect(page.get_by_role("button", name="new request")).to_have_count(0)
    with agent(stack, "echo", name="live"):
        for rid in (first, second):
            expect(row(page, rid)).to_contain_text("Succeeded")
            expect(row(page, rid).get_by_role("button", name="Run again")).to_be_visible()


def test_requests_are_canceled_and_run_again_from_the_list(somebody: Visitor, api: httpx.Client) -> None:
    page = somebody.page
    rid = submit(api, {"n": 1})["id"]
    somebody.go("/requests")
    row(page, rid).get_by_role("button", name="Cancel").click()
    page.get_by_role("dialog").get_by_role("button", name="Keep it").click()
    expect(row(page, rid)).to_contain_text("Waiting")
    row(page, rid).get_by_role("button", name="Cancel").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel request").click()
    expect(row(page, rid)).to_contain_text("Canceled")
    assert api.get(f"/v1/requests/{rid}").json()["status"] == "canceled"
    row(page, rid).get_by_role("button", name="Retry").click()
    page.get_by_text("The same input is submitted again").get_by_role("link", name="Show it").click()
    expect(page.get_by_role("link", name=f"Again, of {rid[-8:]}")).to_be_visible()
    again = page.url.rpartition("/")[2]
    assert api.get(f"/v1/requests/{again}").json()["retry_of"] == rid


def test_a_request_is_followed_canceled_and_run_again_on_its_page(
    somebody: Visitor, api: httpx.Client, stack: Stack
) -> None:
    page = somebody.page
    rid = submit(api, {"seen": "input of the test"})["id"]
    somebody.go(f"/requests/{rid}")
    expect(status(page)).to_have_text("Waiting")
    expect(page.locator("#input")).to_contain_text("input of the test")
    page.get_by_role("button", name="Cancel request").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel request").click()
    expect(status(page)).to_have_text("Canceled")
    page.get_by_role("link", name="Edit and run again").click()
    at(somebody, f"/spaces/demo?request={rid}")
    page.go_back()
    page.get_by_role("button", name="Retry").click()
    page.wait_for_url(lambda url: rid not in url)
    expect(status(page)).to_have_text("Waiting")
    with agent(stack, "echo", name="follower"):
        expect(status(page)).to_have_text("Succeeded")
        expect(page.locator("#output")).to_contain_text("input of the test")
        expect(page.get_by_role("button", name="Run again")).to_be_visible()
        expect(page.get_by_role("button", name="Cancel request")).to_be_hidden()
    events = page.locator(".steps tbody tr")
    expect(events).to_have_count(3)
    expect(events.nth(2)).to_contain_text("Succeeded")


def test_what_is_open_in_an_input_stays_open_while_the_request_waits(somebody: Visitor, api: httpx.Client) -> None:
    page = somebody.page
    rid = submit(api, {"outer": {"inner": {"deep": 1}}})["id"]
    somebody.go(f"/requests/{rid}")
    page.locator("#input summary").last.click()
    expect(page.locator("#input details").last).to_have_attribute("open", "")
    for _ in range(2):
        with page.expect_response(f"**/v1/requests/{rid}"):
            pass  # it is read again and again, for its place in the queue
    expect(page.locator("#input details").last).to_have_attribute("open", "")


def test_two_attempts_are_shown_to_scale_with_the_reason(
    somebody: Visitor, api: httpx.Client, stack: Stack, tmp_path: Path
) -> None:
    page = somebody.page
    tmp_path.chmod(0o777)
    rid = submit(api, {"directory": str(tmp_path)})["id"]
    somebody.go(f"/requests/{rid}")
    with agent(stack, "marked", name="lost") as process:
        expect(status(page)).to_have_text("Running")
        eventually((tmp_path / "started-1").exists, "the handler runs")
        kill_group(process)
    with agent(stack, "marked", name="lost"):
        eventually((tmp_path / "started-2").exists, "it runs again")
        lanes = page.locator(".lane")
        expect(lanes.filter(has_text="Attempt 1")).to_contain_text("The agent was lost.")
        expect(lanes.filter(has_text="Attempt 2")).to_contain_text("Running")
        (tmp_path / "go").touch()
        expect(status(page)).to_have_text("Succeeded")
    expect(lanes.filter(has_text="Attempt 2")).to_contain_text("Succeeded")
    log = api.get(f"/v1/requests/{rid}/log").json()["results"]
    assert [event["type"] for event in log] == ["accepted", "assigned", "requeued", "assigned", "succeeded"]
    instants = [nanoseconds(event["at"]) for event in log]
    part = [100 * (instant - instants[0]) / (instants[-1] - instants[0]) for instant in instants]
    for lane, (start, end) in (("Attempt 1", (part[1], part[2])), ("Attempt 2", (part[3], part[4]))):
        bar = lanes.filter(has_text=lane).locator(".held")
        x, width = (float(str(bar.get_attribute(name)).rstrip("%")) for name in ("x", "width"))
        assert x == pytest.approx(min(start, 99.4), abs=0.01)
        assert width == pytest.approx(max(end - start, 0.6), abs=0.02)
    steps = page.locator(".steps tbody tr")
    expect(steps).to_have_count(5)
    expect(steps.nth(2)).to_contain_text("Back in the queue")
    expect(steps.nth(2)).to_contain_text("The agent was lost. lost")
    page.get_by_text("Raw events", exact=True).last.click()
    events = page.locator("#events")
    expect(events.get_by_role("listitem")).to_have_count(5)
    events.get_by_text(" requeued ").click()
    expect(events).to_contain_text('reason: "agent_lost"')
    page.get_by_text("All as JSON").click()
    page.locator("#raw").get_by_role("button", name="Copy").click()
    expect(page.locator("#raw").get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert '"agent_lost"' in copied
    assert somebody.findings() == []


async def late_result(stack: Stack) -> str:
    """A request whose first agent was cut off for longer than the grace, and brought its result when another had run it."""
    directory = stack.home / "late"
    directory.mkdir()
    async with client(stack) as here, proxy(stack.ready.url) as network:
        with agent(stack, "marked", urls=[network.url], name="away"):
            rid = str((await here.submit({"directory": str(directory)}))["id"])
            await marker(directory / "started-1", "the first agent runs it")
            network.cut()
            with agent(stack, "marked", name="present"):
                await marker(directory / "started-2", "the second agent runs it")
                (directory / "go").touch()
                await here.finished(rid)

                async def has_a_result() -> bool:
                    return bool(spool(stack, "away"))

                await until(has_a_result, "the first one has a result, too")
                await network.restore()

                async def forgotten() -> bool:
                    return not spool(stack, "away")

                await until(forgotten, "it was told to forget it")
    return rid


def test_a_frame_that_came_too_late_is_marked_on_the_lane_of_its_attempt(browser: Browser, stack: Stack) -> None:
    with ThreadPoolExecutor(1) as elsewhere:
        rid = elsewhere.submit(lambda: asyncio.run(late_result(stack))).result()
    with visitor(browser, stack.ready.url) as root:
        page = root.page
        sign_in(root, stack)
        root.go(f"/requests/{rid}")
        expect(page.locator(".lane").filter(has_text="Attempt 1").locator(".mark.refused")).to_have_count(1)
        expect(page.locator(".lane").filter(has_text="Attempt 2").locator(".mark.refused")).to_have_count(0)
        late = page.locator(".steps tbody tr").filter(has_text="A late frame was refused")
        expect(late).to_contain_text("Something else had been recorded before. result away · Attempt 1")
        assert root.findings() == []


def test_output_log_and_progress_are_there_while_it_runs_and_afterwards(
    somebody: Visitor, api: httpx.Client, stack: Stack, tmp_path: Path
) -> None:
    page = somebody.page
    tmp_path.chmod(0o777)
    with agent(stack, "talking", name="talker"):
        rid = submit(api, {"directory": str(tmp_path)})["id"]
        somebody.go(f"/requests/{rid}")
        expect(page.locator("#output")).to_contain_text("20 21 22")
        expect(page.locator("#log")).to_contain_text("said 10")
        expect(page.locator("#said")).to_contain_text("10 said")
        (tmp_path / "go").touch()
        expect(status(page)).to_have_text("Succeeded")
    page.reload()
    expect(page.locator("#output")).to_contain_text("20 21 22")
    expect(page.locator("#log")).to_contain_text("said 10")
    expect(page.locator("#said")).to_contain_text("10 said")


def test_an_erased_request_shows_what_is_left_of_it(somebody: Visitor, api: httpx.Client, stack: Stack) -> None:
    page = somebody.page
    with agent(stack, "echo", name="forgetting"):
        rid = submit(api, {"secret": "to be forgotten"}, wait=30)["id"]
    somebody.go(f"/requests/{rid}")
    expect(page.locator("#output")).to_contain_text("to be forgotten")
    page.get_by_role("button", name="Erase data").click()
    page.get_by_role("dialog").get_by_role("button", name="Erase data").click()
    expect(page.get_by_text("The data of this request are erased")).to_be_visible()
    expect(page.locator(".steps tbody tr").last).to_contain_text("Data erased")
    expect(page.get_by_role("button", name="Run again")).to_be_hidden()
    expect(page.get_by_role("button", name="Erase data")).to_be_hidden()
    assert "forgotten" not in page.content()
    somebody.go("/requests")
    expect(row(page, rid)).to_contain_text("Succeeded")
    expect(row(page, rid).get_by_role("button")).to_have_count(0)


def test_the_request_of_another_is_not_there(somebody: Visitor, stack: Stack) -> None:
    rid = stack.submit({"n": 1}, wait=0)["id"]
    somebody.foresees(404)
    for path in (f"/requests/{rid}", "/requests/nonsense", f"/requests/{'0' * 34}"):
        somebody.go(path)
        expect(somebody.page.get_by_role("heading", name="There is nothing here")).to_be_visible()
    somebody.go("/requests")
    expect(somebody.page.get_by_role("heading", name="No requests yet")).to_be_visible()


def test_hostile_inputs_and_outputs_stay_text(somebody: Visitor, api: httpx.Client, stack: Stack) -> None:
    page = somebody.page
    hostile = {"text": HOSTILE, HOSTILE: [HOSTILE, "javascript:alert(3)", "data:text/html,<script>alert(4)</script>"]}
    with agent(stack, "echo", name="mirror"):
        rid = submit(api, hostile, wait=30)["id"]
    somebody.go(f"/requests/{rid}")
    for part in ("#input", "#output"):
        expect(page.locator(part)).to_contain_text("<script>alert(1)</script>")
        expect(page.locator(f"{part} a:not([download])")).to_have_count(0)
        expect(page.locator(f"{part} img")).to_have_count(0)
    with agent(stack, "refusing", module="tests.e2e.hostile_handlers", name="refusing"):
        rid = submit(api, {"say": HOSTILE}, wait=30)["id"]
    somebody.go(f"/requests/{rid}")
    expect(page.locator(".failure")).to_contain_text(HOSTILE)
    expect(page.locator(".steps")).to_contain_text(HOSTILE)
    page.get_by_text("Raw events", exact=True).last.click()
    expect(page.locator("#events-json")).to_contain_text("<script>alert(1)</script>")


def test_on_a_phone_in_chinese_list_and_request_are_within_reach(browser: Browser, stack: Stack) -> None:
    with visitor(browser, stack.ready.url, viewport=PHONE, locale="zh-CN", has_touch=True, is_mobile=True) as somebody:
        page = somebody.page
        somebody.go("/sign-up")
        page.get_by_label("电子邮箱").fill("phone@example.org")
        page.get_by_label("密码").fill("correct horse")
        page.get_by_role("button", name="注册").tap()
        page.wait_for_url("**/spaces")
        with calls_of(somebody) as api:
            rid = submit(api, {"prompt": "你好"})["id"]
        page.get_by_role("button", name="菜单").tap()
        page.get_by_role("link", name="请求").tap()
        expect(row(page, rid)).to_contain_text("排队")
        assert somebody.findings() == []
        assert not somebody.overflows()
        row(page, rid).get_by_role("link").first.tap()
        expect(page.get_by_role("heading", name=re.compile("^请求"))).to_be_visible()
        expect(page.locator("#input")).to_contain_text("你好")
        assert somebody.findings() == []
        assert not somebody.overflows()
        page.get_by_role("button", name="取消请求").tap()
        page.get_by_role("dialog").get_by_role("button", name="取消请求").tap()
        expect(status(page)).to_have_text("已取消")
