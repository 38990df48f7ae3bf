"""The console's pages of agents and their connections, with real agents."""

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Locator, expect
from websockets.exceptions import ConnectionClosedOK
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from spaces_agent import frames
from tests.support.browser import PHONE, Visitor, visitor
from tests.support.console import PASSWORD, at, fill_in, without
from tests.support.stack import ANSWER_S, Stack, eventually
from tests.support.world import agent


class Owner:
    """Somebody with a space of their own, and a key for its agents."""

    def __init__(self, stack: Stack, name: str) -> None:
        self.stack, self.name = stack, name
        self.email, self.space = f"{name}@example.org", f"space-of-{name}"
        admin = stack.calls()
        with admin:
            self.id = _made(admin, "users", {"email": self.email, "password": PASSWORD})["id"]
            _made(admin, "spaces", {"id": self.space, "owner": self.id})
            key: dict[str, object] = {"name": "x", "user": self.id, "spaces": [self.space]}
            self.agent_key = _made(admin, "keys", {**key, "kind": "agent"})["secret"]
            self.key = _made(admin, "keys", key)["secret"]

    @contextlib.contextmanager
    def agent(self, name: str, handler: str = "marked", slots: int = 2) -> Iterator[subprocess.Popen[bytes]]:
        with agent(self.stack, handler, name=name, spaces=[self.space], key=self.agent_key, slots=slots) as process:
            yield process

    def submit(self, directory: Path) -> str:
        """A request that runs until the directory has `go`."""
        url = f"{self.stack.ready.url}/v1/spaces/{self.space}/requests"
        sent = httpx.post(url, json={"input": {"directory": str(directory)}}, headers=self._headers, timeout=ANSWER_S)
        assert sent.status_code == 202, sent.text
        return str(sent.json()["id"])

    def ended(self, rid: str) -> dict[str, object]:
        """The request, once it has ended."""

        def done() -> dict[str, object] | None:
            read = httpx.get(f"{self.stack.ready.url}/v1/requests/{rid}", headers=self._headers, timeout=ANSWER_S).json()
            return dict(read) if read["done"] else None

        return eventually(done, f"{rid} has ended")

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


def _made(client: httpx.Client, what: str, body: dict[str, object]) -> dict[str, str]:
    answer = client.post(f"/v1/{what}", json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


@pytest.fixture
def somebody(stack: Stack, browser: Browser) -> Iterator[Visitor]:
    with visitor(browser, stack.ready.url) as here:
        yield here


def enter(somebody: Visitor, email: str, password: str = PASSWORD) -> None:
    somebody.go("/sign-in?next=/agents")
    fill_in(somebody.page, email, password)
    at(somebody, "/agents")


def row(somebody: Visitor, name: str) -> Locator:
    return somebody.page.locator("#agents tbody tr").filter(has=somebody.page.get_by_role("link", name=name, exact=True))


def confirm(somebody: Visitor, within: Locator, deed: str) -> None:
    within.get_by_role("button", name=deed).click()
    dialog = somebody.page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    dialog.get_by_role("button", name=deed, exact=True).click()
    expect(dialog).to_have_count(0)


def test_an_agent_appears_by_itself_shows_what_it_does_and_is_drained(
    somebody: Visitor, stack: Stack, tmp_path: Path
) -> None:
    page, ada = somebody.page, Owner(stack, "ada")
    enter(somebody, ada.email)
    expect(page.get_by_role("heading", name="No agent is connected")).to_be_visible()
    assert somebody.findings() == []
    with ada.agent("gpu-1") as process:
        here = row(somebody, "gpu-1")
        expect(here.locator("[data-cell=state]")).to_have_text("ready")
        expect(page.locator("#news")).to_have_text("gpu-1 is connected.")
        cells: dict[str, str | re.Pattern[str]] = {"slots": "0 / 2", "trip": re.compile(r"\d ms"), "address": "127.0.0.1"}
        for cell, text in cells.items():
            expect(here.locator(f"[data-cell={cell}]")).to_have_text(text)
        expect(here.locator("[data-cell=since]")).to_have_text(re.compile(r"for \d+"))
        rid = ada.submit(tmp_path)
        expect(here.locator("[data-cell=slots]")).to_have_text("1 / 2")
        expect(page.locator("[data-total=slots]")).to_have_text("1 / 2")

        here.get_by_role("link", name="gpu-1", exact=True).click()
        at(somebody, f"/agents/{ada.id}/gpu-1")
        held = page.locator("#held tbody tr")
        expect(held.get_by_role("link", name=rid)).to_have_attribute("href", f"/requests/{rid}")
        expect(held.locator("[data-cell=state]")).to_have_text("running")
        assert somebody.findings() == []
        (tmp_path / "go").touch()
        expect(page.get_by_text("Nothing: all its slots are free.")).to_be_visible()
        expect(page.locator("#last tbody tr").filter(has_text=rid)).to_contain_text("Succeeded")
        page.get_by_role("link", name="Agents", exact=True).first.click()
        confirm(somebody, row(somebody, "gpu-1"), "Drain")
        expect(here.locator("[data-cell=state]")).to_have_text("gone")
        expect(here).to_contain_text("The agent ended.")
        expect(here.get_by_role("button", name="Drain")).to_be_hidden()
        assert process.wait(30) == 0


def test_an_agent_that_is_disconnected_comes_back_and_its_history_says_why(
    somebody: Visitor, stack: Stack, tmp_path: Path
) -> None:
    page, grace = somebody.page, Owner(stack, "grace")
    with grace.agent("gpu-2"):
        enter(somebody, grace.email)
        rid = grace.submit(tmp_path)
        here = row(somebody, "gpu-2")
        expect(here.locator("[data-cell=slots]")).to_have_text("1 / 2")
        confirm(somebody, here, "Disconnect")
        expect(here).to_contain_text("Reconnected: Somebody disconnected it.")
        expect(here.locator("[data-cell=slots]")).to_have_text("1 / 2")
        here.get_by_role("link", name="gpu-2", exact=True).click()
        page.get_by_role("link", name="All of them").click()
        at(somebody, f"/connections?agent={grace.id}/gpu-2")
        rows = page.locator("#connections tbody tr")
        expect(rows).to_have_count(2)
        lasting, over = rows.all()
        expect(lasting.locator("[data-cell=lasts]")).to_be_visible()
        expect(over).to_contain_text("Somebody disconnected it.")
        expect(over).to_contain_text("It comes back by itself.")
        (tmp_path / "go").touch()
        assert grace.ended(rid)["attempt"] == 1, "what it ran went on"


def test_an_agent_that_is_killed_goes_with_a_reason_and_returns(somebody: Visitor, stack: Stack) -> None:
    page, edith = somebody.page, Owner(stack, "edith")
    enter(somebody, edith.email)
    with edith.agent("gpu-3") as process:
        here = row(somebody, "gpu-3")
        expect(here.locator("[data-cell=state]")).to_have_text("ready")
        os.killpg(process.pid, signal.SIGKILL)
        expect(here.locator("[data-cell=state]")).to_have_text("gone")
        expect(here).to_contain_text("The connection broke off.")
        expect(page.locator("#news")).to_contain_text("is gone. The connection broke off.")
    somebody.foresees(404)  # it may be gone before its history says so
    with edith.agent("gpu-3"):
        expect(here.locator("[data-cell=state]")).to_have_text("ready")
        somebody.go(f"/agents/{edith.id}/gpu-3")
        expect(page.locator("#agent > .head [data-cell=state]")).to_have_text("ready")
        expect(page.locator("#connections tbody tr")).to_have_count(2)
    expect(page.locator("#agent > .head [data-cell=state]")).to_have_text("not connected")
    expect(page.locator("[data-cell=why]")).to_contain_text("The connection broke off.")


def test_people_see_their_own_agents_and_administrators_all(somebody: Visitor, stack: Stack, browser: Browser) -> None:
    one, other = Owner(stack, "one"), Owner(stack, "other")
    with one.agent("of-one"), other.agent("of-other"):
        enter(somebody, one.email)
        expect(row(somebody, "of-one")).to_be_visible()
        expect(row(somebody, "of-other")).to_have_count(0)
        somebody.foresees(404)
        somebody.go(f"/agents/{other.id}/of-other")
        expect(somebody.page.get_by_role("heading", name="There is nothing here")).to_be_visible()
        somebody.go("/connections")
        expect(somebody.page.locator("#connections tbody tr")).to_have_count(1)
        with visitor(browser, stack.ready.url) as administrator:
            enter(administrator, stack.ready.admin.email, stack.ready.admin.password)
            for owner, name in ((one, "of-one"), (other, "of-other")):
                expect(row(administrator, name).locator("[data-cell=owner]")).to_have_text(owner.email)


def come_and_go(owner: Owner, name: str) -> None:
    """A connection that an agent makes, and ends in order."""
    url = owner.stack.ready.url.replace("http://", "ws://") + frames.CONNECT_PATH
    headers = {"Authorization": f"Bearer {owner.agent_key}"}
    with connect(url, subprotocols=[Subprotocol(frames.SUBPROTOCOL)], additional_headers=headers) as socket:
        hello = frames.Hello(agent_id=name, boot_id=name, spaces=[owner.space], slots=1)
        socket.send(frames.encode(hello), text=True)
        assert isinstance(frames.decode_gateway_frame(socket.recv()), frames.Welcome)
        socket.send(frames.encode(frames.Goodbye()), text=True)
        with pytest.raises(ConnectionClosedOK):
            socket.recv()


def test_the_history_is_read_page_by_page_and_by_space(somebody: Visitor, stack: Stack) -> None:
    page, many = somebody.page, Owner(stack, "many")
    for number in range(21):
        come_and_go(many, f"one-of-many-{number}")
    enter(somebody, many.email)
    page.get_by_role("link", name="Connections").click()
    rows = page.locator("#connections tbody tr")
    expect(rows).to_have_count(20)
    page.get_by_role("link", name="Older").click()
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("one-of-many-0")
    expect(rows).to_contain_text("The agent ended.")
    expect(page.get_by_role("link", name="Older")).to_be_hidden()
    page.get_by_role("link", name="Newer").click()
    expect(rows).to_have_count(20)
    page.get_by_label("Space").select_option(many.space)
    page.get_by_role("button", name="Show").click()
    at(somebody, f"/connections?agent=&space={many.space}")
    expect(rows).to_have_count(20)
    page.get_by_label("Agent", exact=True).fill(f"{many.id}/one-of-many-7")
    page.get_by_role("button", name="Show").click()
    expect(rows).to_have_count(1)
    page.get_by_label("Agent", exact=True).fill("nobody/at-all")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("heading", name="Nothing fits these filters")).to_be_visible()


def test_while_the_registry_is_away_the_page_says_so_and_keeps_what_it_shows(browser: Browser, stack: Stack) -> None:
    calm = Owner(stack, "calm")
    with visitor(browser, stack.ready.url, uncomplaining=False) as somebody, calm.agent("steady"):
        enter(somebody, calm.email)
        expect(row(somebody, "steady")).to_be_visible()
        with without(stack, "registry"):
            expect(somebody.page.get_by_text("cannot be seen right now")).to_be_visible()
            expect(row(somebody, "steady").locator("[data-cell=state]")).to_have_text("ready")
        expect(somebody.page.get_by_text("cannot be seen right now")).to_be_hidden()
        expect(row(somebody, "steady").locator("[data-cell=state]")).to_have_text("ready")


def test_on_a_phone_in_chinese_agents_are_within_reach(browser: Browser, stack: Stack) -> None:
    li = Owner(stack, "li")
    with (
        visitor(browser, stack.ready.url, viewport=PHONE, locale="zh-CN", has_touch=True, is_mobile=True) as somebody,
        li.agent("gpu-9"),
    ):
        page = somebody.page
        somebody.go("/sign-in?next=/agents")
        page.get_by_label("电子邮箱").fill(li.email)
        page.get_by_label("密码").fill(PASSWORD)
        page.get_by_role("button", name="登录").tap()
        at(somebody, "/agents")
        here = row(somebody, "gpu-9")
        expect(here.locator("[data-cell=state]")).to_have_text("就绪")
        assert somebody.findings() == []
        assert not somebody.overflows()
        here.get_by_role("button", name="断开连接").tap()
        page.get_by_role("dialog").get_by_role("button", name="断开连接").tap()
        expect(here).to_contain_text("有人断开了它的连接。")
        page.get_by_role("link", name="连接记录").tap()
        expect(page.locator("#connections tbody tr")).to_have_count(2)
        assert somebody.findings() == []
        assert not somebody.overflows()
