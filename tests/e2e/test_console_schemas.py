"""Writing what a space's inputs are, with the form that it makes beside it, in a real browser."""

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, FilePayload, Locator, Page, expect

from tests.support.browser import PHONE, Visitor, visitor
from tests.support.console import at, without
from tests.support.stack import ANSWER_S, Stack

SCHEMA = """{
  "type": "object",
  "required": ["word"],
  "properties": {
    "word": {"type": "string", "title": "Word"},
    "often": {"type": "integer", "title": "Often"}
  }
}"""
BIG = 123456789012345678901


@pytest.fixture
def somebody(stack: Stack, browser: Browser, signed_in: dict[str, Any]) -> Iterator[Visitor]:
    with visitor(browser, stack.ready.url, storage_state=signed_in) as here:
        yield here


def made(http: httpx.Client, id: str, **settings: Any) -> str:
    answer = http.post("/v1/spaces", json={"id": id, **settings})
    assert answer.status_code == 201, answer.text
    return f"/spaces/{id}/settings"


def trial(page: Page) -> Locator:
    return page.get_by_role("region", name="The form for it")


def save(page: Page) -> None:
    page.get_by_role("button", name="Save").click()


def test_the_form_follows_the_switches(somebody: Visitor) -> None:
    page = somebody.page
    somebody.go("/new-space")
    form = trial(page)
    expect(form.get_by_label("Input, as JSON")).to_be_visible()
    page.get_by_role("checkbox", name="Prompt").check()
    expect(form.get_by_role("textbox", name="Prompt")).to_be_visible()
    expect(form.get_by_role("status").first).to_have_text("The form is up to date.")
    page.get_by_role("checkbox", name="Audio").check()
    expect(form.get_by_role("group", name="Audio")).to_be_visible()
    page.get_by_role("checkbox", name="Prompt").uncheck()
    expect(form.get_by_role("textbox", name="Prompt")).to_have_count(0)
    sound: FilePayload = {"name": "a.wav", "mimeType": "audio/wav", "buffer": b"RIFF"}
    form.locator("input[type=file]").set_input_files([sound])
    expect(form.get_by_text("a.wav")).to_be_visible()  # and it is not sent anywhere
    assert somebody.findings() == []


def test_a_schema_is_written_saved_and_taken_back(somebody: Visitor, http: httpx.Client) -> None:
    page = somebody.page
    path = made(http, "written", features=["prompt"])
    somebody.go(path)
    page.get_by_role("radio", name="A schema").check()
    page.get_by_label("JSON Schema", exact=True).fill(SCHEMA)
    expect(trial(page).get_by_label("Word")).to_be_visible()
    expect(trial(page).get_by_label("Often")).to_be_visible()
    page.get_by_label("Example of an input").fill('{"word": "tree"}')
    expect(trial(page).get_by_label("Word")).to_have_value("tree")
    save(page)
    at(somebody, "/spaces/written")
    space = http.get("/v1/spaces/written").json()
    assert list(space["input_schema"]["properties"]) == ["word", "often"]
    assert space["example_input"] == {"word": "tree"}

    somebody.go(path)
    expect(page.get_by_role("radio", name="A schema")).to_be_checked()
    expect(page.get_by_label("JSON Schema", exact=True)).to_have_value(json.dumps(space["input_schema"], indent=2))
    expect(trial(page).get_by_label("Word")).to_have_value("tree")
    page.get_by_role("radio", name="Switches").check()
    page.get_by_label("Example of an input").fill("")
    expect(trial(page).get_by_label("Prompt")).to_be_visible()
    save(page)
    at(somebody, "/spaces/written")
    space = http.get("/v1/spaces/written").json()
    assert (space["features"], space["example_input"]) == (["prompt"], None)
    assert list(space["input_schema"]["properties"]) == ["prompt"]


def test_a_schema_that_nobody_has_changed_stays_as_it_is(somebody: Visitor, http: httpx.Client) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer", "maximum": BIG}}}
    somebody.go(made(http, "big", input_schema=schema, start_timeout_s=123456.5, execution_timeout_s=12345.678))
    somebody.page.get_by_label("Title").fill("Another")
    save(somebody.page)
    at(somebody, "/spaces/big")
    space = http.get("/v1/spaces/big").json()
    assert (space["title"], space["input_schema"]) == ("Another", schema)
    assert (space["start_timeout_s"], space["execution_timeout_s"]) == (123456.5, 12345.678)


def test_what_is_wrong_is_said_with_its_line(somebody: Visitor, http: httpx.Client) -> None:
    page = somebody.page
    path = made(http, "wrong", input_schema={"type": "object", "properties": {"a": {"type": "string"}}})
    somebody.go(path)
    schema, example = page.get_by_label("JSON Schema", exact=True), page.get_by_label("Example of an input")
    schema.fill(SCHEMA.replace("},\n", "}\n"))
    expect(schema).to_have_accessible_description(lined("Line 6: A comma or } is missing here."))
    expect(trial(page).get_by_role("status").first).to_have_text("The form is as it was before: see what is wrong.")
    expect(trial(page).get_by_role("textbox", name="a optional")).to_be_visible()
    expect(schema).to_be_focused()
    expect(page.locator("[data-gutter] .bad")).to_have_text("6")
    calls: list[str] = []
    page.on("request", lambda request: calls.append(request.method) if "/v1/" in request.url else None)
    save(page)
    expect(schema).to_have_attribute("aria-invalid", "true")
    assert calls == []
    schema.fill(SCHEMA.replace('"integer"', '"whole"'))
    expect(page.locator("#input_schema-flaw")).to_have_text(re.compile("^Line 6: "))
    schema.fill(SCHEMA.replace('"title": "Often"', '"unevaluatedItems": false'))
    expect(page.locator("#input_schema-flaw")).to_have_text("Line 6: This keyword cannot be used here.")
    somebody.foresees(422)
    with page.expect_response(lambda answer: answer.status == 422):
        save(page)
    expect(page.locator("#input_schema-flaw")).to_have_text("Line 6: This keyword cannot be used here.")
    expect(schema).to_be_focused()
    schema.fill(SCHEMA)
    expect(page.locator("#input_schema-flaw")).to_be_hidden()
    expect(page.locator("[data-gutter] .bad")).to_have_count(0)
    example.fill('{\n  "word": 1\n}')
    expect(page.locator("#example_input-flaw")).to_contain_text("Line 2: ")
    expect(trial(page).get_by_label("Input, as JSON")).to_be_visible()
    schema.focus()
    schema.evaluate("(field) => field.addEventListener('blur', () => (field.dataset.left = 'yes'))")
    schema.fill(SCHEMA.replace("Often", "Seldom"))
    expect(trial(page)).to_contain_text("Seldom")
    assert schema.get_attribute("data-left") is None, "whoever writes stays there, although the flaw is elsewhere"
    assert somebody.findings() == []


def lined(text: str) -> str:
    help = (
        "Draft 2020-12, of type object. A text with the format uri-reference is a file, contentMediaType says of what kind."
    )
    return f"{help} {text}"


@pytest.mark.parametrize("name", ["Text", "Picture to text", "Text to picture", "Chat"])
def test_a_starter_can_be_taken_and_undone(somebody: Visitor, name: str) -> None:
    page = somebody.page
    somebody.go("/new-space")
    page.get_by_role("radio", name="A schema").check()
    schema = page.get_by_label("JSON Schema", exact=True)
    schema.fill("{}")
    page.get_by_role("button", name=name, exact=True).click()
    expect(trial(page).locator("[data-field]").nth(1)).to_be_visible()
    for _ in range(1 if name == "Picture to text" else 2):  # this one has no example
        schema.press("Control+z")
    expect(schema).to_have_value("{}")
    page.get_by_label("Name").fill(f"starter-{name.lower().replace(' ', '-')}")
    page.get_by_role("button", name=name, exact=True).click()
    page.get_by_role("button", name="Make space").click()
    page.wait_for_url("**/spaces/starter-*")


def test_while_the_gateway_is_away_the_editor_says_so_and_goes_on(
    stack: Stack, browser: Browser, signed_in: dict[str, Any]
) -> None:
    with visitor(browser, stack.ready.url, storage_state=signed_in, uncomplaining=False) as somebody:
        page = somebody.page
        somebody.go("/new-space")
        with without(stack, "gateway"):
            page.get_by_role("checkbox", name="Prompt").check()
            expect(trial(page).get_by_role("status").first).to_contain_text("The gateway cannot be reached.")
        page.get_by_role("checkbox", name="Audio").check()
        expect(trial(page).get_by_role("group", name="Audio")).to_be_visible()
        expect(trial(page).get_by_label("Prompt")).to_be_visible()


def test_only_pages_of_who_is_signed_in_get_a_preview(stack: Stack, somebody: Visitor) -> None:
    somebody.go("/new-space")
    cookies = {each["name"]: each["value"] for each in somebody.context.cookies()}
    token = str(somebody.page.locator("meta[name=csrf-token]").get_attribute("content"))
    with httpx.Client(base_url=stack.ready.url, timeout=ANSWER_S) as http:
        asked = {"features": ["prompt"]}
        assert http.post("/preview", json=asked).status_code == 401
        assert (
            http.post("/preview", json=asked, headers={"Authorization": f"Bearer {stack.ready.api_key}"}).status_code == 401
        )
        http.cookies.update(cookies)
        assert http.post("/preview", json=asked).status_code == 403
        http.headers["X-CSRF-Token"] = token
        answer = http.post("/preview", json=asked).json()
        assert 'data-name="prompt"' in answer["html"]
        assert answer["errors"] == []
        assert http.post("/preview", json={"example_input": {"a": "x" * 200_000}}).status_code == 413
        assert http.post("/preview", content=b"{").status_code == 400
        assert http.post("/preview", json={"input_schema": 1}).status_code == 422
        loop = {"type": "object", "$defs": {"a": {"$ref": "#/$defs/a"}}, "properties": {"a": {"$ref": "#/$defs/a"}}}
        answer = http.post("/preview", json={"input_schema": loop}).json()
        assert answer == {"html": "", "errors": [{"pointer": "/input_schema", "detail": "#/$defs/a refers to itself."}]}


def test_the_editor_fits_a_phone_in_chinese(stack: Stack, browser: Browser, signed_in: dict[str, Any]) -> None:
    with visitor(browser, stack.ready.url, storage_state=signed_in, viewport=PHONE, locale="zh-CN") as somebody:
        somebody.go("/new-space")
        somebody.page.get_by_role("radio", name="Schema").check()
        somebody.page.get_by_role("button", name="图片转文本").click()
        expect(somebody.page.get_by_text("表单已更新。")).to_be_visible()
        assert somebody.findings() == []
        assert not somebody.overflows()
