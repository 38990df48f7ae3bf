"""The setup function: which kinds are really called to their end, and which errors are told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from spaces_agent.errors import SetupFailed
from spaces_agent.loading import load


class Model:
    """Loads itself; how is said by its methods."""

    def __init__(self) -> None:
        self.loaded = False

    def load(self) -> None:
        self.loaded = True

    async def __call__(self) -> None:
        await asyncio.sleep(0)
        self.loaded = True


@pytest.mark.parametrize(
    "setup",
    [lambda model: model.load, lambda model: model, lambda model: model.__call__, lambda model: partial(model)],
    ids=["sync", "object", "async", "partial"],
)
async def test_it_is_loaded_when_setup_has_come_to_its_end(setup: Callable[[Model], Any]) -> None:
    model = Model()
    await load(setup(model))
    assert model.loaded


@pytest.mark.parametrize("error", [ValueError("no model"), SystemExit("no model"), StopIteration("no model")], ids=repr)
async def test_whatever_setup_raises_is_told(error: BaseException) -> None:
    def setup() -> None:
        raise error

    with pytest.raises(SetupFailed, match=r"no model|StopIteration"):
        async with asyncio.timeout(60):
            await load(setup)
