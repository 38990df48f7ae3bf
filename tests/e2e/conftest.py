"""A stack, and what tests of the console share. A module that needs another stack has its own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser

from tests.support.browser import running_browser, visitor
from tests.support.console import sign_in
from tests.support.stack import Stack, fresh_home


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with fresh_home() as home, Stack(home, "--no-demo") as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as here:
        yield here


@pytest.fixture(scope="module")
def signed_in(stack: Stack, browser: Browser) -> dict[str, Any]:
    """The cookies of an administrator, whose the stack's own key is as well."""
    with visitor(browser, stack.ready.url) as somebody:
        sign_in(somebody, stack)
        return dict(somebody.context.storage_state())


@pytest.fixture
def http(stack: Stack) -> Iterator[httpx.Client]:
    """The API, with the stack's own key."""
    with stack.calls() as client:
        yield client


@pytest.fixture
def directory(stack: Stack, request: pytest.FixtureRequest) -> Path:
    """Of this test alone, in the home of the stack."""
    path = stack.home / str(request.node.name)
    path.mkdir()
    return path
