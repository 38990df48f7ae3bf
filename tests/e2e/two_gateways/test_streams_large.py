"""A handler that yields megabytes: its reader gets all of them, and it waits for a platform that does not keep up."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spaces_agent import frames
from tests.support.proxy import Way, proxy
from tests.support.readers import Reader, check_whole, listening, shown
from tests.support.stack import Stack
from tests.support.world import agent, client, marker, ready, spool, until

WHOLE = "begun " + "".join(f"{number:>65535} " for number in range(127))
WINDOW_CHUNKS = frames.OUTPUT_WINDOW_BYTES // 65536


@pytest.fixture
async def directory(stack: Stack, request: pytest.FixtureRequest) -> Path:
    await ready(stack)
    path = stack.home / str(request.node.name)
    path.mkdir()
    return path


def count(directory: Path) -> int:
    path = directory / "count"
    return int(path.read_text() or 0) if path.exists() else 0


async def waits(stack: Stack, name: str, directory: Path) -> None:
    """Wait until the handler waits, with what it has said on the agent's disk."""

    async def full() -> bool:
        return count(directory) >= WINDOW_CHUNKS - 3 and bool(spool(stack, name))

    await until(full, "it has yielded all that it may")
    assert count(directory) <= WINDOW_CHUNKS


@contextlib.contextmanager
def paused(pid: int) -> Iterator[None]:
    """A process stands still until the end of the block."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def end_of(stack: Stack, request: dict[str, Any]) -> dict[str, Any]:
    """The request at its end, as a reader is shown it that sees it all."""
    async with listening(Reader(stack.ready.urls, stack.ready.api_key, request["id"])) as reader:
        await reader.to_the_end()
    assert shown(reader.seen) == WHOLE
    return check_whole(reader.seen)


async def test_a_handler_yields_8_mib_and_its_reader_gets_them(stack: Stack, directory: Path) -> None:
    (directory / "go").touch()
    async with client(stack) as here:
        with agent(stack, "flooding"):
            request = await here.submit({"directory": str(directory)})
            done = await end_of(stack, request)
    assert (done["status"], done["output"]) == ("succeeded", WHOLE)


async def test_it_waits_while_nothing_can_be_stored_and_goes_on_then(stack: Stack, directory: Path) -> None:
    async with client(stack) as here:
        with agent(stack, "flooding", name="waiting"):
            request = await here.submit({"directory": str(directory)})
            async with listening(Reader(stack.ready.urls, stack.ready.api_key, request["id"])) as reader:
                await reader.heard_more(1)
                [nats] = stack.pids("nats")
                with paused(nats):
                    (directory / "go").touch()
                    await waits(stack, "waiting", directory)
                await reader.to_the_end()
            done = await end_of(stack, request)
    assert shown(reader.seen) == WHOLE
    assert (done["status"], done["attempt"], done["output"]) == ("succeeded", 1, WHOLE)


async def test_the_execution_timeout_ends_a_handler_that_waits(stack: Stack, directory: Path) -> None:
    async with client(stack) as here, proxy(stack.ready.urls[0]) as network:
        with agent(stack, "flooding", urls=[network.url], name="cut-off"):
            request = await here.submit({"directory": str(directory)}, policy={"execution_timeout_s": 15})
            async with listening(Reader(stack.ready.urls, stack.ready.api_key, request["id"])) as reader:
                await reader.heard_more(1)
                network.lose(Way.TO_SERVER)
                (directory / "go").touch()
                await waits(stack, "cut-off", directory)
                await reader.to_the_end()
            await marker(directory / "ended", "the handler has ended")
    done = check_whole(reader.seen)
    assert (done["status"], done["error"]["code"]) == ("failed", "execution_timeout")
    assert count(directory) <= WINDOW_CHUNKS
