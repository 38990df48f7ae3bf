"""An agent whose requests have files: what its handlers get and give, and what is left of it on the disk."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from starlette.responses import Response

from spaces_agent import frames
from tests.support import file_handlers
from tests.support.agents import AgentCommand, agent_command, serving, until
from tests.support.file_server import FileServer, file_server, problem
from tests.support.front import Cut, Front, front
from tests.support.processes import peak_kib
from tests.support.scripted_gateway import ScriptedGateway, Session, scripted_gateway
from tests.support.stack import ROOT

LARGE = ["x" * 1000] * 1000
"""About 1 MB of JSON."""
LARGEST_GROWTH_KIB = 40 * 1024


class World:
    """A gateway, as an agent sees it: a socket and files."""

    def __init__(self, gateway: ScriptedGateway, files: FileServer, front: Front, directory: Path) -> None:
        self.gateway, self.files, self.front, self.directory = gateway, files, front, directory
        self.state = directory / "state"

    def file(self, value: Any) -> frames.FileAccess:
        """A JSON file."""
        return self.files.add(json.dumps(value, separators=(",", ":")).encode(), media_type="application/json")

    @asynccontextmanager
    async def command(self, handler: str, *arguments: str) -> AsyncIterator[tuple[AgentCommand, Session]]:
        """`spaces-agent run` with a handler of tests.support.file_handlers, and its session, ready for work."""
        engine = f"python:tests.support.file_handlers:{handler}"
        async with agent_command(
            self.front.url, state_dir=self.state, directory=ROOT, engine=engine, arguments=list(arguments)
        ) as agent:
            session = await self.gateway.session()
            await session.ready()
            yield agent, session

    def left(self) -> list[Path]:
        """What is left of attempts."""
        return list(self.state.rglob("files/*"))


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with scripted_gateway() as gateway, file_server() as files, front(files.port, gateway.url) as fronting:
        yield World(gateway, files, fronting, tmp_path)


async def outcome(session: Session, lease: int, value: Any, **changes: Any) -> frames.Result:
    await session.assign(lease, value, **changes)
    result = await session.expect(frames.Result, lease)
    await session.acknowledge(result)
    return result


@pytest.mark.parametrize("how", [[], ["--isolate"]], ids=["in a thread", "isolated"])
async def test_files_of_64_mib_go_in_and_out_without_growing_the_process(world: World, how: list[str]) -> None:
    generator = random.Random(2)
    small, large = world.files.add(b"small"), world.files.add(generator.randbytes(64 * 1024 * 1024), name="large.bin")
    async with world.command("copy", *how) as (_, session):
        given = {"upload_url": world.files.upload_url}
        first = await outcome(session, 1, {"files": [small.ref]}, files=(small,), **given)
        pid = msgspec.json.decode(first.output)["pid"]
        before = peak_kib(pid)
        world.front.cuts = [Cut(came=30_000_000), Cut(), Cut(came=40_000_000), Cut(), Cut(sent=30_000_000)]
        result = await outcome(session, 2, {"files": [large.ref]}, files=(large,), **given)
        growth = peak_kib(pid) - before
    assert result.status == "succeeded", result.error
    (ref,) = msgspec.json.decode(result.output)["files"]
    assert hashlib.sha256(world.files.saved(ref)).hexdigest() == large.sha256
    assert world.files.files[ref.rpartition("/")[2]].said["filename"] == "large.bin"
    assert world.front.cuts == []
    print(f"grew by {growth} KiB")
    assert growth < LARGEST_GROWTH_KIB


# Large values


@pytest.mark.parametrize("handler", ["echo", "echo_async"])
async def test_a_large_input_is_brought_and_a_large_output_taken(world: World, handler: str) -> None:
    large = world.file(LARGE)
    async with serving(world.front.url, getattr(file_handlers, handler), world.state):
        session = await world.gateway.session()
        result = await outcome(session, 1, None, input_file=large, upload_url=world.files.upload_url)
        small = await outcome(session, 2, None, input_file=world.file("small"), upload_url=world.files.upload_url)
    saved = world.files.saved(result.output_file)
    assert json.loads(saved) == LARGE
    assert (result.status, bytes(result.output)) == ("succeeded", b"null")
    assert result.sha256 == hashlib.sha256(saved).hexdigest()
    assert world.files.files[result.output_file].said == {"filename": "output.json", "filetype": "application/json"}
    assert (bytes(small.output), small.output_file) == (b'"small"', "")


@pytest.mark.parametrize("handler", ["repeats", "repeats_async"])
async def test_what_a_handler_yields_is_taken_into_a_file_as_well(world: World, handler: str) -> None:
    async with serving(world.front.url, getattr(file_handlers, handler), world.state):
        session = await world.gateway.session()
        large = await outcome(session, 1, 3, upload_url=world.files.upload_url)
        small = await outcome(session, 2, 1, upload_url=world.files.upload_url)
        older = await outcome(session, 3, 3)
    assert (large.status, bytes(large.output)) == ("succeeded", b"null")
    assert json.loads(world.files.saved(large.output_file)) == "".join(file_handlers.repeats(3))
    assert (small.status, small.output_file) == ("succeeded", "")
    assert older.error is not None
    assert older.error.code == "output_too_large"


@pytest.mark.parametrize("isolate", [[], ["--isolate"]])
async def test_the_command_brings_and_takes_large_values(world: World, isolate: list[str]) -> None:
    async with world.command("echo", *isolate) as (_, session):
        result = await outcome(session, 1, None, input_file=world.file(LARGE), upload_url=world.files.upload_url)
    assert json.loads(world.files.saved(result.output_file)) == LARGE


async def test_an_output_is_never_larger_than_8_mib(world: World) -> None:
    async with serving(world.front.url, lambda value: "x" * value, world.state):
        session = await world.gateway.session()
        over = await outcome(session, 1, frames.MAX_VALUE_BYTES - 1, upload_url=world.files.upload_url)
        just = await outcome(session, 2, frames.MAX_VALUE_BYTES - 2, upload_url=world.files.upload_url)
    assert over.error is not None
    assert over.error.code == "output_too_large"
    assert "context.files.save" in over.error.message
    assert len(world.files.saved(just.output_file)) == frames.MAX_VALUE_BYTES


async def test_an_older_gateway_gets_what_fits_into_a_result(world: World) -> None:
    async with serving(world.front.url, lambda value: "x" * value, world.state):
        session = await world.gateway.session()
        over = await outcome(session, 1, frames.MAX_INLINE_BYTES - 1)
        just = await outcome(session, 2, frames.MAX_INLINE_BYTES - 2)
    assert over.error is not None
    assert over.error.code == "output_too_large"
    assert just.status == "succeeded"
    assert world.files.asked == []


@pytest.mark.parametrize("handler", ["echo", "echo_async"])
@pytest.mark.parametrize(
    ("answer", "code", "retryable"),
    [(problem(410, "expired"), "data_expired", False), (problem(403, "no"), "handler_error", True)],
    ids=["gone", "refused"],
)
async def test_without_its_input_a_request_fails(
    world: World, handler: str, answer: Response, code: str, retryable: bool
) -> None:
    world.files.answers = [answer]
    async with serving(world.front.url, getattr(file_handlers, handler), world.state):
        session = await world.gateway.session()
        result = await outcome(session, 1, None, input_file=world.file(LARGE))
    assert result.error is not None
    assert (result.error.code, result.error.retryable) == (code, retryable)


async def test_an_input_that_is_not_json_fails_its_request(world: World) -> None:
    async with serving(world.front.url, file_handlers.echo, world.state):
        session = await world.gateway.session()
        result = await outcome(session, 1, None, input_file=world.files.add(b"{"))
    assert result.status == "failed"


async def test_a_cancel_ends_bringing_the_input(world: World) -> None:
    world.front.cuts = [Cut(came=300_000, stall=True)]
    async with serving(world.front.url, file_handlers.echo, world.state):
        session = await world.gateway.session()
        assign = await session.assign(1, None, input_file=world.file(LARGE))
        await asyncio.wait_for(world.front.stalled.wait(), 60)
        await session.send(frames.Cancel(request_id=assign.request_id, attempt=1, lease=1, reason="canceled"))
        await session.expect(frames.Stopped, 1)


# Temporary files


async def said_first(session: Session, lease: int) -> tuple[int, Path]:
    """The process of a handler and its file, which it has told."""
    ((pid, path),) = msgspec.json.decode((await session.expect(frames.Output, lease)).data)
    return pid, Path(path)


async def test_nothing_is_left_when_a_handler_fails_or_is_canceled(world: World) -> None:
    file = world.files.add(b"some")
    async with serving(world.front.url, file_handlers.fails, world.state):
        result = await outcome(await world.gateway.session(), 1, file.ref, files=(file,))
        assert Path(result.log_tail).is_relative_to(world.state)
        await until(lambda: not world.left(), "the files are removed")
    async with serving(world.front.url, file_handlers.waits, world.state):
        session = await world.gateway.session()
        assign = await session.assign(2, file.ref, files=(file,))
        _, path = await said_first(session, 2)
        assert path.read_bytes() == b"some"
        await session.send(frames.Cancel(request_id=assign.request_id, attempt=1, lease=2, reason="canceled"))
        await session.expect(frames.Stopped, 2)
        await until(lambda: not world.left(), "the files are removed")


@pytest.mark.parametrize("how", ["killed from outside", "killed after its grace"])
async def test_what_a_killed_worker_leaves_is_removed_by_the_agent(
    world: World, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_DIRECTORY", str(world.directory))
    file = world.files.add(b"some")
    async with world.command("deaf", "--isolate") as (_, session):
        assign = await session.assign(1, file.ref, files=(file,))
        pid, path = await said_first(session, 1)
        (world.directory / "hold").touch()
        await until((world.directory / "holding").exists, "the handler holds the lock")
        assert path.exists()
        if how == "killed from outside":
            os.kill(pid, signal.SIGKILL)
            await session.expect(frames.Result, 1)
        else:
            cancel = frames.Cancel(request_id=assign.request_id, attempt=1, lease=1, reason="canceled", grace_s=0.3)
            await session.send(cancel)
            await session.expect(frames.Stopped, 1)
        await until(lambda: not world.left(), "the files are removed")


@pytest.mark.parametrize("isolate", [[], ["--isolate"]])
async def test_what_a_killed_agent_leaves_is_removed_at_its_next_start(world: World, isolate: list[str]) -> None:
    file = world.files.add(b"some")
    async with world.command("waits", *isolate) as (agent, session):
        await session.assign(1, file.ref, files=(file,))
        _, path = await said_first(session, 1)
        agent.signal(signal.SIGKILL)
        await agent.ended()
        assert path.exists()
        async with world.command("waits", "--name", "another"):
            assert path.exists()
        async with world.command("waits", *isolate):
            assert not path.exists()
            assert world.left() == []
