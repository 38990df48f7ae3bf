"""The form for a space's inputs, in a real browser: what is filled in becomes the input, files are uploaded."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, FilePayload, JSHandle, Locator, Page, Route, expect

from services.gateway.web.input_starters import STARTERS
from tests.e2e import use_handlers
from tests.support.browser import PHONE, Visitor, visitor
from tests.support.console import without
from tests.support.stack import ANSWER_S, Stack, fresh_home

MOST_BYTES = 3_000_000
LIMITS: dict[str, Any] = {"WS_FILE_MAX_BYTES": str(MOST_BYTES), "WS_FILES_SPACE_MAX_BYTES": str(2 * MOST_BYTES)}
FILE = {"type": "string", "format": "uri-reference"}
EVERYTHING: dict[str, Any] = {
    "type": "object",
    "required": ["caption", "steps", "size", "tags"],
    "properties": {
        "caption": {"type": "string", "title": "Caption", "maxLength": 20, "description": "Under the picture."},
        "story": {"type": "string", "title": "Story", "minLength": 3},
        "steps": {"type": "integer", "title": "Steps", "minimum": 1, "maximum": 50, "default": 20},
        "guidance": {"type": ["number", "null"], "title": "Guidance"},
        "safe": {"type": "boolean", "title": "Safe", "default": True},
        "size": {"enum": ["small", "large"], "title": "Size"},
        "model": {"enum": ["a", "b", "c", "d", 5], "title": "Model"},
        "tags": {"type": "array", "items": {"type": "string"}, "title": "Tags"},
        "seeds": {"type": "array", "items": {"type": "integer"}, "title": "Seeds"},
        "styles": {"type": "array", "uniqueItems": True, "items": {"enum": ["ink", "oil"]}, "title": "Styles"},
        "camera": {
            "type": "object",
            "title": "Camera",
            "required": ["lens"],
            "properties": {"lens": {"type": "string", "title": "Lens"}, "angle": {"type": "number", "title": "Angle"}},
        },
        "version": {"const": 2, "title": "Version"},
        "extra": {"title": "Extra"},
    },
}
FILES: dict[str, Any] = {
    "type": "object",
    "properties": {
        "picture": {**FILE, "title": "Picture", "contentMediaType": "image/*"},
        "clips": {"type": "array", "title": "Clips", "items": {**FILE, "contentMediaType": "audio/*"}},
        "film": {**FILE, "title": "Film", "contentMediaType": "video/*"},
        "any": {**FILE, "title": "Anything"},
    },
}
SPACES: dict[str, dict[str, Any]] = {
    "everything": {"input_schema": EVERYTHING},
    "files": {"input_schema": FILES},
    "full": {"input_schema": FILES},
    "needs": {"input_schema": {**FILES, "required": ["picture"]}},
    "chat": {"input_schema": json.loads(STARTERS[-1].schema), "example_input": json.loads(STARTERS[-1].example)},
    "recordings": {"features": ["audio"]},
    "odd": {
        "input_schema": {"type": "object", "properties": {"a": {"type": "string"}}},
        "example_input": {"a": "x", "b": 1},
    },
}


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with fresh_home() as home, Stack(home, "--no-demo", **LIMITS) as running:
        headers = {"Authorization": f"Bearer {running.ready.api_key}"}
        with httpx.Client(base_url=running.ready.url, headers=headers, timeout=ANSWER_S) as http:
            for id, settings in SPACES.items():
                made = http.post("/v1/spaces", json={"id": id, **settings})
                assert made.status_code == 201, made.text
        yield running


@pytest.fixture
def somebody(stack: Stack, browser: Browser, signed_in: dict[str, Any]) -> Iterator[Visitor]:
    with visitor(browser, stack.ready.url, storage_state=signed_in) as here:
        yield here


def form(somebody: Visitor, space: str) -> Locator:
    somebody.go(f"/spaces/{space}/settings")
    return somebody.page.locator("[data-input]")


def called(page: Page, function: str, *arguments: Any) -> Any:
    """What a function of input.js returns for the form."""
    return page.evaluate(
        """async ([name, rest]) => {
            const exported = await import(document.querySelector("script[src$='/input.js']").src);
            return exported[name](document.querySelector("[data-input]"), ...rest);
        }""",
        [function, list(arguments)],
    )


def value(page: Page) -> Any:
    return called(page, "inputOf")


def png(name: str = "dot.png", pad: int = 0) -> FilePayload:
    """A picture of one point, with so many bytes after it."""
    picture = use_handlers.png(1, 1, lambda x, y: (128, 128, 128))
    return {"name": name, "mimeType": "image/png", "buffer": picture + bytes(pad)}


def wav(name: str = "beep.wav") -> FilePayload:
    return {"name": name, "mimeType": "audio/wav", "buffer": use_handlers.wav(0.1)}


def field(somebody: Visitor, title: str) -> Locator:
    return somebody.page.get_by_role("group", name=title)


def choose(somebody: Visitor, title: str, *files: FilePayload) -> None:
    field(somebody, title).locator("input[type=file]").set_input_files(list(files))


def carried(somebody: Visitor, *names: str) -> JSHandle:
    """What carries pictures when they are dropped or pasted."""
    return somebody.page.evaluate_handle(
        """([bytes, names]) => {
            const data = new DataTransfer();
            for (const name of names) data.items.add(new File([new Uint8Array(bytes)], name, {type: "image/png"}));
            return data;
        }""",
        [list(png()["buffer"]), names],
    )


def uploaded(somebody: Visitor, title: str, count: int = 1) -> None:
    expect(field(somebody, title).get_by_text("Uploaded", exact=True)).to_have_count(count)


def test_what_is_filled_in_is_the_input(somebody: Visitor) -> None:
    page = somebody.page
    form(somebody, "everything")
    assert value(page) == {"steps": 20, "safe": True, "tags": []}
    page.get_by_label("Caption").fill("A cat")
    page.get_by_label("Story").fill("Once\nupon")
    page.get_by_label("Steps").fill("30")
    page.get_by_label("Guidance").fill("7.5")
    page.get_by_label("Safe").uncheck()
    page.get_by_role("radio", name="large").check()
    page.get_by_label("Model").select_option("5")
    page.get_by_label("Tags").fill("a b\n\n  c ")
    page.get_by_label("Seeds").fill("1, 2\n3")
    page.get_by_role("checkbox", name="oil").check()
    page.get_by_label("Angle").fill("-3")
    page.get_by_label("Version").select_option("2")
    page.get_by_label("Extra").fill('{"x": [1]}')
    assert value(page) == {
        "caption": "A cat",
        "story": "Once\nupon",
        "steps": 30,
        "guidance": 7.5,
        "safe": False,
        "size": "large",
        "model": 5,
        "tags": ["a b", "c"],
        "seeds": [1, 2, 3],
        "styles": ["oil"],
        "camera": {"angle": -3},
        "version": 2,
        "extra": {"x": [1]},
    }


def test_an_input_is_shown_in_the_fields_or_as_json_when_they_cannot_show_it(somebody: Visitor) -> None:
    page = somebody.page
    form(somebody, "everything")
    shown = {
        "caption": "x",
        "steps": 1,
        "size": "small",
        "tags": ["t"],
        "safe": False,
        "camera": {"lens": "50"},
        "model": "c",
    }
    called(page, "fill", shown)
    expect(page.get_by_label("Lens")).to_have_value("50")
    assert value(page) == shown
    page.get_by_role("button", name="JSON").click()
    written = page.get_by_label("Input, as JSON")
    expect(written).to_be_visible()
    written.fill('{"caption": "y", "steps": 2, "size": "large", "tags": []}')
    page.get_by_role("button", name="Fields").click()
    expect(page.get_by_label("Caption")).to_have_value("y")
    page.get_by_role("button", name="JSON").click()
    written.fill('{"caption": "y", "more": 1}')
    page.get_by_role("button", name="Fields").click()
    expect(page.get_by_text("The fields cannot show all of this input.")).to_be_visible()
    assert value(page) == {"caption": "y", "more": 1}
    written.fill("{")
    assert value(page) is None
    page.get_by_role("button", name="Fields").click()
    expect(page.get_by_text("This is no JSON object.")).to_be_visible()
    called(page, "fill", {"__proto__": 1, "caption": ["no", "text"]})
    expect(written).to_be_visible()
    form(somebody, "odd")
    expect(page.get_by_label("Input, as JSON")).to_be_visible()
    assert value(page) == {"a": "x", "b": 1}


def test_flaws_stand_beside_their_fields(somebody: Visitor) -> None:
    page = somebody.page
    form(somebody, "everything")
    page.get_by_label("Caption").fill("more than twenty letters")
    page.get_by_label("Story").fill("ab")
    page.get_by_label("Steps").fill("51")
    page.get_by_label("Seeds").fill("1 two")
    page.get_by_label("Extra").fill("{")
    page.get_by_label("Guidance").fill("12345678901234567890")
    assert called(page, "check") is False
    for label, told in (
        ("Guidance", "Browsers do not know so large a number exactly."),
        ("Caption", "Under the picture. At most 20 characters."),
        ("Story", "At least 3 characters."),
        ("Steps", "At most 50."),
        ("Seeds", "Numbers, separated by spaces, commas or lines. These are not all numbers."),
        ("Extra", "As JSON. This is no JSON."),
    ):
        expect(page.get_by_label(label)).to_have_accessible_description(told)
        expect(page.get_by_label(label)).to_have_attribute("aria-invalid", "true")
    expect(field(somebody, "Size").get_by_text("This is needed.")).to_be_visible()
    expect(page.get_by_label("Caption")).to_be_focused()
    assert somebody.findings() == []
    called(page, "fill", {"caption": "x", "steps": 1, "size": "small", "tags": []})
    assert called(page, "check") is True
    problem = {
        "errors": [
            {"pointer": "/input/camera/lens", "detail": "Too long."},
            {"pointer": "/input/tags/3", "detail": "No tag."},
            {"pointer": "/input/camera/other", "detail": "Not known."},
            {"pointer": "/input", "detail": "Too many."},
            {"pointer": "/policy", "detail": "Other."},
        ]
    }
    lost = called(page, "showFlaws", problem)
    assert sorted(each["pointer"] for each in lost) == ["/input", "/policy"]
    expect(page.get_by_label("Lens")).to_have_accessible_description("Too long.")
    expect(page.get_by_label("Tags")).to_have_accessible_description("One a line. No tag.")
    expect(field(somebody, "Camera").get_by_text("Not known.")).to_be_visible()


def test_what_the_api_refuses_is_said_beside_the_field(somebody: Visitor) -> None:
    page = somebody.page
    form(somebody, "everything")
    page.get_by_label("Caption").fill("x")
    page.get_by_role("radio", name="small").check()
    page.get_by_label("Seeds").fill("1 2.5")
    page.get_by_label("Angle").fill("3")
    page.get_by_label("Tags").fill("t")
    assert called(page, "check") is True
    somebody.foresees(422)
    lost = page.evaluate(
        """async () => {
            const { src } = document.querySelector("script[src$='/input.js']");
            const [form, api] = await Promise.all([import(src), import(src.replace("input.js", "api.js"))]);
            const root = document.querySelector("[data-input]");
            const { space } = root.dataset;
            try {
                await api.call("POST", `/v1/spaces/${space}/requests`, { input: form.inputOf(root) });
            } catch (problem) {
                return form.showFlaws(root, problem);
            }
        }"""
    )
    assert lost == []
    expect(page.get_by_label("Seeds")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Seeds")).to_be_focused()
    expect(field(somebody, "Camera").get_by_text('"lens" is a required property')).to_be_visible()


def test_an_array_of_objects_has_a_row_for_each(somebody: Visitor) -> None:
    page = somebody.page
    form(somebody, "chat")
    given = {"messages": [{"role": "user", "content": "Hello!"}]}
    assert value(page) == given
    messages = field(somebody, "Messages")
    messages.get_by_role("button", name="Add").click()
    last = messages.get_by_role("group", name="2", exact=True)
    expect(last.get_by_role("radio", name="user")).to_be_focused()
    last.get_by_role("radio", name="assistant").check()
    last.get_by_label("Content").fill("How are you?")
    added = {"role": "assistant", "content": "How are you?"}
    assert value(page) == {"messages": [*given["messages"], added]}
    assert called(page, "showFlaws", {"errors": [{"pointer": "/input/messages/1/content", "detail": "Impolite."}]}) == []
    expect(last.get_by_label("Content")).to_have_accessible_description("Impolite.")
    assert somebody.findings() == []
    messages.get_by_role("button", name="Remove 1").click()
    assert value(page) == {"messages": [added]}
    called(page, "showFlaws", {"errors": [{"pointer": "/input/messages/0/content", "detail": "Short."}]})
    expect(messages.get_by_label("Content")).to_have_accessible_description("Short.")
    messages.get_by_role("button", name="Remove 1").click()
    assert called(page, "check") is False
    expect(messages.get_by_text("This is needed.")).to_be_visible()
    called(page, "fill", {"messages": [added, {"role": "user", "content": "Well."}]})
    expect(messages.get_by_label("Content")).to_have_count(2)
    called(page, "fill", {"messages": [{**added, "more": 1}]})
    expect(page.get_by_label("Input, as JSON")).to_be_visible()


def test_files_are_uploaded_and_stand_in_the_input(somebody: Visitor, stack: Stack) -> None:
    page = somebody.page
    form(somebody, "files")
    choose(somebody, "Picture", png("a picture.png", pad=200_000))
    choose(somebody, "Clips", wav("one.wav"), wav("two.wav"))
    uploaded(somebody, "Picture")
    uploaded(somebody, "Clips", 2)
    expect(field(somebody, "Picture").get_by_alt_text("Preview")).to_have_js_property("naturalWidth", 1)
    expect(field(somebody, "Clips").locator("audio")).to_have_count(2)
    given = value(page)
    with stack.calls() as http:
        picture, one, two = [http.get(path).json() for path in (given["picture"], *given["clips"])]
        assert http.get(picture["urls"]["content"]).content == png(pad=200_000)["buffer"]
    assert (picture["name"], picture["media_type"], picture["space"]) == ("a picture.png", "image/png", "files")
    assert (one["name"], two["name"], one["media_type"]) == ("one.wav", "two.wav", "audio/wav")
    assert somebody.findings() == []
    field(somebody, "Clips").get_by_role("button", name="Remove one.wav").click()
    choose(somebody, "Picture", png("another.png"))
    expect(field(somebody, "Picture").get_by_text("another.png")).to_be_visible()
    expect(field(somebody, "Picture").get_by_text("a picture.png")).to_have_count(0)
    uploaded(somebody, "Picture")
    assert value(page)["clips"] == given["clips"][1:]
    assert value(page)["picture"] != given["picture"]
    called(page, "fill", given)
    expect(field(somebody, "Picture").get_by_text("a picture.png")).to_be_visible()
    expect(field(somebody, "Picture").get_by_alt_text("Preview")).to_have_js_property("naturalWidth", 1)
    assert value(page) == given


def test_an_address_stands_for_a_file(somebody: Visitor) -> None:
    page = somebody.page
    form(somebody, "needs")
    assert called(page, "check") is False
    expect(field(somebody, "Picture").get_by_text("This is needed.")).to_be_visible()
    address = field(somebody, "Picture").get_by_label("Or its address")
    address.fill("ftp://example.org/a.png")
    address.blur()
    expect(page.get_by_text("An address begins with https://")).to_be_visible()
    address.fill("https://example.org/a.png")
    assert value(page) == {"picture": "https://example.org/a.png"}
    address.blur()
    expect(field(somebody, "Picture").get_by_role("listitem")).to_contain_text("https://example.org/a.png")
    assert value(page) == {"picture": "https://example.org/a.png"}
    assert called(page, "check") is True


def test_files_are_dropped_and_pasted(somebody: Visitor) -> None:
    page = somebody.page
    form(somebody, "files")
    transfer = carried(somebody, "held.png")
    field(somebody, "Anything").locator("[data-drop]").dispatch_event("dragover", {"dataTransfer": transfer})
    expect(field(somebody, "Anything")).to_have_attribute("data-over", "")
    field(somebody, "Anything").locator("[data-drop]").dispatch_event("drop", {"dataTransfer": transfer})
    uploaded(somebody, "Anything")
    page.evaluate(
        """data => document.body.dispatchEvent(new ClipboardEvent("paste", {clipboardData: data, bubbles: true}))""",
        transfer,
    )
    uploaded(somebody, "Picture")
    assert set(value(page)) == {"any", "picture"}


def test_of_several_files_for_one_it_says_which_it_takes(somebody: Visitor) -> None:
    form(somebody, "files")
    transfer = carried(somebody, "first.png", "second.png")
    field(somebody, "Picture").locator("[data-drop]").dispatch_event("drop", {"dataTransfer": transfer})
    uploaded(somebody, "Picture")
    expect(field(somebody, "Picture").get_by_text("Only one file fits here: “first.png” is taken.")).to_be_visible()
    choose(somebody, "Picture", png("third.png"))
    uploaded(somebody, "Picture")
    expect(field(somebody, "Picture").locator(".flaw:visible")).to_have_count(0)


def test_a_file_that_is_too_large_or_of_another_kind_is_refused_before_it_is_sent(somebody: Visitor) -> None:
    page = somebody.page
    calls: list[str] = []
    page.on("request", lambda request: calls.append(request.url) if "/v1/files" in request.url else None)
    form(somebody, "recordings")
    expect(page.get_by_text("up to 3 MB")).to_be_visible()
    choose(somebody, "Audio", {**wav("long.wav"), "buffer": bytes(MOST_BYTES + 1)})
    expect(field(somebody, "Audio")).to_contain_text(
        "“long.wav” is too large: it has 3.000001 MB, and a file may have 3 MB."
    )
    choose(somebody, "Audio", png("cat.png"))
    expect(field(somebody, "Audio")).to_contain_text("“cat.png” is no recording.")
    assert calls == []
    assert value(page) == {}
    somebody.foresees(422)
    choose(somebody, "Audio", {**png("cat.wav"), "mimeType": "audio/wav"})
    expect(field(somebody, "Audio")).to_contain_text("its bytes are those of image/png")
    assert value(page) == {}
    choose(somebody, "Audio", wav())
    uploaded(somebody, "Audio")
    expect(field(somebody, "Audio").locator(".flaw:visible")).to_have_count(0)


def test_a_file_that_there_is_no_room_for_is_refused_with_the_reason(somebody: Visitor) -> None:
    form(somebody, "full")
    largest = wav()["buffer"].ljust(MOST_BYTES, b"\0")
    for name in ("Clips", "Anything"):
        choose(somebody, name, {**wav(), "buffer": largest})
        uploaded(somebody, name)
    somebody.foresees(429)
    choose(somebody, "Clips", wav("last.wav"))
    expect(field(somebody, "Clips")).to_contain_text("“last.wav” is refused. The space has 0 bytes left for files")
    uploaded(somebody, "Clips")


def test_an_upload_that_is_cut_off_says_so_and_goes_on_when_it_is_tried_again(
    stack: Stack, browser: Browser, signed_in: dict[str, Any]
) -> None:
    with visitor(browser, stack.ready.url, storage_state=signed_in, uncomplaining=False) as somebody:
        page = somebody.page
        form(somebody, "files")
        sent: list[tuple[str, str]] = []

        def cut(route: Route) -> None:
            """The first bytes come through, the next do not."""
            offset = route.request.headers.get("upload-offset", "")
            sent.append((route.request.method, offset))
            if offset not in ("", "0"):
                route.abort()
            else:
                route.continue_()

        page.route("**/v1/files*", cut)
        page.route("**/v1/files/*", cut)
        choose(somebody, "Picture", png("cut.png", pad=2_000_000))
        expect(field(somebody, "Picture").get_by_role("alert")).to_contain_text("The upload was cut off.")
        assert value(page) is None
        assert called(page, "pending") == 1
        assert called(page, "check") is False
        expect(field(somebody, "Picture")).to_contain_text("A file is still on its way.")
        page.unroute_all()
        page.on("request", lambda request: sent.append((request.method, request.headers.get("upload-offset", ""))))
        with without(stack, "gateway"):
            page.get_by_role("button", name="Try again").click()
            expect(field(somebody, "Picture").get_by_role("alert")).to_contain_text("The gateway cannot be reached.")
        page.get_by_role("button", name="Try again").click()
        uploaded(somebody, "Picture")
        assert called(page, "pending") == 0
        assert [each for each in sent if each[0] == "POST"] == [("POST", "")]
        assert ("PATCH", "0") not in sent[3:]
        with stack.calls() as http:
            file = http.get(value(page)["picture"]).json()
            assert http.get(file["urls"]["content"]).content == png(pad=2_000_000)["buffer"]


def test_the_form_fits_a_phone_in_chinese(stack: Stack, browser: Browser, signed_in: dict[str, Any]) -> None:
    with visitor(browser, stack.ready.url, storage_state=signed_in, viewport=PHONE, locale="zh-CN") as somebody:
        for space in ("everything", "files"):
            form(somebody, space)
            assert somebody.findings() == []
            assert not somebody.overflows()
        field(somebody, "Picture").locator("input[type=file]").set_input_files([png()])
        expect(field(somebody, "Picture").get_by_text("已上传")).to_be_visible()
