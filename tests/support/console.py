"""What people do again and again in the console, and what tests do to the stack behind it."""

import contextlib
import functools
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
from playwright.sync_api import Locator, Page, expect

from tests.support.browser import Visitor
from tests.support.stack import ANSWER_S, ROOT, STOP_S, Stack, eventually

PASSWORD = "correct horse"


def fill_in(page: Page, email: str, password: str, button: str = "Sign in") -> None:
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name=button, exact=True).click()


def join(somebody: Visitor, email: str) -> None:
    """Sign up, which ends on the list of spaces."""
    somebody.go("/sign-up")
    fill_in(somebody.page, email, PASSWORD, "Sign up")
    somebody.page.wait_for_url("**/spaces")


def sign_in(somebody: Visitor, stack: Stack) -> None:
    """As the administrator, which ends on the list of spaces."""
    somebody.go("/sign-in")
    fill_in(somebody.page, stack.ready.admin.email, stack.ready.admin.password)
    somebody.page.wait_for_url("**/spaces")


def calls_of(somebody: Visitor) -> httpx.Client:
    """A client of the API in the session of somebody who is signed in."""
    token = somebody.page.locator("meta[name=csrf-token]").get_attribute("content")
    cookies = {each["name"]: each["value"] for each in somebody.context.cookies()}
    return httpx.Client(base_url=somebody.url, cookies=cookies, headers={"X-CSRF-Token": str(token)}, timeout=ANSWER_S)


def click_twice(button: Locator) -> None:
    """The second click comes before any answer to what the first one does."""
    button.evaluate("(each) => { each.click(); each.click(); }")


def at(somebody: Visitor, path: str) -> None:
    expect(somebody.page).to_have_url(somebody.url + path)


def make_space(somebody: Visitor, id: str) -> None:
    page = somebody.page
    page.get_by_role("link", name="New space").click()
    page.get_by_label("Name").fill(id)
    page.get_by_label("Title").fill(f"Space {id}")
    page.get_by_role("button", name="Make space").click()
    at(somebody, f"/spaces/{id}")


@contextlib.contextmanager
def without(stack: Stack, kind: str) -> Iterator[None]:
    """The only process of a kind is dead until the block ends."""
    (pid,) = stack.pids(kind)
    os.kill(stack.pid, signal.SIGSTOP)  # or it would be started again at once
    try:
        os.kill(pid, signal.SIGKILL)
        yield
    finally:
        os.kill(stack.pid, signal.SIGCONT)
    eventually(lambda: stack.pids(kind) not in ([], [pid]), f"another {kind} is started")
    eventually(functools.partial(serves, stack), f"it serves again after {kind} was dead")


def serves(stack: Stack) -> bool:
    """Whether gateway and registry answer."""
    try:
        headers = {"Authorization": f"Bearer {stack.ready.api_key}"}
        return httpx.get(f"{stack.ready.url}/v1/agents", headers=headers).status_code == 200
    except httpx.HTTPError:
        return False


@contextlib.contextmanager
def agent_as_told(command: str, directory: Path) -> Iterator[None]:
    """Runs the command that the page shows, as a shell would, until the block ends."""
    words = shlex.split(command.replace("\\\n", " "))
    variable, _, key = words[0].partition("=")
    assert words[1:3] == ["spaces-agent", "run"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "agent"), variable: key, "XDG_STATE_HOME": str(directory)}
    process = subprocess.Popen([sys.executable, "-m", "spaces_agent", *words[2:]], env=environment, cwd=directory)
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(STOP_S)
