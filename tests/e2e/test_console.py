"""What people do with the console, in a real browser, on a whole stack."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import PHONE, Visitor, visitor
from tests.support.console import PASSWORD, agent_as_told, at, calls_of, fill_in, join, make_space, without
from tests.support.stack import ANSWER_S, Stack

NEW_PASSWORD = "battery staple"


@pytest.fixture
def somebody(stack: Stack, browser: Browser) -> Iterator[Visitor]:
    with visitor(browser, stack.ready.url, permissions=["clipboard-read", "clipboard-write"]) as here:
        yield here


def test_who_signs_up_makes_a_key_and_signs_out_and_in(somebody: Visitor, stack: Stack) -> None:
    page = somebody.page
    join(somebody, "ada@example.org")
    page.get_by_role("link", name="API keys").click()
    page.get_by_role("link", name="Make the first key").click()
    page.get_by_label("Name").fill("nightly")
    page.get_by_label("Expires").select_option("In 30 days")
    page.get_by_role("button", name="Make key").click()
    secret = page.locator("#secret")
    expect(secret).to_have_text(re.compile("wsk_[0-9a-f]{40}"))
    key = secret.inner_text()
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == key
    with httpx.Client(base_url=stack.ready.url, headers={"Authorization": f"Bearer {key}"}, timeout=ANSWER_S) as theirs:
        assert theirs.get("/v1/users/me").json()["email"] == "ada@example.org"
    page.get_by_role("link", name="Done").click()
    row = page.get_by_role("row", name="nightly")
    expect(row).to_contain_text("submit read")
    assert key not in page.content()

    row.get_by_role("button", name="Revoke").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(page.get_by_role("heading", name="No keys yet")).to_be_visible()
    with httpx.Client(base_url=stack.ready.url, headers={"Authorization": f"Bearer {key}"}, timeout=ANSWER_S) as theirs:
        assert theirs.get("/v1/users/me").status_code == 401

    page.get_by_role("button", name="Sign out").click()
    at(somebody, "/sign-in")
    somebody.go("/keys")
    at(somebody, "/sign-in?next=%2Fkeys")
    somebody.foresees(401)
    fill_in(page, "ada@example.org", "wrong password")
    expect(page.get_by_role("alert")).to_have_text(re.compile("The e-mail address or the password is wrong"))
    fill_in(page, "ada@example.org", PASSWORD)
    at(somebody, "/keys")


def test_flaws_stand_beside_their_fields(somebody: Visitor) -> None:
    page = somebody.page
    somebody.go("/sign-up")
    fill_in(page, "no address", "short", "Sign up")
    expect(page.get_by_text("This is no e-mail address.")).to_be_visible()
    expect(page.get_by_text("At least 8 characters.")).to_be_visible()
    expect(page.get_by_label("E-mail address")).to_be_focused()
    expect(page.get_by_label("E-mail address")).to_have_accessible_description("This is no e-mail address.")
    join(somebody, "flaws@example.org")
    somebody.go("/keys/new")
    page.get_by_label("Name").fill("pages")
    page.get_by_text("For web pages of others").click()
    page.get_by_label("Origins").fill("https://example.org")
    somebody.foresees(422)
    page.get_by_role("button", name="Make key").click()
    expect(page.locator("#origins-flaw")).to_contain_text("has origins")
    expect(page.get_by_label("Origins")).to_have_attribute("aria-invalid", "true")


def test_what_is_typed_before_the_scripts_run_gets_into_no_address(browser: Browser, stack: Stack) -> None:
    with visitor(browser, stack.ready.url, uncomplaining=False) as early:
        early.page.route("**/*.js", lambda route: route.abort())
        for path, button in (("/sign-in", "Sign in"), ("/sign-up", "Sign up")):
            early.go(path)
            with early.page.expect_request(lambda request: request.is_navigation_request()) as sent:
                fill_in(early.page, "early@example.org", PASSWORD, button)
            assert (sent.value.method, sent.value.url) == ("POST", early.url + path)


def test_who_signs_up_makes_a_space_connects_an_agent_and_is_answered(somebody: Visitor, tmp_path: Path) -> None:
    page = somebody.page
    join(somebody, "grace@example.org")
    make_space(somebody, "compiler")
    state = page.locator("[data-state]")
    expect(state).to_have_text("No agent")
    page.get_by_role("link", name="Connect an agent").click()
    page.get_by_role("button", name="Make an agent key").click()
    command = page.locator("#command")
    expect(command).to_contain_text("spaces-agent run --url")
    expect(page.get_by_text("Waiting for the agent …")).to_be_visible()
    with agent_as_told(command.inner_text(), tmp_path):
        expect(page.locator("#connected")).to_contain_text("Connected: ")
        expect(state).to_have_text("Ready")
        expect(page.get_by_role("row", name="agent-")).to_contain_text("0 / 1")
        page.get_by_role("navigation", name="Pages of the space").get_by_role("link", name="Use").click()
        expect(page.locator("[data-state-name]")).to_have_text("Ready")
        page.locator("#input-json").fill('{"prompt": "the first request"}')
        page.get_by_role("button", name="Submit", exact=True).click()
        expect(page.locator("#status")).to_have_text("Succeeded")
        expect(page.locator("#output")).to_contain_text("the first request")
        page.get_by_role("link", name="Spaces").first.click()
        card = page.get_by_role("listitem").filter(has_text="Space compiler")
        expect(card.locator("[data-state]")).to_have_text("Ready")
        expect(card.locator("[data-number=agents]")).to_have_text("1")
    expect(card.locator("[data-state]")).to_have_text("No agent")


def test_a_space_is_edited_paused_and_deleted(somebody: Visitor) -> None:
    page = somebody.page
    join(somebody, "edith@example.org")
    make_space(somebody, "edited")
    page.get_by_role("link", name="Settings").click()
    page.get_by_label("Title").fill("Another <b>title</b>")
    page.get_by_label("Audio").check()
    page.get_by_label("Queue limit").fill("-1")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("At least 0.")).to_be_visible()
    page.get_by_label("Queue limit").fill("7")
    page.get_by_label("Running at once").fill("2")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Another <b>title</b>")).to_be_visible()
    page.get_by_role("navigation", name="Pages of the space").get_by_role("link", name="Agents").click()
    for does, then, state in (("Pause", "Resume", "Paused"), ("Disable", "Enable", "Disabled")):
        page.get_by_role("button", name=does).click()
        expect(page.get_by_role("dialog").get_by_role("button", name="Cancel")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.get_by_role("button", name=does)).to_be_focused()
        page.get_by_role("button", name=does).click()
        page.get_by_role("dialog").get_by_role("button", name=does).click()
        expect(page.get_by_role("button", name=then)).to_be_visible()
        expect(page.locator("[data-state]")).to_have_text(state)
    page.get_by_role("link", name="Settings").click()
    expect(page.get_by_label("Audio")).to_be_checked()
    expect(page.get_by_label("Queue limit")).to_have_value("7")
    expect(page.get_by_label("Data are kept")).to_have_value("")
    expect(page.get_by_label("Running at once")).to_have_value("2")
    page.get_by_label("Running at once").fill("")
    page.get_by_role("button", name="Save").click()
    at(somebody, "/spaces/edited")
    page.get_by_role("link", name="Settings").click()
    expect(page.get_by_label("Running at once")).to_have_value("")
    page.get_by_role("button", name="Purge the queue").click()
    page.get_by_role("dialog").get_by_role("button", name="Purge the queue").click()
    at(somebody, "/spaces/edited")
    page.get_by_role("link", name="Settings").click()
    page.get_by_role("button", name="Delete the space").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Its name, to be sure").fill("other")
    dialog.get_by_role("button", name="Delete the space").click()
    expect(dialog.get_by_text("That is not its name.")).to_be_visible()
    dialog.get_by_label("Its name, to be sure").fill("edited")
    dialog.get_by_role("button", name="Delete the space").click()
    at(somebody, "/spaces")
    expect(page.get_by_text("Another <b>title</b>")).to_have_count(0)


def test_a_member_sees_a_private_space_until_removed(browser: Browser, stack: Stack) -> None:
    with visitor(browser, stack.ready.url) as owner, visitor(browser, stack.ready.url) as member:
        join(owner, "owner@example.org")
        make_space(owner, "secret")
        owner.go("/spaces/secret/settings")
        owner.page.get_by_role("radio", name="Members").check()
        owner.page.get_by_role("button", name="Save").click()
        expect(owner.page.get_by_text("private")).to_be_visible()
        join(member, "member@example.org")
        member.foresees(404)
        member.go("/spaces/secret")
        expect(member.page.get_by_role("heading", name="There is nothing here")).to_be_visible()

        owner.page.get_by_role("link", name="Members").click()
        owner.foresees(404)
        added = "member@example.org"
        for user, told in (("nobody@example.org", "Nobody has an account with this address."), (added, added)):
            owner.page.get_by_label("E-mail address").fill(user)
            owner.page.get_by_role("radio", name="viewer").check()
            owner.page.get_by_role("button", name="Set role").click()
            expect(owner.page.get_by_text(told, exact=True)).to_be_visible()
        member.go("/spaces/secret")
        expect(member.page.get_by_role("heading", name="Space secret")).to_be_visible()
        expect(member.page.get_by_role("link", name="Settings")).to_have_count(0)
        owner.page.get_by_role("button", name="Remove").click()
        owner.page.get_by_role("dialog").get_by_role("button", name="Remove").click()
        expect(owner.page.get_by_text("member@example.org", exact=True)).to_have_count(0)
        member.go("/spaces")
        expect(member.page.get_by_text("Space secret")).to_have_count(0)


def test_a_password_is_changed_and_set_by_a_link(somebody: Visitor, stack: Stack) -> None:
    page = somebody.page
    join(somebody, "pass@example.org")
    page.get_by_role("link", name="Account").click()
    somebody.foresees(403)
    for current, told in (("wrong password", "The current password is wrong."), (PASSWORD, "Your password is changed.")):
        page.get_by_label("Current password").fill(current)
        page.get_by_label("New password").fill(NEW_PASSWORD)
        page.get_by_role("button", name="Change password").click()
        expect(page.get_by_text(told)).to_be_visible()
    with stack.calls() as http:
        user = next(user for user in http.get("/v1/users").json()["results"] if user["email"] == "pass@example.org")
        link = http.post(f"/v1/users/{user['id']}/password-reset").json()["url"]
    somebody.go(link.removeprefix(somebody.url))
    page.get_by_role("link", name="中文").click()
    page.get_by_label("新密码").fill(PASSWORD)
    page.get_by_role("button", name="设置密码").click()
    expect(page.get_by_text("密码已设置。")).to_be_visible()
    somebody.go("/password-reset?lang=en")
    expect(page.get_by_text("This link is incomplete.")).to_be_visible()
    somebody.go("/sign-in")
    fill_in(page, "pass@example.org", PASSWORD)
    at(somebody, "/spaces")


def test_a_newer_password_link_opens_where_an_older_one_was(somebody: Visitor, stack: Stack) -> None:
    page = somebody.page
    headers = {"Authorization": f"Bearer {stack.ready.api_key}"}
    with httpx.Client(base_url=stack.ready.url, headers=headers, timeout=ANSWER_S) as http:
        user = http.post("/v1/users/sign-up", json={"email": "twice-reset@example.org", "password": PASSWORD}).json()
        links = [http.post(f"/v1/users/{user['id']}/password-reset").json()["url"] for _ in range(2)]
    somebody.foresees(404)
    old, new = (link.partition("#")[2] for link in links)
    somebody.go(links[0].removeprefix(somebody.url))
    for token, told in ((old, "This link is not good any more"), (new, "Your password is set.")):
        if token == new:  # what follows the `#` alone makes no other page
            with page.expect_event("load"):
                page.evaluate("token => { location.hash = token; }", token)
        expect(page.locator("[name=token]")).to_have_value(token)
        page.get_by_label("New password").fill(NEW_PASSWORD)
        page.get_by_role("button", name="Set password").click()
        expect(page.get_by_text(told)).to_be_visible()


def test_who_is_signed_out_elsewhere_signs_in_and_comes_back(somebody: Visitor) -> None:
    page = somebody.page
    join(somebody, "twice@example.org")
    somebody.go("/keys/new?kind=api")
    with calls_of(somebody) as http:
        assert http.delete("/v1/session").status_code == 204
    page.get_by_label("Name").fill("late")
    somebody.foresees(401)
    page.get_by_role("button", name="Make key").click()
    at(somebody, "/sign-in?next=%2Fkeys%2Fnew%3Fkind%3Dapi")
    fill_in(page, "twice@example.org", PASSWORD)
    at(somebody, "/keys/new?kind=api")


def test_who_signs_in_again_in_another_window_goes_on_in_this_one(somebody: Visitor) -> None:
    page, elsewhere = somebody.page, somebody.context.new_page()
    join(somebody, "windows@example.org")

    def make_key() -> None:
        page.get_by_label("Name").fill("late")
        page.get_by_role("button", name="Make key").click()

    def sign_out() -> None:
        elsewhere.goto(f"{somebody.url}/account")
        elsewhere.get_by_role("button", name="Sign out").click()
        elsewhere.wait_for_url("**/sign-in")

    somebody.foresees(403)
    somebody.go("/keys/new")
    sign_out()
    fill_in(elsewhere, "windows@example.org", PASSWORD)
    elsewhere.wait_for_url("**/spaces")
    make_key()
    expect(page.get_by_role("heading", name="Your new key")).to_be_visible()
    somebody.go("/keys/new")
    sign_out()
    elsewhere.goto(f"{somebody.url}/sign-up")
    fill_in(elsewhere, "doors@example.org", PASSWORD, "Sign up")
    elsewhere.wait_for_url("**/spaces")
    make_key()
    expect(page.locator(".who .email")).to_have_text("doors@example.org")
    expect(page.get_by_label("Name")).to_have_value("")


def test_while_a_service_is_away_the_page_says_so_and_goes_on_by_itself(browser: Browser, stack: Stack) -> None:
    with visitor(browser, stack.ready.url, uncomplaining=False) as somebody:
        page = somebody.page
        join(somebody, "away@example.org")
        make_space(somebody, "away")
        page.get_by_role("navigation", name="Pages of the space").get_by_role("link", name="Agents").click()
        expect(page.locator("[data-state]")).to_have_text("No agent")
        with without(stack, "registry"):
            page.get_by_role("button", name="Make an agent key").click()
            expect(page.get_by_role("alert")).to_contain_text("A service that is needed does not answer.")
        page.get_by_role("button", name="Make an agent key").click()
        expect(page.locator("#command")).to_contain_text("wsa_")
        with without(stack, "gateway"):
            expect(page.locator("[data-state]")).to_have_text("No answer")
            page.get_by_role("button", name="Pause").click()
            page.get_by_role("dialog").get_by_role("button", name="Pause").click()
            expect(page.get_by_role("alert")).to_contain_text("The gateway cannot be reached.")
        expect(page.locator("[data-state]")).to_have_text("No agent")
        page.get_by_role("dialog").get_by_role("button", name="Pause").click()
        expect(page.locator("[data-state]")).to_have_text("Paused")


def test_on_a_phone_in_chinese_everything_is_within_reach(browser: Browser, stack: Stack) -> None:
    with visitor(browser, stack.ready.url, viewport=PHONE, locale="zh-CN", has_touch=True, is_mobile=True) as somebody:
        page = somebody.page
        somebody.go("/")
        page.get_by_role("link", name="注册").tap()
        page.get_by_label("电子邮箱").fill("li@example.org")
        page.get_by_label("密码").fill(PASSWORD)
        page.get_by_role("button", name="注册").tap()
        page.wait_for_url("**/spaces")
        expect(page.get_by_role("link", name="API 密钥")).to_be_hidden()
        page.get_by_role("button", name="菜单").tap()
        assert somebody.findings() == []
        page.get_by_role("link", name="API 密钥").tap()
        expect(page.get_by_role("heading", name="还没有密钥")).to_be_visible()
        page.get_by_role("button", name="菜单").tap()
        page.get_by_role("button", name="切换浅色与深色").tap()
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        page.reload()
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        assert not somebody.overflows()
