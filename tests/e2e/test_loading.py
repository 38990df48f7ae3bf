"""An agent that loads is connected, takes no work, and whoever waits is told why."""

from pathlib import Path

import pytest

from tests.support.stack import Stack
from tests.support.world import agent, client, in_stream, marker, types, until


async def test_requests_wait_until_it_has_loaded_and_are_told_so(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = Path(stack.home / "loading")
    directory.mkdir()
    monkeypatch.setenv("TEST_DIRECTORY", str(directory))
    async with client(stack) as here:
        with agent(stack, "counted", name="slow-starter", setup="tests.e2e.handlers:load"):
            await marker(directory / "loading", "it loads")
            request = await here.submit({"n": 1, "hold_s": 0.0})

            async def waits_for_the_agent() -> bool:
                queue = (await here.get(request["id"]))["queue"]
                return bool(queue and queue["reason"] == "agent_loading")

            await until(waits_for_the_agent, "the reason of waiting is shown")
            (directory / "loaded").touch()
            assert (await here.finished(request["id"]))["output"]["n"] == 1
    assert types((await in_stream(stack))[request["id"]]) == ["accepted", "assigned", "succeeded"]


def test_a_setup_that_fails_ends_the_agent_and_says_why(stack: Stack) -> None:
    with agent(stack, "counted", name="broken", setup="tests.e2e.handlers:broken_load") as process:
        assert process.wait(30) == 2
    log = (stack.home / "logs" / "broken.log").read_text()
    assert log.splitlines()[-1] == "spaces-agent: setup failed: MemoryError: the model does not fit"
