"""Administrators that are made by who runs the platform."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.support.stack import Stack, fresh_home, spaces

EMAIL, PASSWORD, CHOSEN = "boss@example.org", "very secret words", "chosen words"
ANSWER_S = 20.0


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    variables: dict[str, Any] = {"WS_ADMIN_EMAIL": EMAIL, "WS_ADMIN_PASSWORD": PASSWORD, "WS_SIGN_UP": "closed"}
    with fresh_home() as home, Stack(home, "--no-demo", **variables) as running:
        yield running


def role(stack: Stack, email: str, password: str) -> str:
    """Who signs in is what?"""
    body = {"email": email, "password": password}
    answer = requests.post(f"{stack.ready.url}/v1/session", json=body, timeout=ANSWER_S)
    return str(answer.json()["user"]["role"]) if answer.status_code == 201 else answer.json()["code"]


def create(stack: Stack, email: str, password: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "services.cli", "admin", "create", email, "--home", str(stack.home), "--password-stdin"]
    return subprocess.run(command, input=f"{password}\n", capture_output=True, text=True, check=False, timeout=60)


def test_the_settings_name_an_administrator_whose_password_is_in_no_log(stack: Stack) -> None:
    assert role(stack, EMAIL, PASSWORD) == "admin"
    written = "".join(path.read_text() for path in (stack.home / "logs").iterdir())
    assert "made the administrator of WS_ADMIN_EMAIL" in written
    assert PASSWORD not in written


def test_an_administrator_is_made_by_a_command(stack: Stack) -> None:
    for _ in range(2):
        done = create(stack, "new@example.org", CHOSEN)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.endswith("  new@example.org  admin\n")
    assert role(stack, "new@example.org", CHOSEN) == "admin"


@pytest.mark.parametrize(
    ("email", "password", "said"),
    [
        ("new@example.org", "other words", "exists already"),
        ("no address", CHOSEN, "no e-mail address"),
        ("short@example.org", "short", "8 to 1024 characters"),
    ],
)
def test_what_cannot_be_an_administrator_is_refused(stack: Stack, email: str, password: str, said: str) -> None:
    assert create(stack, "new@example.org", CHOSEN).returncode == 0
    done = create(stack, email, password)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert password not in done.stderr or password == "short"


def test_where_sign_up_is_closed_nobody_joins(stack: Stack) -> None:
    body = {"email": "x@example.org", "password": CHOSEN}
    answer = requests.post(f"{stack.ready.url}/v1/users/sign-up", json=body, timeout=ANSWER_S)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_without_a_terminal_or_a_stack_the_command_says_what_to_do() -> None:
    with fresh_home() as home:
        done = spaces("admin", "create", EMAIL, "--home", str(home))
        assert (done.returncode, "--password-stdin" in done.stderr) == (2, True)
        command = [sys.executable, "-m", "services.cli", "admin", "create", EMAIL, "--home", str(home), "--password-stdin"]
        down = subprocess.run(command, input=PASSWORD, capture_output=True, text=True, check=False, timeout=60)
        assert (down.returncode, "start it with `spaces up`" in down.stderr) == (2, True)
