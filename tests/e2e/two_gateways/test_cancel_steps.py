"""A cancel at every step of a request's life, also when the dispatcher is killed right after it: it is recorded once, the
handler is told, and the slot serves the next request."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.proxy import Way, proxy
from tests.support.stack import Stack
from tests.support.world import Client, agent, client, link_pid, marker, ready, recorded, refused, spool, types, until


class Scene:
    """What a step works with: a directory for markers, clients of both gateways, an agent of a name of its own."""

    def __init__(self, stack: Stack, here: Client, directory: Path) -> None:
        self.stack, self.here, self.directory = stack, here, directory
        self.name = directory.name

    def agent(self, handler: str, **options: Any) -> contextlib.AbstractContextManager[Any]:
        return agent(self.stack, handler, slots=1, name=self.name, **options)

    async def submit(self, n: int) -> str:
        request = await self.here.submit({"directory": str(self.directory), "n": n})
        return str(request["id"])

    async def started(self, n: int) -> None:
        await marker(self.directory / f"started-{n}", f"handler {n} has started")

    async def ended(self, n: int) -> None:
        await marker(self.directory / f"ended-{n}", f"handler {n} has ended")

    def never_started(self, n: int) -> bool:
        return not (self.directory / f"started-{n}").exists()

    async def next_one_runs(self, n: int) -> None:
        """The agent has one slot: what it starts next shows that the slot is free."""
        rid = await self.submit(n)
        (self.directory / "go").touch()
        assert (await self.here.finished(rid))["status"] == "succeeded"


Step = Callable[[Scene], contextlib.AbstractAsyncContextManager[str]]


@contextlib.asynccontextmanager
async def queued_without_an_agent(scene: Scene) -> AsyncIterator[str]:
    yield await scene.submit(1)
    with scene.agent("patient"):
        await scene.next_one_runs(2)
    assert scene.never_started(1)


@contextlib.asynccontextmanager
async def queued_behind_others(scene: Scene) -> AsyncIterator[str]:
    with scene.agent("patient"):
        first = await scene.submit(1)
        await scene.started(1)
        second, third = await scene.submit(2), await scene.submit(3)
        yield second
        await scene.next_one_runs(4)
        assert [(await scene.here.finished(rid))["status"] for rid in (first, third)] == ["succeeded"] * 2
    assert scene.never_started(2)


@contextlib.asynccontextmanager
async def waiting_for_an_agent_that_loads(scene: Scene) -> AsyncIterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEST_DIRECTORY", str(scene.directory))
        with scene.agent("patient", setup="tests.e2e.handlers:load"):
            await marker(scene.directory / "loading", "it loads")
            yield await scene.submit(1)
            (scene.directory / "loaded").touch()
            await scene.next_one_runs(2)
    assert scene.never_started(1)


@contextlib.asynccontextmanager
async def assigned_and_not_started(scene: Scene) -> AsyncIterator[str]:
    with scene.agent("patient") as process:
        await scene.next_one_runs(0)
        (scene.directory / "go").unlink()
        link = link_pid(process)
        os.kill(link, signal.SIGSTOP)
        try:
            rid = await scene.submit(1)
            await until(lambda: processing(scene.here, rid), "it is assigned")
            yield rid
        finally:
            os.kill(link, signal.SIGCONT)
        await scene.next_one_runs(2)
        if not scene.never_started(1):
            await scene.ended(1)
            assert (scene.directory / "ended-1").read_text() == "canceled"


async def processing(here: Client, rid: str) -> bool:
    return bool((await here.get(rid))["status"] == "processing")


def running(handler: str) -> Step:
    @contextlib.asynccontextmanager
    async def step(scene: Scene) -> AsyncIterator[str]:
        with scene.agent(handler):
            rid = await scene.submit(1)
            await scene.started(1)
            yield rid
            await scene.ended(1)
            second = await scene.submit(2)
            await scene.started(2)
            await scene.here.act(second, "cancel")
            await scene.ended(2)

    return step


@contextlib.asynccontextmanager
async def running_apart_and_deaf(scene: Scene) -> AsyncIterator[str]:
    with scene.agent("deaf", isolate=True):
        rid = await scene.submit(1)
        await scene.started(1)
        yield rid
        second = await scene.submit(2)
        await scene.started(2)
        pids = [(scene.directory / f"started-{n}").read_text() for n in (1, 2)]
        assert not Path(f"/proc/{pids[0]}").exists(), "its process was killed"
        assert Path(f"/proc/{pids[1]}").exists()
        await scene.here.act(second, "cancel")


@contextlib.asynccontextmanager
async def its_result_is_on_the_way(scene: Scene) -> AsyncIterator[str]:
    async with proxy(scene.stack.ready.urls[1]) as network:
        with scene.agent("patient", urls=[network.url]):
            rid = await scene.submit(1)
            await scene.started(1)
            await network.throttle(Way.TO_SERVER, 0)
            (scene.directory / "go").touch()
            await until(lambda: kept(scene), "the result waits for its acknowledgement")
            yield rid
            await network.restore()
            await until(lambda: nothing_kept(scene), "the agent has forgotten the result")
            await scene.next_one_runs(2)
    assert [(one.data["frame"], one.data["reason"]) for one in await refused(scene.stack, rid)] == [("result", "superseded")]


async def kept(scene: Scene) -> bool:
    return bool(spool(scene.stack, scene.name))


async def nothing_kept(scene: Scene) -> bool:
    return not spool(scene.stack, scene.name)


STEPS: dict[str, Step] = {
    "queued": queued_without_an_agent,
    "behind-others": queued_behind_others,
    "agent-loads": waiting_for_an_agent_that_loads,
    "just-assigned": assigned_and_not_started,
    "runs-in-a-thread": running("patient"),
    "runs-in-the-loop": running("patient_async"),
    "yields-in-a-thread": running("words"),
    "yields-in-the-loop": running("words_async"),
    "runs-apart": running_apart_and_deaf,
    "result-sent": its_result_is_on_the_way,
}


@pytest.mark.parametrize("dispatcher", ["lives", "killed"])
@pytest.mark.parametrize("step", STEPS)
async def test_canceled_at_this_step(stack: Stack, step: str, dispatcher: str) -> None:
    directory = stack.home / f"{step}-{dispatcher}"
    directory.mkdir()
    await ready(stack)
    async with client(stack) as here, STEPS[step](Scene(stack, here, directory)) as rid:
        pid = stack.pids("dispatcher")[0]
        if dispatcher == "killed":
            os.kill(pid, signal.SIGSTOP)  # so that it cannot have heard of the cancel
        canceled = await here.act(rid, "cancel")
        if dispatcher == "killed":
            os.kill(pid, signal.SIGKILL)
        assert (canceled["status"], canceled["output"], canceled["error"]) == ("canceled", None, None)
        assert (await here.act(rid, "cancel")) == canceled, "canceling again changes nothing"
    chain = types((await recorded(stack, {rid}))[rid])
    assigned = step not in ("queued", "behind-others", "agent-loads")
    assert chain == ["accepted", *(["assigned"] if assigned else []), "canceled"]


async def test_one_that_has_ended_stays_as_it_is(stack: Stack) -> None:
    await ready(stack)
    async with client(stack) as here:
        with agent(stack, "counted", name="quick"):
            done = await here.submit({"n": 1, "hold_s": 0.0}, wait=30)
        answer = await here.http.post(f"/v1/requests/{done['id']}/cancel")
        assert (answer.status_code, answer.json()["code"]) == (409, "already_done")
        assert await here.get(done["id"]) == done


async def test_results_and_cancels_race_and_each_request_ends_in_one_way_only(stack: Stack) -> None:
    directory = stack.home / "race"
    directory.mkdir()
    await ready(stack)
    async with client(stack, 0) as here, client(stack, 1) as there:
        with agent(stack, "patient", slots=16, gateways=[1], name="racer"):
            inputs = [{"directory": str(directory), "n": n} for n in range(16)]
            rids = [(await here.submit(input))["id"] for input in inputs]
            for n in range(16):
                await marker(directory / f"started-{n}", "it runs")
            (directory / "go").touch()
            clients = (here, there)
            cancels = (clients[n % 2].http.post(f"/v1/requests/{rid}/cancel") for n, rid in enumerate(rids))
            answers = await asyncio.gather(*cancels)
            done = [await here.finished(rid) for rid in rids]
            assert (await here.submit({"directory": str(directory), "n": 16}, wait=30))["status"] == "succeeded"
    chains = await recorded(stack, set(rids))
    for rid, answer, request in zip(rids, answers, done, strict=True):
        assert answer.status_code == (200 if request["status"] == "canceled" else 409), answer.text
        assert types(chains[rid]) == ["accepted", "assigned", request["status"]]
