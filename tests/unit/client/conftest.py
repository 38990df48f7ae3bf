"""Both clients, for tests of what each of them does."""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.clients import CLIENTS, Connect


@pytest.fixture(params=CLIENTS, ids=["blocking", "asynchronous"])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Makes a client, which is closed after the test."""
    with contextlib.ExitStack() as made:
        yield lambda url, key: made.enter_context(contextlib.closing(request.param(url, key)))


@pytest.fixture
def delays(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """No waiting between tries; the delays that there would have been."""
    waited: list[float] = []
    pause = asyncio.sleep

    async def passed(delay_s: float, *_: Any) -> None:
        if delay_s:
            waited.append(delay_s)
        await pause(0)

    monkeypatch.setattr(time, "sleep", waited.append)
    monkeypatch.setattr(asyncio, "sleep", passed)
    return waited
