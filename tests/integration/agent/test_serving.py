"""An agent with its link against a real WebSocket server: handlers and what becomes of their outcome."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from spaces_agent import Agent, Context, frames
from spaces_agent.errors import SetupFailed
from tests.support.agents import KEY, agent_command, serving
from tests.support.processes import children
from tests.support.scripted_gateway import ScriptedGateway, Session, welcome


async def outcome(session: Session, lease: int, value: Any, **changes: Any) -> frames.Result:
    """Assign, and see it accepted, answered and acknowledged."""
    await session.assign(lease, value, **changes)
    await session.expect(frames.Accept, lease)
    result = await session.expect(frames.Result, lease)
    await session.acknowledge(result)
    return result


async def test_a_request_is_run_and_its_output_sent_back(gateway: ScriptedGateway, tmp_path: Path) -> None:
    async with serving(gateway.url, lambda value: {"double": value["x"] * 2}, tmp_path):
        session = await gateway.session()
        assert session.key == f"Bearer {KEY}"
        result = await outcome(session, 1, {"x": 21})
    assert result.status == "succeeded"
    assert bytes(result.output) == b'{"double":42}'
    assert result.sha256 == hashlib.sha256(b'{"double":42}').hexdigest()


async def test_an_async_handler_is_awaited(gateway: ScriptedGateway, tmp_path: Path) -> None:
    both = asyncio.Event()

    async def handle(value: Any) -> Any:
        if value == "second":
            both.set()
        await both.wait()
        return value

    async with serving(gateway.url, handle, tmp_path, slots=2):
        session = await gateway.session()
        await session.assign(1, "first")
        await session.assign(2, "second")
        for lease, output in ((1, b'"first"'), (2, b'"second"')):
            result = await session.expect(frames.Result, lease)
            await session.acknowledge(result)
            assert bytes(result.output) == output


async def test_sync_handlers_run_side_by_side_up_to_the_slots(gateway: ScriptedGateway, tmp_path: Path) -> None:
    together = threading.Barrier(2, timeout=60)

    def handle(value: Any) -> Any:
        together.wait()
        return value

    async with serving(gateway.url, handle, tmp_path, slots=2):
        session = await gateway.session()
        for lease in (1, 2):
            await session.assign(lease, lease)
        results = [await session.expect(frames.Result, lease) for lease in (1, 2)]
        for result in results:
            await session.acknowledge(result)
        assert [result.status for result in results] == ["succeeded", "succeeded"]


async def test_work_above_the_slots_is_rejected(gateway: ScriptedGateway, tmp_path: Path) -> None:
    release = threading.Event()
    async with serving(gateway.url, lambda value: release.wait(60), tmp_path, slots=1):
        session = await gateway.session()
        await session.assign(1, None)
        await session.assign(2, None)
        assert (await session.expect(frames.Reject, 2)).reason == "full"
        release.set()
        await session.acknowledge(await session.expect(frames.Result, 1))


async def test_the_context_tells_about_the_request(gateway: ScriptedGateway, tmp_path: Path) -> None:
    def handle(value: Any, context: Context) -> Any:
        return [context.attempt, context.space, context.user, context.traceparent, context.metadata, context.deadline_s]

    async with serving(gateway.url, handle, tmp_path):
        session = await gateway.session()
        known: dict[str, Any] = {"attempt": 2, "user": "ada", "traceparent": "00-a-b-01", "metadata": {"k": 1}}
        result = await outcome(session, 1, None, **known)
    assert msgspec.json.decode(result.output) == [2, "demo", "ada", "00-a-b-01", {"k": 1}, 60.0]


async def test_a_handler_that_raises_fails_its_request_only(gateway: ScriptedGateway, tmp_path: Path) -> None:
    def handle(value: Any) -> Any:
        if value == "bad":
            raise ValueError("no such word")
        if value == "exit":
            raise SystemExit(3)
        return value

    async with serving(gateway.url, handle, tmp_path):
        session = await gateway.session()
        failed = await outcome(session, 1, "bad")
        exited = await outcome(session, 2, "exit")
        fine = await outcome(session, 3, "good")
    assert failed.status == "failed"
    assert failed.error == frames.HandlerError(code="handler_error", message="ValueError: no such word")
    assert exited.error == frames.HandlerError(code="handler_error", message="SystemExit: 3")
    assert fine.status == "succeeded"


async def test_an_output_over_the_gateways_limit_fails(gateway: ScriptedGateway, tmp_path: Path) -> None:
    gateway.welcome = lambda hello: welcome(hello, max_inline_bytes=100)
    async with serving(gateway.url, lambda value: "x" * value, tmp_path):
        session = await gateway.session()
        assert (await outcome(session, 1, 98)).status == "succeeded"
        refused = await outcome(session, 2, 99)
    assert refused.error is not None
    assert refused.error.code == "output_too_large"


async def test_an_output_that_is_not_json_fails(gateway: ScriptedGateway, tmp_path: Path) -> None:
    async with serving(gateway.url, lambda value: float("nan"), tmp_path):
        refused = await outcome(await gateway.session(), 1, None)
    assert refused.error is not None
    assert refused.error.code == "handler_error"
    assert "not JSON" in refused.error.message


async def test_a_cancel_ends_an_async_handler(gateway: ScriptedGateway, tmp_path: Path) -> None:
    async def handle(value: Any) -> Any:
        await asyncio.Event().wait()

    async with serving(gateway.url, handle, tmp_path, slots=1):
        session = await gateway.session()
        assign = await session.assign(1, None)
        await session.expect(frames.Accept, 1)
        await session.send(frames.Cancel(request_id=assign.request_id, attempt=1, lease=1, reason="canceled", grace_s=5.0))
        assert (await session.expect(frames.Stopped, 1)).outcome == "stopped"


async def test_a_cancel_is_seen_by_a_sync_handler_and_confirmed_when_it_has_returned(
    gateway: ScriptedGateway, tmp_path: Path
) -> None:
    saw, release = threading.Event(), threading.Event()

    def handle(value: Any, context: Context) -> Any:
        while not context.cancelled and not release.wait(0.01):
            pass
        saw.set()
        release.wait(60)
        return "unwanted"

    async with serving(gateway.url, handle, tmp_path, slots=1):
        session = await gateway.session()
        assign = await session.assign(1, None)
        await session.expect(frames.Accept, 1)
        await session.send(frames.Cancel(request_id=assign.request_id, attempt=1, lease=1, reason="canceled"))
        assert await asyncio.to_thread(saw.wait, 60)
        await session.assign(2, None)
        assert (await session.expect(frames.Reject, 2)).reason == "full"
        release.set()
        assert (await session.expect(frames.Stopped, 1)).outcome == "stopped"


async def acknowledge(session: Session, output: frames.Output) -> None:
    await session.send(
        frames.OutputAck(request_id=output.request_id, attempt=output.attempt, lease=output.lease, index=output.index)
    )


async def test_what_a_handler_yields_and_says_comes_before_its_result(gateway: ScriptedGateway, tmp_path: Path) -> None:
    heard = threading.Event()

    def handle(value: Any, context: Context) -> Iterator[Any]:
        yield "one"
        heard.wait(60)
        context.log("half way")
        context.progress(0.5)
        yield " two"
        yield {"three": 3}

    async with serving(gateway.url, handle, tmp_path):
        session = await gateway.session()
        await session.assign(1, None)
        first = await session.expect(frames.Output, 1)
        assert (first.index, first.kind, bytes(first.data)) == (1, "chunk", b'"one"')
        await acknowledge(session, first)
        heard.set()
        result = await session.expect(frames.Result, 1)
        said = [await session.expect(frames.Output, 1) for _ in range(result.last_index - 1)]
        await session.acknowledge(result)
    assert [output.index for output in said] == list(range(2, result.last_index + 1))
    chunks = b"".join(bytes(output.data) for output in said if output.kind == "chunk")
    assert chunks == b'" two"[{"three":3}]'
    assert {(output.kind, bytes(output.data)) for output in said} > {
        ("progress", b'{"fraction":0.5,"message":""}'),
        ("log", b'["half way"]'),
    }
    assert msgspec.json.decode(result.output) == ["one two", {"three": 3}]
    assert result.log_tail == "half way"
    assert 0 < result.first_output_s <= result.run_s


async def test_more_than_the_window_is_held_back_until_it_is_stored(gateway: ScriptedGateway, tmp_path: Path) -> None:
    release = threading.Event()

    def handle(value: Any) -> Iterator[Any]:
        yield from ["a", 1, "b"]
        release.wait(60)

    gateway.welcome = lambda hello: welcome(hello, window=1)
    async with serving(gateway.url, handle, tmp_path):
        session = await gateway.session()
        await session.assign(1, None)
        for data in (b'"a"', b"[1]", b'"b"'):
            output = await session.expect(frames.Output, 1)
            assert bytes(output.data) == data
            await acknowledge(session, output)
        release.set()
        await session.acknowledge(await session.expect(frames.Result, 1))


async def test_what_is_held_back_comes_at_the_end_in_any_case(gateway: ScriptedGateway, tmp_path: Path) -> None:
    def handle(value: Any) -> Iterator[Any]:
        yield from ["a", 1]
        time.sleep(3 * frames.OUTPUT_INTERVAL_S)
        yield 2

    gateway.welcome = lambda hello: welcome(hello, window=1)
    async with serving(gateway.url, handle, tmp_path):
        session = await gateway.session()
        await session.assign(1, None)
        result = await session.expect(frames.Result, 1)
        said = [bytes((await session.expect(frames.Output, 1)).data) for _ in range(result.last_index)]
        await session.acknowledge(result)
    assert said == [b'"a"', b"[1,2]"]


async def test_a_cancel_closes_a_generator(gateway: ScriptedGateway, tmp_path: Path) -> None:
    closed = threading.Event()

    def handle(value: Any) -> Iterator[str]:
        try:
            while True:
                yield "x"
                closed.wait(0.01)
        finally:
            closed.set()

    async with serving(gateway.url, handle, tmp_path, slots=1):
        session = await gateway.session()
        assign = await session.assign(1, None)
        await session.expect(frames.Output, 1)
        await session.send(frames.Cancel(request_id=assign.request_id, attempt=1, lease=1, reason="canceled"))
        assert (await session.expect(frames.Stopped, 1)).outcome == "stopped"
        assert closed.is_set()


STREAMS = """
import pathlib, time
def stream(path):
    yield "one"
    while not pathlib.Path(path, "two").exists():
        time.sleep(0.01)
    yield 2
    while not pathlib.Path(path, "end").exists():
        time.sleep(0.01)
"""


@pytest.mark.parametrize("when", ["running", "finished"])
async def test_a_link_that_dies_is_followed_by_one_that_sends_what_is_not_stored(
    gateway: ScriptedGateway, tmp_path: Path, when: str
) -> None:
    (tmp_path / "streams.py").write_text(STREAMS)
    # So that what is said second tells that both processes know of the acknowledgement of the first.
    gateway.welcome = lambda hello: welcome(hello, window=1)
    async with agent_command(
        gateway.url, state_dir=tmp_path / "state", directory=tmp_path, engine="python:streams:stream"
    ) as agent:
        session = await gateway.session()
        await session.assign(1, str(tmp_path))
        first = await session.expect(frames.Output, 1)
        await acknowledge(session, first)
        (tmp_path / "two").touch()
        second = await session.expect(frames.Output, 1)
        if when == "finished":
            (tmp_path / "end").touch()
            assert (await session.expect(frames.Result, 1)).last_index == 2
        os.kill(await agent.link_pid(), signal.SIGKILL)
        session = await gateway.session()
        (work,) = session.hello.in_flight
        assert (work.lease, work.last_index) == (1, 2)
        assert await session.expect(frames.Output, 1) == second
        await acknowledge(session, second)
        (tmp_path / "end").touch()
        result = await session.expect(frames.Result, 1)
        assert (result.last_index, bytes(result.output)) == (2, b'["one",2]')
        await session.acknowledge(result)


async def test_a_setup_that_fails_while_there_is_no_link_ends_the_agent_as_well(
    gateway: ScriptedGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    restarting = asyncio.Event()

    async def load() -> None:
        await restarting.wait()
        raise MemoryError("the model does not fit")

    agent = Agent(gateway.url, KEY, ["demo"], state_dir=tmp_path)
    agent.handler(lambda value: value)
    agent.setup(load)
    monkeypatch.setattr("spaces_agent.serving.random.random", lambda: 1.0)  # the longest delay
    monkeypatch.setattr("spaces_agent.serving.logger.warning", lambda *_: restarting.set())
    serve = asyncio.create_task(agent.serve())
    await gateway.session()
    for pid, line in children("self").items():
        if b"spaces_agent.link" in line:
            os.kill(pid, signal.SIGKILL)
    with pytest.raises(SetupFailed, match="the model does not fit"):
        await serve


async def test_heartbeats_go_on_while_a_handler_holds_the_interpreter_lock(gateway: ScriptedGateway, tmp_path: Path) -> None:
    (tmp_path / "greedy.py").write_text("def hold(n):\n    return sum(range(n))\n")
    gateway.welcome = lambda hello: welcome(hello, heartbeat_s=0.05)
    async with agent_command(gateway.url, state_dir=tmp_path / "state", directory=tmp_path, engine="python:greedy:hold"):
        session = await gateway.session()
        await session.assign(1, 60_000_000)
        await session.expect(frames.Accept, 1)
        before = session.heartbeats
        result = await session.expect(frames.Result, 1)
        beats = session.heartbeats - before
    # One is due every 50 ms. In the handler's own interpreter none could be sent between its start and its end.
    assert beats >= 3
    assert result.status == "succeeded"
