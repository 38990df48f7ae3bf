"""What an administrator does with users in the console, and what these notice of it, in real browsers on a whole stack."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import PHONE, Visitor, visitor
from tests.support.console import PASSWORD, at, fill_in, join, make_space, sign_in
from tests.support.stack import Stack


@pytest.fixture
def root(stack: Stack, browser: Browser) -> Iterator[Visitor]:
    """An administrator who is signed in."""
    with visitor(browser, stack.ready.url) as here:
        sign_in(here, stack)
        yield here


@pytest.fixture
def somebody(stack: Stack, browser: Browser) -> Iterator[Visitor]:
    with visitor(browser, stack.ready.url) as here:
        yield here


def make_user(root: Visitor, email: str) -> str:
    """The link that the page shows; it ends on the page of the user."""
    page = root.page
    page.get_by_role("link", name="Users", exact=True).click()
    page.get_by_role("link", name="New user").click()
    page.get_by_label("E-mail address").fill(email)
    page.get_by_role("button", name="Make user").click()
    expect(page.get_by_text("It is good until")).to_be_visible()
    link = page.locator("#password-link").inner_text()
    page.get_by_role("link", name="To the user").click()
    page.wait_for_url(re.compile("/users/[0-9a-f]{16}$"))
    expect(page.get_by_role("heading", name=email)).to_be_visible()
    assert link not in page.content()
    return link


def sign_in_by(link: str, somebody: Visitor, email: str) -> None:
    """Set the password by the link, and sign in with it."""
    page = somebody.page
    somebody.go(link.removeprefix(somebody.url))
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_role("button", name="Set password").click()
    page.get_by_role("link", name="Sign in").click()
    fill_in(page, email, PASSWORD)
    page.wait_for_url("**/spaces")


def confirm(page: Page, button: str) -> None:
    page.get_by_role("button", name=button).click()
    page.get_by_role("dialog").get_by_role("button", name=button).click()


def open_user(root: Visitor, email: str) -> None:
    root.go("/users")
    root.page.get_by_label("E-mail address").fill(email[:4].upper())
    root.page.get_by_role("button", name="Search").click()
    root.page.get_by_role("link", name=email).click()


def sentences(page: Page) -> list[str]:
    """Of the audit on the page, once it is there."""
    expect(page.locator("[data-looking]")).to_have_attribute("hidden", "")
    return page.locator(".sentence").all_inner_texts()


def test_a_user_is_made_signs_in_by_the_link_and_is_disabled_and_enabled(root: Visitor, somebody: Visitor) -> None:
    email = "ada@example.org"
    sign_in_by(make_user(root, email), somebody, email)
    somebody.foresees(401)
    confirm(root.page, "Disable")
    expect(root.page.get_by_text("disabled", exact=True)).to_be_visible()

    somebody.go("/keys")
    at(somebody, "/sign-in?next=%2Fkeys")
    expect(somebody.page.get_by_text("Your account is disabled, so you were signed out.")).to_be_visible()
    assert somebody.findings() == []
    fill_in(somebody.page, email, PASSWORD)
    expect(somebody.page.get_by_role("alert")).to_contain_text("or the user is disabled")

    confirm(root.page, "Enable")
    expect(root.page.get_by_role("button", name="Disable")).to_be_visible()
    fill_in(somebody.page, email, PASSWORD)
    at(somebody, "/keys")


def test_who_is_disabled_while_a_page_is_open_is_led_out_by_it(root: Visitor, somebody: Visitor) -> None:
    join(somebody, "open@example.org")
    somebody.page.get_by_role("link", name="Account").click()
    open_user(root, "open@example.org")
    confirm(root.page, "Disable")
    expect(root.page.get_by_role("button", name="Enable")).to_be_visible()
    somebody.foresees(401)
    somebody.page.get_by_label("Current password").fill(PASSWORD)
    somebody.page.get_by_label("New password").fill("battery staple")
    somebody.page.get_by_role("button", name="Change password").click()
    at(somebody, "/sign-in?next=%2Faccount")
    expect(somebody.page.get_by_text("Your account is disabled, so you were signed out.")).to_be_visible()


def test_a_role_is_in_effect_at_once_and_a_member_has_none_of_these_pages(root: Visitor, somebody: Visitor) -> None:
    join(somebody, "grace@example.org")
    navigation = somebody.page.get_by_role("navigation", name="Main")
    somebody.foresees(403)
    for path in ("/users", "/audit", "/users/new", "/users/0000000000000000"):
        somebody.go(path)
        expect(somebody.page.get_by_role("heading", name="You may not see this")).to_be_visible()
        expect(navigation.get_by_role("link", name="Users")).to_have_count(0)
        expect(navigation.get_by_role("link", name="Audit")).to_have_count(0)

    open_user(root, "grace@example.org")
    confirm(root.page, "Make an administrator")
    expect(root.page.get_by_role("button", name="Make a member")).to_be_visible()
    somebody.go("/users")
    expect(somebody.page.get_by_role("heading", name="Users")).to_be_visible()
    expect(navigation.get_by_role("link", name="Audit")).to_be_visible()
    somebody.page.get_by_role("link", name="grace@example.org").click()
    expect(somebody.page.get_by_text("Your own role and state are another administrator's to change.")).to_be_visible()
    expect(somebody.page.get_by_role("button", name="Disable")).to_have_count(0)

    confirm(root.page, "Make a member")
    expect(root.page.get_by_role("button", name="Make an administrator")).to_be_visible()
    somebody.go("/users")
    expect(somebody.page.get_by_role("heading", name="You may not see this")).to_be_visible()


def test_keys_and_spaces_of_a_user_are_shown_and_keys_revoked(root: Visitor, somebody: Visitor) -> None:
    email = "keys@example.org"
    join(somebody, email)
    make_space(somebody, "keyed")
    somebody.go("/keys/new")
    somebody.page.get_by_label("Name").fill("nightly <b>job</b>")
    somebody.page.get_by_role("button", name="Make key").click()
    expect(somebody.page.get_by_role("heading", name="Your new key")).to_be_visible()
    open_user(root, email)
    page = root.page
    expect(page.get_by_role("row", name="Space keyed")).to_contain_text("owner")
    row = page.get_by_role("row", name="nightly <b>job</b>")
    expect(row).to_contain_text("never")
    row.get_by_role("button", name="Revoke").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("They have no key.")).to_be_visible()
    admin = page.locator(".who .email").inner_text()
    assert sentences(page)[:3] == [
        f"{admin} revoked the key nightly <b>job</b> of {email}.",
        f"{email} made the API key nightly <b>job</b>.",
        f"{email} made the space Space keyed.",
    ]
    page.get_by_role("link", name="All that they did").click()
    expect(page.get_by_label("Done by")).to_have_value(re.compile("[0-9a-f]{16}"))
    assert sentences(page)[-1] == f"{email} signed up."


def test_the_audit_tells_who_did_what_and_leads_there(root: Visitor, somebody: Visitor) -> None:
    email = "told@example.org"
    sign_in_by(make_user(root, email), somebody, email)
    somebody.foresees(401)  # its page looks for news while its user is disabled
    open_user(root, email)
    for button, then in (("Make an administrator", "Make a member"), ("Disable", "Enable"), ("Enable", "Disable")):
        confirm(root.page, button)
        expect(root.page.get_by_role("button", name=then)).to_be_visible()
    page = root.page
    page.get_by_role("link", name="Audit").click()
    admin = page.locator(".who .email").inner_text()
    assert sentences(page)[:6] == [
        f"{admin} enabled the user {email}.",
        f"{admin} disabled the user {email}.",
        f"{admin} made {email} an administrator.",
        f"{email} changed their password.",
        f"{admin} made a password link for {email}.",
        f"{admin} made the user {email}.",
    ]
    first = page.get_by_role("listitem").filter(has_text="enabled the user").first
    expect(first.locator("time")).to_have_attribute("datetime", re.compile(r"^\d{4}-.*Z$"))
    first.get_by_text("Raw event").click()
    expect(first.locator("pre")).to_contain_text('"type": "user_enabled"')
    made = page.get_by_role("listitem").filter(has_text="made a password link").first
    made.get_by_text("Raw event").click()
    assert "hash" not in made.locator("pre").inner_text()
    assert root.findings() == []

    page.get_by_text("Filter", exact=True).click()
    page.get_by_label("Concerns the user").fill(email)
    page.get_by_label("What", exact=True).select_option("User disabled")
    page.get_by_role("button", name="Show", exact=True).click()
    assert sentences(page) == [f"{admin} disabled the user {email}."]
    page.get_by_label("From").fill("2001-01-01")
    page.get_by_label("Up to").fill("2001-01-02")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.get_by_text("Nothing like that was done.")).to_be_visible()
    page.get_by_label("Concerns the user").fill("nobody@example.org")
    root.foresees(404)
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("There is no such user.")
    page.get_by_role("link", name="Show all").click()
    page.get_by_role("link", name=email).first.click()
    expect(page.get_by_role("heading", name=email)).to_be_visible()


def test_the_audit_goes_back_as_far_as_somebody_wants_to_look(root: Visitor) -> None:
    page = root.page
    root.go("/spaces")
    make_space(root, "paused")
    root.go("/spaces/paused/agents")
    for _ in range(11):
        confirm(page, "Pause")
        expect(page.get_by_role("button", name="Resume")).to_be_visible()
        confirm(page, "Resume")
        expect(page.get_by_role("button", name="Pause")).to_be_visible()
    root.go("/audit?space=paused")
    assert len(sentences(page)) == 20
    page.get_by_role("button", name="Show what was done earlier").click()
    expect(page.locator(".sentence")).to_have_count(23)
    expect(page.get_by_role("button", name="Show what was done earlier")).to_be_hidden()
    expect(page.locator(".done-row").nth(20)).to_be_focused()
    assert page.locator(".sentence").last.inner_text().endswith("made the space Space paused.")


def test_an_address_that_is_taken_is_said_beside_the_form(root: Visitor, somebody: Visitor) -> None:
    join(somebody, "taken@example.org")
    root.go("/users/new")
    root.foresees(409)
    root.page.get_by_label("E-mail address").fill("Taken@example.org")
    root.page.get_by_role("button", name="Make user").click()
    expect(root.page.get_by_role("alert")).to_have_text("Somebody has an account with this address already.")


def test_in_chinese_on_a_phone_users_are_managed_and_a_live_page_leads_out(
    browser: Browser, stack: Stack, somebody: Visitor
) -> None:
    join(somebody, "li@example.org")
    somebody.foresees(401)
    phone = {"viewport": PHONE, "locale": "zh-CN", "has_touch": True, "is_mobile": True}
    with visitor(browser, stack.ready.url, **phone) as here:
        page = here.page
        here.go("/sign-in")
        page.get_by_label("电子邮箱").fill(stack.ready.admin.email)
        page.get_by_label("密码").fill(stack.ready.admin.password)
        page.get_by_role("button", name="登录").tap()
        page.wait_for_url("**/spaces")
        page.get_by_role("button", name="菜单").tap()
        page.get_by_role("link", name="用户").tap()
        page.get_by_role("link", name="li@example.org").tap()
        page.get_by_role("button", name="停用").tap()
        page.get_by_role("dialog").get_by_role("button", name="停用").tap()
        expect(page.get_by_text("已停用", exact=True)).to_be_visible()
        at(somebody, "/sign-in?next=%2Fspaces")
        expect(page.locator(".sentence").first).to_have_text(f"{stack.ready.admin.email} 停用了用户 li@example.org。")
        page.get_by_role("button", name="菜单").tap()
        page.get_by_role("link", name="审计").tap()
        expect(page.locator(".sentence").first).to_have_text(f"{stack.ready.admin.email} 停用了用户 li@example.org。")
        assert not here.overflows()
        assert here.findings() == []
