"""What a handler yields is what a reader reads, whoever is killed or cut off in between: no gap, no repeat."""

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.support.proxy import Way, proxy
from tests.support.readers import Reader, Seen, check_whole, joined, listening, shown
from tests.support.stack import Stack
from tests.support.world import agent, client, kill_group, link_pid, marker, ready, recorded, spool, types, until


@pytest.fixture(autouse=True)
async def recovered(stack: Stack) -> None:
    await ready(stack)


def reader_of(stack: Stack, request: dict[str, Any]) -> Reader:
    return Reader(stack.ready.urls, stack.ready.api_key, request["id"])


async def check(stack: Stack, directory: Path, reader: Reader, attempts: int = 1) -> None:
    """The reader was shown all that the handler has yielded, and so is whoever reads the finished request."""
    done = check_whole(reader.seen)
    assert (done["status"], done["attempt"]) == ("succeeded", attempts)
    yielded = json.loads((directory / f"yielded-{attempts}").read_text())
    assert shown(reader.seen) == joined(yielded)
    assert done["output"] == joined(yielded)
    assert done["progress"] is None
    assert 0 < done["metrics"]["first_output_s"] < done["metrics"]["total_s"]
    lines = [line for seen in reader.of("log") if seen.data["attempt"] == attempts for line in seen.data["lines"]]
    assert lines == [f"said {n}" for n in range(0, len(yielded), 10)]
    again = ["assigned", "requeued"] * (attempts - 1)
    chain = (await recorded(stack, {done["id"]}))[done["id"]]
    assert types(chain) == ["accepted", *again, "assigned", "succeeded"]


async def test_a_gateway_is_killed_twice(stack: Stack, directory: Path) -> None:
    async with client(stack) as here:
        with agent(stack, "talking", name="steadfast"):
            request = await here.submit({"directory": str(directory)})
            async with listening(reader_of(stack, request)) as reader:
                await reader.heard_more()
                for gateway in range(2):
                    pid = stack.pids("gateway")[gateway]
                    os.kill(pid, signal.SIGKILL)

                    async def replaced(pid: int = pid) -> bool:
                        return pid not in stack.pids("gateway") and len(stack.pids("gateway")) == 2

                    await until(replaced, "the gateway runs again")
                    await reader.heard_more()
                    await ready(stack)
                (directory / "go").touch()
                await reader.to_the_end()
    assert reader.connections > 1
    await check(stack, directory, reader)


async def test_the_agents_connection_process_is_killed_with_output_that_is_not_stored(stack: Stack, directory: Path) -> None:
    async with client(stack) as here, proxy(stack.ready.urls[0]) as network:
        with agent(stack, "talking", urls=[network.url], name="broken-link") as process:
            request = await here.submit({"directory": str(directory)})
            async with listening(reader_of(stack, request)) as reader:
                await reader.heard_more()
                network.lose(Way.TO_SERVER)

                async def some_is_kept() -> bool:
                    return len(spool(stack, "broken-link")) > 3

                await until(some_is_kept, "output waits for its acknowledgement")
                os.kill(link_pid(process), signal.SIGKILL)
                await network.restore()
                await reader.heard_more(20)
                (directory / "go").touch()
                await reader.to_the_end()
    await check(stack, directory, reader)


async def test_the_agents_network_is_cut_for_two_seconds(stack: Stack, directory: Path) -> None:
    async with client(stack) as here, proxy(stack.ready.urls[0]) as network:
        with agent(stack, "talking", urls=[network.url], name="cut-off"):
            request = await here.submit({"directory": str(directory)})
            async with listening(reader_of(stack, request)) as reader:
                await reader.heard_more()
                network.cut()
                await asyncio.sleep(2.0)  # the fault itself
                await network.restore()
                await reader.heard_more()
                (directory / "go").touch()
                await reader.to_the_end()
    await check(stack, directory, reader)


async def test_readers_reconnect_every_second_and_after_each_event(stack: Stack, directory: Path) -> None:
    async with client(stack) as here:
        with agent(stack, "talking", name="much-read"):
            request = await here.submit({"directory": str(directory)})
            restless, every_second, steady = (reader_of(stack, request) for _ in range(3))
            async with listening(restless, enough=has_id), listening(steady), listening(every_second, for_s=1.0):

                async def often() -> bool:
                    return every_second.connections > 5

                await until(often, "five seconds of streaming")
                (directory / "go").touch()
                for reader in (restless, every_second, steady):
                    await reader.to_the_end()
    assert restless.connections >= len(restless.of("output", "progress", "log")), (
        "each event came by a connection of its own"
    )
    for reader in (restless, every_second, steady):
        await check(stack, directory, reader)
    assert restless.of("output", "progress", "log") == steady.of("output", "progress", "log"), "with the same ids"
    for gateway in range(2):
        assert await steady.read(gateway) == "nothing", "after the last event a browser is told to stop"


def has_id(seen: Seen) -> bool:
    return bool(seen.id)


async def test_an_agent_is_killed_and_the_next_attempt_begins_anew(stack: Stack, directory: Path) -> None:
    async with client(stack) as here:
        with agent(stack, "talking", name="mortal") as process:
            request = await here.submit({"directory": str(directory)})
            async with listening(reader_of(stack, request)) as reader:
                await reader.heard_more()
                kill_group(process)
                with agent(stack, "talking", name="mortal"):
                    await marker(directory / "started-2", "it runs again")
                    await reader.heard_more()
                    (directory / "go").touch()
                    await reader.to_the_end()
    events = [seen.event for seen in reader.of("requeued", "output_reset", "assigned")]
    assert events == ["assigned", "requeued", "output_reset", "assigned"]
    await check(stack, directory, reader, attempts=2)


async def test_who_comes_late_is_shown_everything(stack: Stack, directory: Path) -> None:
    async with client(stack) as here:
        with agent(stack, "talking", name="early"):
            request = await here.submit({"directory": str(directory)})
            async with listening(reader_of(stack, request)) as reader:
                await reader.heard_more()
                (directory / "go").touch()
                await reader.to_the_end()
    late = reader_of(stack, request)
    await late.follow(gateway=1)
    await check(stack, directory, late)
    assert [seen for seen in late.seen if seen.event != "completed"] == [
        seen for seen in reader.seen if seen.id and seen.event != "completed"
    ]
