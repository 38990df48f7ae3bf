"""A cancel reaches the handler, and its slot is free when the handler has stopped."""

import os
import signal
from pathlib import Path

import pytest

from tests.support.stack import Stack
from tests.support.world import agent, client, in_stream, marker, ready, recorded, types


@pytest.fixture
def directory(stack: Stack, request: pytest.FixtureRequest) -> Path:
    path = stack.home / str(request.node.name).replace("[", "-").rstrip("]")
    path.mkdir()
    return path


@pytest.mark.parametrize("handler", ["patient", "patient_async"])
async def test_a_running_handler_is_told_and_the_next_one_starts_when_it_has_ended(
    stack: Stack, directory: Path, handler: str
) -> None:
    await ready(stack)
    async with client(stack, 0) as here, client(stack, 1) as there:
        with agent(stack, handler, slots=1, gateways=[1], name=f"agent-{handler}"):
            first = await here.submit({"directory": str(directory), "n": 1})
            await marker(directory / "started-1", "the handler runs")
            second = await here.submit({"directory": str(directory), "n": 2})
            canceled = await there.act(first["id"], "cancel")
            assert (canceled["status"], canceled["output"], canceled["error"]) == ("canceled", None, None)
            await marker(directory / "ended-1", "the handler was told")
            await marker(directory / "started-2", "the slot is free again")
            await there.act(second["id"], "cancel")
            await marker(directory / "ended-2", "so was the second one")
    chain = (await recorded(stack, {first["id"]}))[first["id"]]
    assert types(chain) == ["accepted", "assigned", "canceled"]
    assert (directory / "ended-1").read_text() == "canceled"


async def test_a_late_result_of_a_canceled_request_is_refused_and_shown(stack: Stack, directory: Path) -> None:
    async with client(stack) as here:
        with agent(stack, "marked", slots=1, name="deaf"):  # looks at no flag: it ends when it likes
            first = await here.submit({"directory": str(directory)})
            await marker(directory / "started-1", "the handler runs")
            waiting = await here.submit({"directory": str(directory)})
            await here.act(first["id"], "cancel")
            assert (await here.get(waiting["id"]))["status"] == "queued", "the slot is taken until the handler has ended"
            (directory / "go").touch()
            assert (await here.finished(waiting["id"]))["status"] == "succeeded"
        assert (await here.get(first["id"]))["status"] == "canceled"
    assert types((await in_stream(stack))[first["id"]]) == ["accepted", "assigned", "canceled"]


async def test_a_cancel_reaches_the_handler_while_no_dispatcher_runs(stack: Stack, directory: Path) -> None:
    async with client(stack) as here:
        with agent(stack, "patient", slots=1, name="orphan"):
            request = await here.submit({"directory": str(directory), "n": 1})
            await marker(directory / "started-1", "the handler runs")
            os.kill(stack.pids("dispatcher")[0], signal.SIGKILL)
            await here.act(request["id"], "cancel")
            await marker(directory / "ended-1", "the handler was told")
            (directory / "go").touch()
            again = await here.act(request["id"], "retry", wait=30)
            assert (again["status"], again["retry_of"]) == ("succeeded", request["id"])
