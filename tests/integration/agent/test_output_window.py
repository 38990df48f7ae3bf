"""A handler that yields faster than gateways store waits for them, through all that may happen meanwhile, and its agent does
not grow."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from spaces_agent import frames
from tests.support import file_handlers
from tests.support.agents import AgentCommand, agent_command, until
from tests.support.file_server import FileServer, file_server
from tests.support.front import Front, front
from tests.support.processes import children, peak_kib
from tests.support.scripted_gateway import ScriptedGateway, Session, resend_from, scripted_gateway, welcome
from tests.support.stack import ROOT

MIB = 1024 * 1024
CHUNK_BYTES = 64 * 1024
WINDOW_CHUNKS = frames.OUTPUT_WINDOW_BYTES // CHUNK_BYTES
CHUNKS = 2 * WINDOW_CHUNKS - 1
"""Just below the 8 MiB of the largest output."""
WHOLE = "".join(file_handlers.repeats(CHUNKS))
HOW = pytest.mark.parametrize(
    ("handler", "arguments"),
    [("fills", []), ("fills_async", []), ("fills", ["--isolate"]), ("fills_async", ["--isolate"])],
    ids=["in a thread", "async", "isolated", "isolated async"],
)
MANY_BYTES, SLOTS, LATE_FRAMES = 512 * MIB, 2, 24
LARGEST_GROWTH_KIB = {"agent": 112 * 1024, "link": 32 * 1024, "worker": 64 * 1024}
"""For SLOTS handlers, each with 4 MiB that wait to be stored and an output of 8 MiB."""


class Waiting:
    """An agent at a gateway that stores nothing by itself, with a handler that has yielded all that it may."""

    def __init__(self, world: World, agent: AgentCommand, session: Session) -> None:
        self.world, self.agent, self.session = world, agent, session

    @property
    def count(self) -> int:
        path = self.world.count
        return path.stat().st_size if path.exists() else 0

    @property
    def closed(self) -> bool:
        return self.world.count.with_suffix(".closed").exists()

    async def waits(self) -> None:
        """Wait until it has yielded about all that it may, and something of that has been on its way for half a second."""
        await until(lambda: self.count >= WINDOW_CHUNKS - 3, "it yields")
        await until(lambda: list(self.world.state.glob("*/*/spool/*")), "what is not stored is written to disk")
        assert WINDOW_CHUNKS - 3 <= self.count <= WINDOW_CHUNKS

    async def whole(self, session: Session) -> str:
        """Store each frame as it comes, from the first on: the text of all."""
        text, index = "", 0
        while len(text) < len(WHOLE):
            output = await session.expect(frames.Output, 1)
            assert output.index == index + 1
            text, index = text + json.loads(bytes(output.data)), output.index
            await session.store(1, index)
        return text


class World:
    """A gateway of which the test decides what it stores, files, and a place to count in."""

    def __init__(self, gateway: ScriptedGateway, files: FileServer, front: Front, directory: Path) -> None:
        self.gateway, self.files, self.front = gateway, files, front
        self.state, self.count = directory / "state", directory / "count"

    @asynccontextmanager
    async def waiting(self, handler: str, *arguments: str) -> AsyncIterator[Waiting]:
        """A request whose handler waits."""
        async with self.command(handler, *arguments) as agent:
            session = await ready(self.gateway)
            await session.assign(1, {"count": str(self.count), "chunks": CHUNKS}, upload_url=self.files.upload_url)
            waiting = Waiting(self, agent, session)
            await waiting.waits()
            yield waiting

    @asynccontextmanager
    async def command(self, handler: str, *arguments: str) -> AsyncIterator[AgentCommand]:
        engine = f"python:tests.support.file_handlers:{handler}"
        async with agent_command(
            self.front.url, state_dir=self.state, directory=ROOT, engine=engine, arguments=list(arguments)
        ) as agent:
            yield agent

    async def check(self, session: Session) -> None:
        """The output of the first request is what was yielded."""
        result = await session.expect(frames.Result, 1)
        assert result.status == "succeeded", result.error
        assert json.loads(self.files.saved(result.output_file)) == WHOLE
        await session.acknowledge(result)
        await until(lambda: not list(self.state.glob("*/*/spool/*")), "nothing is left on disk")


async def ready(gateway: ScriptedGateway) -> Session:
    """The session of an agent that takes work."""
    session = await gateway.session()
    await session.ready()
    return session


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with scripted_gateway() as gateway, file_server() as files, front(files.port, gateway.url) as fronting:
        yield World(gateway, files, fronting, tmp_path)


@HOW
async def test_a_handler_waits_and_goes_on_when_its_output_is_stored(
    world: World, handler: str, arguments: list[str]
) -> None:
    async with world.waiting(handler, *arguments) as waiting:
        assert await waiting.whole(waiting.session) == WHOLE
        await world.check(waiting.session)
    assert waiting.count == CHUNKS


@HOW
async def test_a_cancel_ends_a_handler_that_waits(world: World, handler: str, arguments: list[str]) -> None:
    async with world.waiting(handler, *arguments) as waiting:
        rid = (await waiting.session.expect(frames.Output, 1)).request_id
        cancel = frames.Cancel(request_id=rid, attempt=1, lease=1, reason="canceled", grace_s=1000.0)
        await waiting.session.send(cancel)
        assert (await waiting.session.expect(frames.Stopped, 1)).outcome == "stopped"
        assert waiting.closed
        assert waiting.count <= WINDOW_CHUNKS
        await waiting.session.assign(2, {"count": str(world.count), "chunks": 1}, upload_url=world.files.upload_url)
        assert (await waiting.session.expect(frames.Result, 2)).status == "succeeded"


@HOW
async def test_it_waits_while_there_is_no_gateway_and_goes_on_at_the_next(
    world: World, handler: str, arguments: list[str]
) -> None:
    async with world.waiting(handler, *arguments) as waiting:
        world.gateway.answers_hello = False
        waiting.session.cut()
        unwelcome = await world.gateway.session()
        assert [work.state for work in unwelcome.hello.in_flight] == ["running"]
        assert waiting.count <= WINDOW_CHUNKS
        world.gateway.answers_hello, world.gateway.welcome = True, resend_from(1)
        unwelcome.cut()
        session = await world.gateway.session()
        assert await waiting.whole(session) == WHOLE
        await world.check(session)


@HOW
async def test_a_verdict_to_stop_ends_it_when_the_agent_is_back(world: World, handler: str, arguments: list[str]) -> None:
    async with world.waiting(handler, *arguments) as waiting:

        def stop(hello: frames.Hello) -> frames.Welcome:
            answer = welcome(hello)
            verdicts = [msgspec.structs.replace(verdict, verdict="stop") for verdict in answer.verdicts]
            return msgspec.structs.replace(answer, verdicts=verdicts)

        world.gateway.welcome = stop
        waiting.session.cut()
        session = await world.gateway.session()
        assert (await session.expect(frames.Stopped, 1)).outcome == "stopped"
        assert waiting.closed


@HOW
async def test_an_agent_that_is_told_to_end_does_not_wait_with_it(world: World, handler: str, arguments: list[str]) -> None:
    async with world.waiting(handler, *arguments, "--drain-s", "0.5") as waiting:
        waiting.agent.signal(signal.SIGTERM)
        status, _ = await waiting.agent.ended()
    assert status == 0


@HOW
async def test_the_agents_connection_process_is_killed_while_a_handler_waits(
    world: World, handler: str, arguments: list[str]
) -> None:
    async with world.waiting(handler, *arguments) as waiting:
        world.gateway.welcome = resend_from(1)
        os.kill(await waiting.agent.link_pid(), signal.SIGKILL)
        session = await world.gateway.session()
        assert await waiting.whole(session) == WHOLE
        await world.check(session)


# Memory


def processes(pid: int) -> dict[int, str]:
    """The processes of an agent, by what they are."""
    kinds = {child: "link" if b"spaces_agent.link" in line else "worker" for child, line in children(pid).items()}
    return {pid: "agent"} | kinds


async def store_late(session: Session, lease: int) -> frames.Result:
    """Store the output of a request as late as it goes on nevertheless; its result."""
    stored = came = 0
    while True:
        frame = await session.expect(frames.RequestFrame, lease)
        if isinstance(frame, frames.Result):
            assert frame.last_index == came
            await session.store(lease, came)
            return frame
        came = frame.index if isinstance(frame, frames.Output) else came
        if came - stored >= LATE_FRAMES:
            stored = came - LATE_FRAMES // 2
            await session.store(lease, stored)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("arguments", [[], ["--isolate"]], ids=["in a thread", "isolated"])
async def test_512_mib_that_are_stored_late_do_not_let_an_agent_grow(world: World, arguments: list[str]) -> None:
    async with world.command("repeats", "--slots", str(SLOTS), *arguments) as agent:
        session = await ready(world.gateway)

        async def one(lease: int, chunks: int) -> None:
            await session.assign(lease, chunks, upload_url=world.files.upload_url)
            result = await store_late(session, lease)
            assert result.status == "succeeded", result.error
            if result.output_file:
                assert len(world.files.saved(result.output_file)) == chunks * CHUNK_BYTES + len('""')
                del world.files.files[result.output_file]
            await session.acknowledge(result)

        async def slot(first: int) -> None:
            for lease in range(first, MANY_BYTES // (CHUNKS * CHUNK_BYTES) + 1, SLOTS):
                await one(lease, CHUNKS)

        await asyncio.gather(*(one(1000 + number, 3) for number in range(SLOTS)))
        before = {pid: peak_kib(pid) for pid in processes(agent.pid)}
        await asyncio.gather(*(slot(first) for first in range(1, SLOTS + 1)))
        grown = [(kind, peak_kib(pid) - before[pid]) for pid, kind in processes(agent.pid).items() if pid in before]
    print(arguments, {f"{kind} {number}": kib for number, (kind, kib) in enumerate(grown)})
    assert len(grown) == (2 + SLOTS if arguments else 2)
    assert all(kib < LARGEST_GROWTH_KIB[kind] for kind, kib in grown), grown
