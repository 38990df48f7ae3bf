"""Results that were sent, or were about to be, when agent or network died: each is recorded once, and nothing runs twice."""

from pathlib import Path

import pytest

from tests.support.proxy import Way, proxy
from tests.support.readers import Reader, check_whole, shown
from tests.support.stack import Stack
from tests.support.world import agent, client, kill_group, marker, ready, recorded, refused, spool, types, until


@pytest.fixture(autouse=True)
async def recovered(stack: Stack) -> None:
    await ready(stack)


async def result_kept(stack: Stack, name: str) -> None:
    async def on_disk() -> bool:
        return any(b'"type":"result"' in content for content in spool(stack, name).values())

    await until(on_disk, "the agent keeps the result on disk")


async def nothing_kept(stack: Stack, name: str) -> None:
    async def nothing() -> bool:
        return not spool(stack, name)

    await until(nothing, "the agent keeps nothing any more")


async def test_recorded_but_not_acknowledged_and_the_agent_killed(stack: Stack, directory: Path) -> None:
    name = "unheard"
    async with client(stack) as here, proxy(stack.ready.url) as network:
        with agent(stack, "patient", urls=[network.url], name=name) as process:
            request = await here.submit({"directory": str(directory), "n": 1})
            await marker(directory / "started-1", "the handler runs")
            network.lose(Way.TO_CLIENT)
            (directory / "go").touch()
            done = await here.finished(request["id"])
            await result_kept(stack, name)
            kill_group(process)
        await network.restore()
        network.passed[Way.TO_CLIENT].clear()
        (directory / "started-1").unlink()
        with agent(stack, "patient", urls=[network.url], name=name):
            await nothing_kept(stack, name)
            assert b'"already_done"' in network.passed[Way.TO_CLIENT], "so the gateway has answered its second offer"
            after = await here.submit({"directory": str(directory), "n": 2}, wait=30)
        assert await here.get(request["id"]) == done
    assert (done["status"], done["output"], done["attempt"]) == ("succeeded", {"n": 1}, 1)
    assert after["status"] == "succeeded"
    assert not (directory / "started-1").exists(), "it ran once"
    assert types((await recorded(stack, {request["id"]}))[request["id"]]) == ["accepted", "assigned", "succeeded"]
    assert await refused(stack, request["id"]) == []


async def test_on_disk_only_when_the_agent_was_killed(stack: Stack, directory: Path) -> None:
    name = "unsaid"
    async with client(stack) as here, proxy(stack.ready.url) as network:
        with agent(stack, "patient", urls=[network.url], name=name) as process:
            request = await here.submit({"directory": str(directory), "n": 1})
            await marker(directory / "started-1", "the handler runs")
            network.lose(Way.TO_SERVER)
            (directory / "go").touch()
            await result_kept(stack, name)
            assert not (await here.get(request["id"]))["done"], "the gateway cannot know of it"
            kill_group(process)
        await network.restore()
        (directory / "started-1").unlink()
        with agent(stack, "patient", urls=[network.url], name=name):
            done = await here.finished(request["id"])
            await nothing_kept(stack, name)
    assert (done["status"], done["output"], done["attempt"]) == ("succeeded", {"n": 1}, 1)
    assert not (directory / "started-1").exists(), "it ran once"
    assert types((await recorded(stack, {request["id"]}))[request["id"]]) == ["accepted", "assigned", "succeeded"]


async def test_streamed_output_on_disk_comes_with_its_result_after_the_agent_was_killed(
    stack: Stack, directory: Path
) -> None:
    name = "mid-sentence"
    async with client(stack) as here, proxy(stack.ready.url) as network:
        with agent(stack, "words", urls=[network.url], name=name) as process:
            request = await here.submit({"directory": str(directory), "n": 1})
            reader = Reader(stack.ready.urls, stack.ready.api_key, request["id"])
            assert await reader.read(enough=lambda seen: seen.event == "output" and seen.data["index"] > 3) == "enough"
            network.lose(Way.TO_SERVER)
            swallowed = network.swallowed[Way.TO_SERVER]

            async def more_was_said() -> bool:
                return network.swallowed[Way.TO_SERVER] > swallowed + 1000

            await until(more_was_said, "output is lost on the way")
            (directory / "go").touch()
            await marker(directory / "ended-1", "the handler has ended")
            count = int((directory / "ended-1").read_text())
            await result_kept(stack, name)
            kill_group(process)
        await network.restore()
        with agent(stack, "words", urls=[network.url], name=name):
            await reader.follow()
            await nothing_kept(stack, name)
        done = check_whole(reader.seen)
    text = "".join(f"{n} " for n in range(1, count + 1))
    assert (done["status"], done["attempt"]) == ("succeeded", 1)
    assert shown(reader.seen) == text
    assert done["output"] == text
    assert types((await recorded(stack, {request["id"]}))[request["id"]]) == ["accepted", "assigned", "succeeded"]
