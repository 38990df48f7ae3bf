"""A gateway goes away: the agent opens a second session, elsewhere if it can, before it leaves the first."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from spaces_agent import Context, frames
from tests.support.agents import serving, until
from tests.support.scripted_gateway import ScriptedGateway, Session, scripted_gateway, welcome

GOAWAY = frames.Goaway(reason="restart")


@pytest.fixture
async def gateways() -> AsyncIterator[list[ScriptedGateway]]:
    async with scripted_gateway() as one, scripted_gateway() as other:
        yield [one, other]


async def first_session(gateways: list[ScriptedGateway]) -> tuple[Session, ScriptedGateway]:
    """The session that the agent opens at one of them, and the other gateway."""
    waits = [asyncio.create_task(gateway.session()) for gateway in gateways]
    done, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in pending:
        wait.cancel()
    [session] = done
    return session.result(), gateways[1 - waits.index(session)]


async def test_nothing_is_lost_between_two_gateways(gateways: list[ScriptedGateway], tmp_path: Path) -> None:
    steps: asyncio.Queue[str | None] = asyncio.Queue()

    async def handle(value: Any) -> AsyncIterator[str]:
        while (step := await steps.get()) is not None:
            yield step

    async with serving([gateway.url for gateway in gateways], handle, tmp_path):
        first, elsewhere = await first_session(gateways)
        elsewhere.answers_hello = False
        await first.assign(1, None)
        steps.put_nowait("a")
        said = [await first.expect(frames.Output, 1)]
        await first.send(GOAWAY)

        second = await elsewhere.session()
        assert [(named.lease, named.state, named.last_index) for named in second.hello.in_flight] == [(1, "running", 1)]
        assert not first.closed.is_set()
        await first.assign(2, None)
        assert (await first.expect(frames.Reject, 2)).reason == "draining"
        steps.put_nowait("b")
        said.append(await first.expect(frames.Output, 1))
        await first.store(1, 2)
        assert second.received(frames.Frame) == []

        await second.send(welcome(second.hello))
        assert [await second.expect(frames.Output, 1) for _ in said] == said
        steps.put_nowait("c")
        steps.put_nowait(None)
        assert (await second.expect(frames.Output, 1)).index == 3
        result = await second.expect(frames.Result, 1)
        assert (result.last_index, bytes(result.output)) == (3, b'"abc"')
        await second.acknowledge(result)
        await first.close(frames.CLOSE_GOAWAY)

        await second.assign(3, None)
        steps.put_nowait(None)
        await second.acknowledge(await second.expect(frames.Result, 3))
        assert first.received(frames.Goodbye, frames.Result) == []


async def test_the_first_may_close_before_the_second_has_answered(
    gateways: list[ScriptedGateway], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    release = asyncio.Event()

    async def handle(value: Any) -> Any:
        await release.wait()
        return value

    async with serving([gateway.url for gateway in gateways], handle, tmp_path):
        first, elsewhere = await first_session(gateways)
        elsewhere.answers_hello = False
        await first.assign(1, "kept")
        await first.expect(frames.Accept, 1)
        await first.send(GOAWAY)
        second = await elsewhere.session()
        await first.close(frames.CLOSE_GOAWAY, "the agent has a newer connection")
        await asyncio.wait_for(first.closed.wait(), 60)
        release.set()
        await second.send(welcome(second.hello))
        result = await second.expect(frames.Result, 1)
        assert bytes(result.output) == b'"kept"'
        await second.acknowledge(result)
    assert "connecting again" not in caplog.text, "it never was without a connection"


async def test_a_cancel_and_an_acknowledgement_on_the_first_count_after_the_move(
    gateways: list[ScriptedGateway], tmp_path: Path
) -> None:
    release = threading.Event()

    def handle(value: str, context: Context) -> str:
        for _ in range(3000):
            if context.cancelled if value == "unwanted" else release.wait(0.01):
                break
            time.sleep(0.01)
        return value

    async with serving([gateway.url for gateway in gateways], handle, tmp_path):
        first, elsewhere = await first_session(gateways)
        assign = await first.assign(1, "unwanted")
        await first.assign(2, "kept")
        for lease in (1, 2):
            await first.expect(frames.Accept, lease)
        await first.send(GOAWAY)
        second = await elsewhere.session()
        await first.send(frames.Cancel(request_id=assign.request_id, attempt=1, lease=1, reason="canceled"))
        for session in (first, second):
            await session.expect(frames.Stopped, 1)
        release.set()
        result = await second.expect(frames.Result, 2)
        await first.acknowledge(result)
        await first.close(frames.CLOSE_GOAWAY)
        second.cut()
        third, _ = await first_session(gateways)
        assert third.hello.in_flight == [], "the acknowledgement has come"


async def test_with_one_address_the_second_session_goes_to_the_same(tmp_path: Path) -> None:
    release = asyncio.Event()

    async def handle(value: Any) -> Any:
        await release.wait()

    async with scripted_gateway() as gateway, serving(gateway.url, handle, tmp_path):
        first = await gateway.session()
        await first.assign(1, None)
        await first.expect(frames.Accept, 1)
        await first.send(GOAWAY)
        second = await gateway.session()
        assert not first.closed.is_set()
        assert [named.lease for named in second.hello.in_flight] == [1]
        release.set()
        await second.acknowledge(await second.expect(frames.Result, 1))


async def test_while_no_second_can_be_opened_the_first_goes_on(
    gateways: list[ScriptedGateway], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving([gateway.url for gateway in gateways], lambda value: value, tmp_path):
        first, elsewhere = await first_session(gateways)
        elsewhere.refuse_with = (frames.CLOSE_GOAWAY, "not ready")
        await first.send(GOAWAY)
        await until(lambda: caplog.text.count("not ready") > 1, "it has tried twice")
        await first.assign(1, "here")
        result = await first.expect(frames.Result, 1)
        await first.acknowledge(result)
        elsewhere.refuse_with = None
        second = await elsewhere.session()
        await second.assign(2, "there")
        await second.acknowledge(await second.expect(frames.Result, 2))


async def test_a_first_that_nobody_closes_is_closed_by_the_agent(gateways: list[ScriptedGateway], tmp_path: Path) -> None:
    async with serving([gateway.url for gateway in gateways], lambda value: value, tmp_path):
        first, elsewhere = await first_session(gateways)
        await first.send(GOAWAY)
        second = await elsewhere.session()
        await asyncio.wait_for(first.closed.wait(), 60)
        assert first.received(frames.Goodbye) == []
        await second.assign(1, "there")
        await second.acknowledge(await second.expect(frames.Result, 1))


async def test_an_agent_that_ends_while_it_moves_says_goodbye_to_both(
    gateways: list[ScriptedGateway], tmp_path: Path
) -> None:
    async with serving([gateway.url for gateway in gateways], lambda value: value, tmp_path) as agent:
        first, elsewhere = await first_session(gateways)
        elsewhere.answers_hello = False
        await first.send(GOAWAY)
        second = await elsewhere.session()
        agent.drain()
        for session in (first, second):
            await session.expect(frames.Goodbye)
            await asyncio.wait_for(session.closed.wait(), 60)


async def test_an_operators_drain_ends_the_agent_when_its_work_is_done(tmp_path: Path) -> None:
    release = asyncio.Event()

    async def handle(value: Any) -> Any:
        await release.wait()
        return value

    async with scripted_gateway() as gateway, serving(gateway.url, handle, tmp_path):
        session = await gateway.session()
        await session.assign(1, "kept")
        await session.expect(frames.Accept, 1)
        await session.send(frames.Drain(reason="kernel update"))
        while (await session.expect(frames.Heartbeat)).state != "draining":
            pass  # it was due before the agent had heard of it
        session.cut()
        again = await gateway.session()
        assert again.hello.state == "draining"
        release.set()
        await again.acknowledge(await again.expect(frames.Result, 1))
        await again.expect(frames.Goodbye)
