"""What people do on the page of a space, in a real browser, with a real agent on a whole stack."""

import functools
import json
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import playwright
import pytest
from playwright.sync_api import Browser, FilePayload, Page, expect

from services.gateway.web.languages import PSEUDO
from tests.e2e.use_handlers import GO, HALF, STORY, dusk, png, wav
from tests.support.browser import DESKTOP, PHONE, Visitor, outside_catalogue, visitor
from tests.support.console import PASSWORD, calls_of, click_twice, fill_in, join, without
from tests.support.stack import ROOT, Stack, eventually, fresh_home
from tests.support.world import agent as any_agent

SPACE, STUDIO = "demo", "studio"
FILE = {"type": "string", "format": "uri-reference"}
FORM = {
    "type": "object",
    "required": ["prompt"],
    "additionalProperties": False,
    "properties": {
        "prompt": {"type": "string", "title": "Prompt", "description": "What is to be seen.", "maxLength": 2000},
        "style": {"title": "Style", "enum": ["oil", "ink", "photo"], "default": "oil"},
        "steps": {"type": "integer", "title": "Steps", "minimum": 1, "maximum": 50, "default": 20},
        "image": {**FILE, "title": "To begin with", "contentMediaType": "image/*"},
        "audio": {**FILE, "title": "Music", "contentMediaType": "audio/*"},
    },
}
PROMPT = "The sea at dusk, the sun half a hand above the horizon"
FIRST, WHOLE = "".join(STORY[:HALF]), "".join(STORY)
HOSTILE = (
    'it\'s "$(touch pwned)" `touch pwned` \\ ${HOME} !! \n\t</script><img src=x onerror=alert(1)> '
    "\u202e\u2028 ' '' \"\"\" %s {x} 灯 \U0001f680"
)
LOOKED_AT = """(looked) => {
  Object.defineProperty(document, "hidden", { value: !looked, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
agent = functools.partial(any_agent, module="tests.e2e.use_handlers")


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with fresh_home() as home, Stack(home, "--no-demo") as running:
        with running.calls() as client:
            studio = {"id": STUDIO, "title": "Picture studio", "input_schema": FORM, "example_input": {"prompt": PROMPT}}
            assert client.post("/v1/spaces", json=studio).status_code == 201
        yield running


@pytest.fixture
def somebody(stack: Stack, browser: Browser, signed_in: dict[str, Any]) -> Iterator[Visitor]:
    with visitor(browser, stack.ready.url, storage_state=signed_in) as here:
        yield here


@pytest.fixture(scope="module")
def studio_key(stack: Stack) -> str:
    """A key for agents of the space that has a form."""
    wanted = {"name": "studio", "kind": "agent", "spaces": [STUDIO]}
    with stack.calls() as client:
        return str(client.post("/v1/keys", json=wanted).json()["secret"])


@pytest.fixture
def go(tmp_path: Path) -> Path:
    """A file that lets a handler go on once it is there."""
    return tmp_path / "go"


def submit(page: Page, input: dict[str, Any]) -> str:
    """Submit an input as JSON; the id of the request, which the address names then."""
    before = page.url
    page.locator("#input-json").fill(json.dumps(input))
    page.get_by_role("button", name="Submit", exact=True).click()
    page.wait_for_url(lambda url: "?request=" in url and url != before)
    return page.url.partition("?request=")[2]


def shows(page: Page, text: str) -> None:
    """Wait until exactly this has come of the request."""
    output = page.locator("#output .prose")
    eventually(lambda: output.count() == 1 and output.text_content() == text, f"it shows {text[-20:]!r}")


def status(page: Page, name: str) -> None:
    expect(page.locator("#status")).to_have_text(name)


def processing(stack: Stack, rid: str) -> bool:
    return bool(stack.get(rid)["status"] == "processing")


def test_text_streams_outlives_a_reload_and_is_whole(somebody: Visitor, stack: Stack, go: Path) -> None:
    page = somebody.page
    with agent(stack, "tells"):
        somebody.go(f"/spaces/{SPACE}")
        expect(page.get_by_text("What you submit is answered here, live.")).to_be_visible()
        rid = submit(page, {"go": str(go)})
        shows(page, FIRST)
        status(page, "Running")
        expect(page.get_by_text("An agent is working on it.")).to_be_visible()
        expect(page.locator("#progress progress")).to_have_attribute("value", str(HALF / len(STORY)))
        page.reload()
        shows(page, FIRST)
        expect(page.locator("#input-json")).to_have_value(re.compile(re.escape(str(go))))
        page.get_by_text("Log", exact=False).first.click()
        expect(page.locator("#log")).to_have_text("attempt 1 is at the half")
        go.touch()
        shows(page, WHOLE)
        status(page, "Succeeded")
        expect(page.locator("#progress")).to_be_hidden()
        expect(page.get_by_role("button", name="Cancel")).to_be_hidden()
        queued, running = (
            float(page.locator(f"#times [data-part={part}]").get_attribute("width") or 0) for part in ("queued", "running")
        )
        request = stack.get(rid)
        expected = 100 * request["metrics"]["queue_s"] / request["metrics"]["total_s"]
        assert queued == pytest.approx(expected, abs=0.1)
        assert queued + running == pytest.approx(100)
    page.reload()
    shows(page, WHOLE)


def test_two_browsers_see_the_same_and_a_stranger_nothing(
    somebody: Visitor, browser: Browser, stack: Stack, signed_in: dict[str, Any], go: Path
) -> None:
    with agent(stack, "tells"), visitor(browser, stack.ready.url, storage_state=signed_in) as other:
        somebody.go(f"/spaces/{SPACE}")
        rid = submit(somebody.page, {"go": str(go)})
        other.go(f"/spaces/{SPACE}?request={rid}")
        for page in (somebody.page, other.page):
            shows(page, FIRST)
        go.touch()
        for page in (somebody.page, other.page):
            shows(page, WHOLE)
            status(page, "Succeeded")
    with visitor(browser, stack.ready.url) as stranger:
        join(stranger, "stranger@example.org")
        stranger.foresees(404)
        stranger.go(f"/spaces/{SPACE}?request={rid}")
        expect(stranger.page.get_by_role("alert")).to_have_text("There is no such request, or it is not yours.")
        stranger.page.get_by_role("link", name="Begin anew").click()
        expect(stranger.page).to_have_url(f"{stranger.url}/spaces/{SPACE}")


def test_a_request_is_canceled_and_the_page_goes_back_and_forth(somebody: Visitor, stack: Stack, go: Path) -> None:
    page = somebody.page
    with agent(stack, "tells"):
        somebody.go(f"/spaces/{SPACE}")
        rid = submit(page, {"go": str(go)})
        shows(page, FIRST)
        page.get_by_role("button", name="Cancel").click()
        status(page, "Canceled")
        assert stack.get(rid)["status"] == "canceled"
        expect(page.get_by_role("region", name="Result")).to_be_focused()
        expect(page.get_by_text("It was canceled.")).to_be_visible()
        page.go_back()
        expect(page.get_by_text("What you submit is answered here, live.")).to_be_visible()
        page.go_forward()
        status(page, "Canceled")


def test_an_image_and_a_sound_are_uploaded_shown_played_and_saved(somebody: Visitor, stack: Stack, studio_key: str) -> None:
    page = somebody.page
    picture: FilePayload = {"name": "sketch.png", "mimeType": "image/png", "buffer": png(8, 8, dusk)}
    music: FilePayload = {"name": "music.wav", "mimeType": "audio/wav", "buffer": wav(0.1)}
    with agent(stack, "does", spaces=[STUDIO], key=studio_key):
        somebody.go(f"/spaces/{STUDIO}")
        page.get_by_label("Prompt").fill("paint")
        for title, file in (("To begin with", picture), ("Music", music)):
            page.get_by_role("group", name=title).locator("input[type=file]").set_input_files([file])
        button = page.get_by_role("button", name="Submit", exact=True)
        expect(button).to_be_enabled()
        expect(page.locator("#code")).to_contain_text(re.compile('"audio": "/v1/files/.*"'))
        button.click()
        image, sound = page.get_by_role("img", name="dusk.png"), page.locator("#output audio")
        expect(image).to_be_visible()
        eventually(lambda: image.evaluate("each => each.naturalWidth") == 480, "the image is loaded")
        eventually(lambda: sound.evaluate("each => each.duration") == 0.5, "the sound is loaded")
        expect(page.get_by_text("<b>tone.wav")).to_be_visible()
        with page.expect_download() as saved:
            page.get_by_role("link", name="Download dusk.png").click()
        assert Path(saved.value.path()).read_bytes() == png(480, 300, dusk)
        with page.expect_download() as saved:
            page.get_by_role("link", name="Download", exact=True).last.click()
        result = json.loads(Path(saved.value.path()).read_text())
        assert result["given"] == {"image": "sketch.png", "audio": "music.wav"}
        page.get_by_role("button", name="Raw").click()
        expect(page.locator("#output .prose")).to_contain_text('"seed": 42')
        page.get_by_role("button", name="Raw").click()
        expect(page.locator("#output .tree")).to_contain_text("seed: 42")
        page.reload()
        expect(image).to_be_visible()
        expect(page.get_by_label("Prompt")).to_have_value("paint")
        expect(page.get_by_role("group", name="Music")).to_contain_text("music.wav")


@pytest.mark.parametrize("ends", ["while it is away", "when it is back"])
def test_a_gateway_that_is_killed_loses_no_output(
    stack: Stack, browser: Browser, signed_in: dict[str, Any], go: Path, ends: str
) -> None:
    with agent(stack, "tells"), visitor(browser, stack.ready.url, storage_state=signed_in, uncomplaining=False) as somebody:
        page = somebody.page
        somebody.go(f"/spaces/{SPACE}")
        submit(page, {"go": str(go)})
        shows(page, FIRST)
        page.evaluate("document.documentElement.dataset.same = 'yes'")
        with without(stack, "gateway"):
            expect(page.locator("#link")).to_have_text("Reconnecting …")
            if ends == "while it is away":
                go.touch()
        expect(page.locator("#link")).to_be_hidden()
        if ends == "when it is back":
            shows(page, FIRST)
            go.touch()
        shows(page, WHOLE)
        status(page, "Succeeded")
        assert page.evaluate("document.documentElement.dataset.same") == "yes", "it was not loaded anew"
        assert [each for each in somebody.complaints if "net::ERR_" not in each and "status of 503" not in each] == []


def test_where_no_stream_comes_through_the_page_asks_again_and_again(
    stack: Stack, browser: Browser, signed_in: dict[str, Any]
) -> None:
    with agent(stack, "does"), visitor(browser, stack.ready.url, storage_state=signed_in) as somebody:
        somebody.foresees(503)
        somebody.page.route("**/events*", lambda route: route.fulfill(status=503))
        somebody.go(f"/spaces/{SPACE}")
        submit(somebody.page, {"without": "a stream"})
        status(somebody.page, "Succeeded")
        expect(somebody.page.locator("#output .tree")).to_contain_text("a stream")


def test_a_page_that_nobody_looks_at_asks_for_nothing_and_catches_up(somebody: Visitor, stack: Stack, go: Path) -> None:
    page = somebody.page
    with agent(stack, "tells"):
        somebody.go(f"/spaces/{SPACE}")
        rid = submit(page, {"go": str(go)})
        shows(page, FIRST)
        page.evaluate(LOOKED_AT, False)
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        go.touch()
        eventually(lambda: stack.get(rid)["done"], "it has ended")
        assert page.locator("#output .prose").text_content() == FIRST
        assert asked == []
        page.evaluate(LOOKED_AT, True)
        shows(page, WHOLE)
        assert [url for url in asked if "/events?after=" in url] != []


def test_an_agent_that_is_lost_is_told_of_and_another_attempt_follows(somebody: Visitor, stack: Stack, go: Path) -> None:
    page = somebody.page
    with agent(stack, "tells", name="first") as process:
        somebody.go(f"/spaces/{SPACE}")
        submit(page, {"go": str(go)})
        shows(page, FIRST)
        os.killpg(process.pid, 9)
        process.wait()
    expect(page.locator("#words")).to_contain_text("The agent was lost. It waits for another attempt.", timeout=40_000)
    expect(page.locator("#output .prose")).to_have_count(0)
    with agent(stack, "tells", name="second"):
        expect(page.get_by_text("An agent is working on it: attempt 2.")).to_be_visible()
        shows(page, FIRST)
        attempts = page.get_by_role("list", name="Attempts").get_by_role("listitem")
        expect(attempts).to_have_count(2)
        expect(attempts.first).to_contain_text("The agent was lost.")
        expect(attempts.last).to_contain_text("Under way.")
        go.touch()
        shows(page, WHOLE)
        status(page, "Succeeded")


def test_without_an_agent_the_page_says_what_to_do_and_what_was_submitted_waits(somebody: Visitor, stack: Stack) -> None:
    page = somebody.page
    somebody.go(f"/spaces/{SPACE}")
    expect(page.get_by_text("No agent is connected: what you submit waits until one is.")).to_be_visible()
    submit(page, {"hello": 1})
    status(page, "Waiting")
    expect(page.locator("#words")).to_have_text("No agent is connected. It goes on as soon as one is.")
    expect(page.locator("#place")).to_have_text("It is the next to go.")
    page.get_by_role("link", name="Connect an agent").click()
    expect(page).to_have_url(f"{somebody.url}/spaces/{SPACE}/agents")
    expect(page.get_by_role("button", name="Make an agent key")).to_be_visible()
    page.go_back()
    with agent(stack, "does"):
        status(page, "Succeeded")
        expect(page.locator("#output .tree")).to_contain_text("hello: 1")
        expect(page.get_by_text("No agent is connected: what you submit waits until one is.")).to_be_hidden()


def test_who_may_not_submit_and_what_takes_nothing_is_told_before(
    somebody: Visitor, browser: Browser, stack: Stack, http: httpx.Client
) -> None:
    for space, more in (("strict", {"on_no_agent": "reject"}), ("seen", {"visibility": "private"})):
        assert http.post("/v1/spaces", json={"id": space, **more}).status_code == 201
    button = somebody.page.get_by_role("button", name="Submit", exact=True)
    somebody.go("/spaces/strict")
    expect(somebody.page.get_by_text("No agent is connected: this space takes nothing until one is.")).to_be_visible()
    expect(button).to_be_disabled()
    assert http.post("/v1/spaces/strict/disable").status_code == 200
    expect(somebody.page.get_by_text("The space is disabled: it takes nothing until it is enabled.")).to_be_visible()
    assert http.post("/v1/spaces/demo/pause").status_code == 200
    somebody.go("/spaces/demo")
    expect(somebody.page.get_by_text("The space is paused: what you submit waits until it is resumed.")).to_be_visible()
    expect(button).to_be_enabled()
    assert http.post("/v1/spaces/demo/resume").status_code == 200
    with visitor(browser, stack.ready.url) as viewer:
        join(viewer, "viewer@example.org")
        assert http.put("/v1/spaces/seen/members/viewer@example.org", json={"role": "viewer"}).status_code == 200
        viewer.go("/spaces/seen")
        asked = f"You may see this space, not submit to it. Ask its owner: {stack.ready.admin.email}"
        expect(viewer.page.get_by_text("You may see this space")).to_have_text(asked)
        expect(viewer.page.get_by_role("button", name="Submit", exact=True)).to_be_disabled()
        expect(viewer.page.get_by_role("navigation", name="Pages of the space").get_by_role("link")).to_have_text(
            ["Use", "Requests", "Agents"]
        )


def test_a_failure_is_told_in_plain_words_and_what_to_do_next(somebody: Visitor, stack: Stack) -> None:
    page = somebody.page
    with agent(stack, "does"):
        somebody.go(f"/spaces/{SPACE}")
        first = submit(page, {"prompt": "fail"})
        expect(page.locator("#failure")).to_contain_text("The agent's program has failed.")
        expect(page.locator("#failure-detail")).to_contain_text("2.00 GiB. <script>alert(1)</script>")
        retried: list[str] = []
        page.on("request", lambda request: retried.append(request.url) if request.url.endswith("/retry") else None)
        click_twice(page.get_by_role("button", name="Try again"))
        page.wait_for_url(lambda url: "?request=" in url and first not in url)
        status(page, "Failed")
        second = page.url.partition("?request=")[2]
        assert stack.get(second)["retry_of"] == first
        assert len(retried) == 1
        page.locator("#input-json").fill("[]")
        page.get_by_role("button", name="Submit", exact=True).click()
        expect(page.get_by_text("This is no JSON object.")).to_be_visible()
        page.get_by_role("button", name="Edit and run again").click()
        expect(page.locator("#input-json")).to_be_focused()
        assert json.loads(page.locator("#input-json").input_value()) == {"prompt": "fail"}
        page.locator("#input-json").fill('{"well": true}')
        page.locator("#input-json").press("Control+Enter")
        status(page, "Succeeded")
        expect(page.locator("#failure")).to_be_hidden()
        expect(page.locator("#output .tree")).to_contain_text("well: true")


def test_options_go_along_and_flaws_stand_beside_them(somebody: Visitor, stack: Stack, go: Path) -> None:
    page = somebody.page
    with agent(stack, "does"):
        somebody.go(f"/spaces/{SPACE}")
        page.get_by_text("Options", exact=True).first.click()
        page.get_by_label("Priority").fill("11")
        page.get_by_role("button", name="Submit", exact=True).click()
        expect(page.get_by_text("At most 10.")).to_be_visible()
        page.get_by_label("Priority").fill("3")
        page.get_by_label("It may run for").fill("0.5")
        submit(page, {"prompt": "slow", "go": str(go)})
        status(page, "Failed")
        expect(page.locator("#failure")).to_contain_text("It took longer than it may. Give it more time in the options")
        expect(page.locator("#code")).to_contain_text('"execution_timeout_s": 0.5')
        go.touch()


def test_large_results_are_bounded(somebody: Visitor, stack: Stack) -> None:
    page = somebody.page
    with agent(stack, "does"):
        somebody.go(f"/spaces/{SPACE}")
        submit(page, {"prompt": "much"})
        status(page, "Succeeded")
        tree = page.locator("#output .tree")
        expect(tree).to_contain_text("… of 300000 characters")
        tree.get_by_text("[ 50000 entries ]").click()
        tree.get_by_role("button", name="Show 100 more").click()
        expect(tree).to_contain_text("199: 199")
        assert page.evaluate("document.querySelectorAll('#output *').length") < 2000
        submit(page, {"prompt": "long"})
        expect(page.get_by_text("The first 200000 of 300000 characters are shown")).to_be_visible()
        with page.expect_download() as saved:
            page.locator("#output").get_by_role("link", name="Download").click()
        assert Path(saved.value.path()).read_text() == "y" * 300_000


NODE = Path(playwright.__file__).parent / "driver/node"
RUNS: dict[str, list[str]] = {
    "curl": ["bash", "-c"],
    "Python": [sys.executable, "-c"],
    "JavaScript": [str(NODE), "--input-type=module", "-e"],
}


@pytest.mark.parametrize("language", RUNS)
def test_the_code_submits_exactly_what_is_in_the_form(
    somebody: Visitor, stack: Stack, language: str, tmp_path: Path
) -> None:
    page = somebody.page
    marker = str(uuid.uuid4())
    input: dict[str, Any] = {
        "marker": marker,
        HOSTILE: [HOSTILE, None, True, 1.5, {}, []],
        "": {"__proto__": "$WS_API_KEY", "'": "\u0000"},
    }
    with agent(stack, "does"):
        somebody.go(f"/spaces/{SPACE}")
        page.locator("#input-json").fill(json.dumps(input))
        page.get_by_text("Options", exact=True).first.click()
        page.get_by_label("Priority").fill("-2")
        page.get_by_role("tab", name=language).click()
        code = page.locator("#code")
        expect(code).to_contain_text(marker)
        expect(code).to_contain_text("-2")
        shown = str(code.text_content())
        environment = {
            **os.environ,
            "WS_API_KEY": stack.ready.api_key,
            "PYTHONPATH": str(ROOT / "client"),
            "PYTHONUTF8": "1",
        }
        ran = subprocess.run(
            [*RUNS[language], shown], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60
        )
        assert ran.returncode == 0, ran.stderr
        assert "succeeded" in ran.stdout
    with stack.calls() as http:
        newest = http.get("/v1/requests", params={"space": SPACE, "limit": 1}).json()["results"][0]["id"]
        assert http.get(f"/v1/requests/{newest}").json()["output"] == input
        assert http.get(f"/v1/requests/{newest}/log").json()["results"][0]["data"]["priority"] == -2
    assert list(tmp_path.iterdir()) == []


def test_who_is_signed_out_meanwhile_signs_in_and_sees_the_request_again(stack: Stack, browser: Browser, go: Path) -> None:
    with agent(stack, "tells"), visitor(browser, stack.ready.url) as somebody:
        page = somebody.page
        join(somebody, "leaves@example.org")
        somebody.go(f"/spaces/{SPACE}")
        rid = submit(page, {"go": str(go)})
        shows(page, FIRST)
        somebody.foresees(401)
        with calls_of(somebody) as http:
            assert http.delete("/v1/session").status_code == 204
        page.wait_for_url("**/sign-in?next=*")
        go.touch()
        fill_in(page, "leaves@example.org", PASSWORD)
        expect(page).to_have_url(f"{somebody.url}/spaces/{SPACE}?request={rid}")
        shows(page, WHOLE)


def test_what_is_filled_in_waits_for_whoever_signs_in_again(stack: Stack, browser: Browser) -> None:
    with visitor(browser, stack.ready.url) as somebody:
        page = somebody.page
        join(somebody, "types@example.org")
        somebody.go(f"/spaces/{SPACE}")
        page.locator("#input-json").fill('{"prompt": "long thought of"}')
        somebody.foresees(401)
        with calls_of(somebody) as http:
            assert http.delete("/v1/session").status_code == 204
        page.get_by_role("button", name="Submit", exact=True).click()
        page.wait_for_url("**/sign-in?next=*")
        fill_in(page, "types@example.org", PASSWORD)
        expect(page).to_have_url(f"{somebody.url}/spaces/{SPACE}")
        expect(page.locator("#input-json")).to_have_value(re.compile('"long thought of"'))
        page.reload()
        expect(page.locator("#input-json")).not_to_have_value(re.compile('"long thought of"'))


def test_on_a_phone_in_chinese_one_submits_and_sees_the_result(
    browser: Browser, stack: Stack, signed_in: dict[str, Any]
) -> None:
    options: dict[str, Any] = {
        "viewport": PHONE,
        "locale": "zh-CN",
        "has_touch": True,
        "is_mobile": True,
        "storage_state": signed_in,
    }
    with agent(stack, "does"), visitor(browser, stack.ready.url, **options) as somebody:
        page = somebody.page
        somebody.go(f"/spaces/{SPACE}")
        page.locator("#input-json").fill('{"prompt": "paint"}')
        page.get_by_role("button", name="提交", exact=True).tap()
        status(page, "已成功")
        expect(page.get_by_role("img", name="dusk.png")).to_be_in_viewport()
        expect(page.get_by_text("排队").last).to_be_visible()
        assert somebody.findings() == []
        assert not somebody.overflows()


def test_whatever_becomes_of_a_request_is_told_in_words_of_the_catalogue(
    somebody: Visitor, stack: Stack, http: httpx.Client
) -> None:
    page = somebody.page
    somebody.go(f"/spaces/{SPACE}?lang={PSEUDO}")
    submitted = {
        prompt: http.post(f"/v1/spaces/{SPACE}/requests", json={"input": {"prompt": prompt}}).json()["id"]
        for prompt in ("paint", "fail")
    }
    for request, state in ((submitted["paint"], "queued"), ("0" * 34, "lost")):
        somebody.foresees(404)
        somebody.go(f"/spaces/{SPACE}?request={request}")
        expect(page.locator("#words" if state == "queued" else "#lost")).not_to_be_empty()
        assert outside_catalogue(page) == []
    with agent(stack, "does"):
        for request, state in ((submitted["paint"], "succeeded"), (submitted["fail"], "failed")):
            somebody.go(f"/spaces/{SPACE}?request={request}")
            expect(page.locator(f"#status[data-state={state}]")).to_be_visible()
            eventually(lambda: page.locator("figure[aria-busy=true]").count() == 0, "the files are shown")
            assert outside_catalogue(page) == []


PICTURES = ROOT / ".pictures"
SIZES = {"desktop": DESKTOP, "phone": PHONE}


def waiting(page: Page) -> None:
    expect(page.get_by_text("All agents are busy. ")).to_be_visible()


def streaming(page: Page) -> None:
    shows(page, FIRST)


def painted(page: Page) -> None:
    image = page.get_by_role("img", name="dusk.png")
    eventually(lambda: image.evaluate("each => each.naturalWidth") == 640, "the image is loaded")


def failed(page: Page) -> None:
    status(page, "Failed")


STATES: dict[str, tuple[str, Callable[[Page], None]]] = {
    "empty": ("paints", lambda page: None),
    "waiting": ("waits", waiting),
    "streaming": ("tells", streaming),
    "painted": ("paints", painted),
    "failed": ("fails", failed),
}
"""What the page looks like while something is done with it: with which handler, and when it is so far."""


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_each_state_has_a_picture_and_no_barrier(
    stack: Stack,
    browser: Browser,
    signed_in: dict[str, Any],
    studio_key: str,
    http: httpx.Client,
    go: Path,
    monkeypatch: pytest.MonkeyPatch,
    scheme: str,
    size: str,
) -> None:
    PICTURES.mkdir(exist_ok=True)
    monkeypatch.setenv(GO, str(go))
    with visitor(browser, stack.ready.url, viewport=SIZES[size], color_scheme=scheme, storage_state=signed_in) as somebody:
        page = somebody.page
        for name, (handler, reach) in STATES.items():
            with agent(stack, handler, slots=1, spaces=[STUDIO], key=studio_key, name=f"gpu-{uuid.uuid4().hex[:4]}"):
                somebody.go(f"/spaces/{STUDIO}")
                expect(page.locator("[data-state-name]")).to_have_text("Ready")
                if name == "waiting":
                    before = http.post(f"/v1/spaces/{STUDIO}/requests", json={"input": {"prompt": "another"}}).json()["id"]
                    eventually(functools.partial(processing, stack, before), "another one runs")
                if name != "empty":
                    page.get_by_role("button", name="Submit", exact=True).click()
                reach(page)
                page.evaluate("scrollTo(0, 0)")
                page.screenshot(path=PICTURES / f"use-{name}-{scheme}-{size}.png", full_page=True)
                assert somebody.findings() == [], f"{name} {scheme} {size}"
                assert not somebody.overflows(), f"{name} is wider than a {size}"
            http.post(f"/v1/spaces/{STUDIO}/queue/purge")
            for open in http.get("/v1/requests", params={"space": STUDIO, "status": "processing,queued"}).json()["results"]:
                http.post(f"/v1/requests/{open['id']}/cancel")
