"""A real Chromium, driven by Playwright: Debian's own, which `make browser` installs."""

import contextlib
import re
import shutil
from collections.abc import Iterator
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
DEADLINE_MS = 20_000
SERIOUS = {"serious", "critical"}
axe = Axe()
SCRIPTS_RUN = (
    """() => Promise.allSettled([...document.querySelectorAll("script[type=module]")].map(({ src }) => import(src)))"""
)
"""Settles when all scripts of a page have run. That is after its load: they wait for the words of its language."""
UNTOUCHED_BEFORE = f"""{{
  const shield = new CSSStyleSheet();
  shield.replaceSync("html {{ pointer-events: none }}");
  document.adoptedStyleSheets.push(shield);
  addEventListener("load", async () => {{
    await ({SCRIPTS_RUN})();
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((each) => each !== shield);
  }});
}}"""
"""Nothing can be clicked before: who follows a link waits for what the page does, as after `go`."""


def chromium() -> str:
    """Where it is. A missing one is a failure, never a skip."""
    found = shutil.which("chromium")
    assert found is not None, "chromium is missing: run `make browser`"
    return found


@contextlib.contextmanager
def running_browser() -> Iterator[Browser]:
    """A browser with a profile of its own."""
    expect.set_options(timeout=DEADLINE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


class Visitor:
    """Somebody with a browser: cookies of their own, one page. Whatever the page complains of is kept."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.context, self.url = context, url
        self.complaints: list[str] = []
        self._foreseen: list[str] = []
        context.set_default_timeout(DEADLINE_MS)
        context.on("console", self._heard)
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        context.add_init_script(UNTOUCHED_BEFORE)
        self.page: Page = context.new_page()

    def go(self, path: str) -> None:
        """Open a page of the gateway, and wait until its scripts have run."""
        self.page.goto(self.url + path)
        self.page.evaluate(SCRIPTS_RUN)

    def foresees(self, status: int) -> None:
        """The browser may complain that a call was answered with this status: the test means it to be."""
        self._foreseen.append(f"the server responded with a status of {status} ")

    def findings(self) -> list[str]:
        """What is seriously wrong with the page for people who cannot see, hear or point well."""
        response = axe.run(self.page).response
        return [
            f"{found['id']}: {node['target']} {node.get('failureSummary', '')}"
            for found in response["violations"]
            if found["impact"] in SERIOUS
            for node in found["nodes"]
        ]

    def overflows(self) -> bool:
        """Whether the page is wider than the window."""
        over: bool = self.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
        return over

    def _heard(self, message: ConsoleMessage) -> None:
        text = f"{message.type}: {message.text}"
        if message.type in ("error", "warning") and not any(each in text for each in self._foreseen):
            self.complaints.append(f"{text} ({message.location.get('url')})")


@contextlib.contextmanager
def visitor(browser: Browser, url: str, *, uncomplaining: bool = True, **options: Any) -> Iterator[Visitor]:
    """Somebody new. In the end their pages must have complained of nothing, the Content-Security-Policy included."""
    context = browser.new_context(**{"viewport": DESKTOP, "locale": "en-GB", "reduced_motion": "reduce", **options})
    try:
        somebody = Visitor(context, url)
        yield somebody
        assert not (uncomplaining and somebody.complaints), somebody.complaints
    finally:
        context.close()


def outside_catalogue(page: Page) -> list[str]:
    """Texts of a page in the pseudo language that are in no brackets: they do not come from the catalogue. What is marked
    `translate="no"`, names and code, need not."""
    shown: list[str] = page.evaluate(_TEXTS)
    return [text for text in shown if re.search("[A-Za-z]", _unbracketed(text))]


def _unbracketed(text: str) -> str:
    depth, left = 0, ""
    for letter in text:
        depth += letter == "["
        left += letter if depth == 0 else ""
        depth -= letter == "]"
    return left


_TEXTS = """() => {
  const own = (element) => element.closest('[translate=no]') === null;
  const isText = (node) => node.nodeType === Node.TEXT_NODE;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [document.title.split(' · ')[0]];
  while (walker.nextNode()) {
    const parent = walker.currentNode.parentElement;
    const part = parent.closest('script, noscript, template, [data-sentence]') !== null;
    if (!part && own(parent)) found.push(walker.currentNode.data);
  }
  // One text of the catalogue, with elements in it.
  for (const element of document.querySelectorAll('[data-sentence]')) {
    found.push([...element.childNodes].filter(isText).map((node) => node.data).join(''));
  }
  for (const element of document.querySelectorAll('[aria-label], [title], [placeholder], [alt], [data-label]')) {
    for (const name of ['aria-label', 'title', 'placeholder', 'alt', 'data-label']) {
      if (own(element)) found.push(element.getAttribute(name) ?? '');
    }
  }
  return found;
}"""
