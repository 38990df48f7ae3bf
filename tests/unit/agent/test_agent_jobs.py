"""Runs of the handler in this process: what they say, how they end, and how they are ended."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import msgspec
import pytest

from spaces_agent import Context, frames
from spaces_agent.handler import Handler
from spaces_agent.jobs import Jobs
from spaces_agent.runner import Limits
from tests.support.runs import DEADLINE_S, NOWHERE, Recorded
from tests.support.runs import Run as RunOf


class Run(RunOf[Jobs]):
    """A handler in this process."""

    def __init__(self, handler: Callable[..., Any]) -> None:
        listener = Recorded()
        super().__init__(Jobs(Handler(handler), None, 4, NOWHERE, listener), listener)


def words(value: Any) -> Iterator[Any]:
    yield from value


async def words_async(value: Any) -> AsyncIterator[Any]:
    for word in value:
        yield word


async def gives_a_generator(value: Any) -> Any:
    await asyncio.sleep(0)
    return words(value)


async def gives_an_async_generator(value: Any) -> Any:
    return words_async(value)


EVERY_KIND = [
    words,
    words_async,
    gives_a_generator,
    gives_an_async_generator,
    lambda value: words(value),
    lambda value: words_async(value),
]
KINDS = pytest.mark.parametrize(
    "handler", EVERY_KIND, ids=["sync", "async", "async-sync", "async-async", "returned", "returned-async"]
)


class TestGenerators:
    @KINDS
    async def test_what_is_yielded_is_streamed_and_joined(self, handler: Callable[..., Any]) -> None:
        run = Run(handler)
        result = await run.result(["a", "b", 1, "c"])
        assert (result.status, json.loads(bytes(result.output))) == ("succeeded", ["ab", 1, "c"])
        made = run.listener.said
        assert [frame.index for frame in made] == list(range(1, result.last_index + 1))
        assert run.listener.read()[-1] == ("chunk", "c")
        assert 0 < result.first_output_s <= result.run_s

    @KINDS
    async def test_nothing_yielded_is_an_empty_list(self, handler: Callable[..., Any]) -> None:
        result = await Run(handler).result([])
        assert bytes(result.output) == b"[]"
        assert (result.last_index, result.first_output_s) == (0, 0)

    async def test_a_chunk_is_streamed_while_the_handler_goes_on(self) -> None:
        release = threading.Event()

        def handle(value: Any) -> Iterator[str]:
            yield "first"
            release.wait(DEADLINE_S)
            yield " second"

        run = Run(handle)
        run.start()
        await run.listener.until(lambda: run.listener.said)
        assert run.listener.read() == [("chunk", "first")]
        assert run.runner.in_flight()[0].last_index == 1
        release.set()
        result = await run.ended()
        assert result is not None
        assert (bytes(result.output), result.last_index) == (b'"first second"', 2)

    @pytest.mark.parametrize("kind", ["sync", "async"])
    @pytest.mark.parametrize(
        ("bad", "code", "words"),
        [
            (object(), "handler_error", "yielded what is not JSON"),
            ("x" * 200, "output_too_large", "more than 150 bytes"),
            (msgspec.json.decode("[" * 100 + "]" * 100), "handler_error", "nested more than 100"),
        ],
        ids=["no-json", "too-large", "too-deep"],
    )
    async def test_a_bad_chunk_fails_the_request_at_once_and_closes_the_generator(
        self, kind: str, bad: Any, code: str, words: str
    ) -> None:
        closed = threading.Event()

        def handle(value: Any) -> Iterator[Any]:
            try:
                yield "good"
                yield bad
                raise AssertionError("it must not go on")
            finally:
                closed.set()

        async def handle_async(value: Any) -> AsyncIterator[Any]:
            try:
                yield "good"
                yield bad
                raise AssertionError("it must not go on")
            finally:
                closed.set()

        run = Run(handle if kind == "sync" else handle_async)
        run.runner.limit(Limits(max_output_bytes=150, window=8))
        result = await run.result()
        assert result.error is not None
        assert (result.status, result.error.code) == ("failed", code)
        assert words in result.error.message
        assert run.listener.read() == [("chunk", "good")]
        assert result.last_index == 1
        assert closed.is_set()

    async def test_an_exception_fails_the_request_and_what_was_yielded_before_stays(self) -> None:
        def handle(value: Any, context: Context) -> Iterator[str]:
            yield "one"
            context.log("about to fail")
            raise ValueError("no such word")

        run = Run(handle)
        result = await run.result()
        assert result.error == frames.HandlerError(code="handler_error", message="ValueError: no such word")
        assert run.listener.read() == [("chunk", "one"), ("log", ["about to fail"])]
        assert (result.last_index, result.log_tail) == (2, "about to fail")

    async def test_the_first_chunk_does_not_wait_for_the_next_look(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(frames, "OUTPUT_INTERVAL_S", 1000.0)
        heard, release = threading.Event(), threading.Event()

        def handle(value: Any, context: Context) -> Iterator[str]:
            context.log("begins")
            heard.wait(DEADLINE_S)
            yield "first"
            release.wait(DEADLINE_S)

        run = Run(handle)
        run.start()
        await run.listener.until(lambda: run.listener.read() == [("log", ["begins"])])
        heard.set()
        await run.listener.until(lambda: run.listener.read()[-1] == ("chunk", "first"))
        release.set()
        await run.ended()

    async def test_what_waits_for_the_window_goes_out_when_it_opens_also_later(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(frames, "OUTPUT_INTERVAL_S", 0.001)
        release = threading.Event()

        def handle(value: Any) -> Iterator[Any]:
            yield from ["a", 1]
            release.wait(DEADLINE_S)

        run = Run(handle)
        run.runner.limit(Limits(window=1))
        run.start()
        await run.listener.until(lambda: run.listener.said)
        producer = run.runner._running[1].producer
        async with asyncio.timeout(DEADLINE_S):
            while producer._awake:  # it has stopped to look by itself
                await asyncio.sleep(0.001)
        run.runner.stored(1, 1)
        await run.listener.until(lambda: run.listener.read() == [("chunk", "a"), ("chunk", [1])])
        release.set()
        await run.ended()

    @pytest.mark.parametrize("window", [32, 1])
    async def test_many_chunks_wake_the_loop_a_few_times(self, monkeypatch: pytest.MonkeyPatch, window: int) -> None:
        loop = asyncio.get_running_loop()
        woken = 0
        wake = loop.call_soon_threadsafe

        def counted(*arguments: Any, **named: Any) -> Any:
            nonlocal woken
            woken += 1
            return wake(*arguments, **named)

        def handle(value: Any) -> Iterator[str]:
            for n in range(20_000):
                yield "x"
                if n % 50 == 0:
                    time.sleep(0.0002)  # the loop has its turn

        monkeypatch.setattr(loop, "call_soon_threadsafe", counted)
        run = Run(handle)
        run.runner.limit(Limits(window=window))
        result = await run.result()
        assert bytes(result.output) == b'"' + b"x" * 20_000 + b'"'
        assert "".join(data for _, data in run.listener.read()) == "x" * 20_000
        assert woken < 100

    async def test_an_async_generator_that_never_waits_leaves_the_loop_to_others(self) -> None:
        turns = 0

        async def handle(value: Any) -> AsyncIterator[str]:
            before = turns
            while turns < before + 5:
                yield "."

        async def others() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        other = asyncio.create_task(others())
        assert (await Run(handle).result()).status == "succeeded"
        other.cancel()

    async def test_no_more_than_the_window_goes_out_before_it_is_stored(self) -> None:
        release = threading.Event()

        def handle(value: Any) -> Iterator[Any]:
            yield "a"
            yield 1
            yield "b"
            release.wait(DEADLINE_S)

        run = Run(handle)
        run.runner.limit(Limits(window=1))
        run.start()
        for stored, data in enumerate(["a", [1], "b"]):
            run.runner.stored(1, stored)
            await run.listener.until(lambda: len(run.listener.said) == stored + 1)  # noqa: B023
            assert run.listener.read()[-1] == ("chunk", data)
        release.set()
        await run.ended()

    async def test_a_window_that_opens_lets_more_out(self) -> None:
        release = threading.Event()

        def handle(value: Any) -> Iterator[Any]:
            yield from ["a", 1]
            release.wait(DEADLINE_S)

        run = Run(handle)
        run.runner.limit(Limits(window=1))
        run.start()
        await run.listener.until(lambda: len(run.listener.said) == 1)
        run.runner.limit(Limits(window=2))
        run.runner.stored(1, 0)
        await run.listener.until(lambda: len(run.listener.said) == 2)
        release.set()
        await run.ended()

    async def test_all_that_is_left_goes_out_before_the_result_whatever_the_window(self) -> None:
        run = Run(words)
        run.runner.limit(Limits(window=1))
        result = await run.result(["a", 1, "b"])
        assert run.listener.read() == [("chunk", "a"), ("chunk", [1]), ("chunk", "b")]
        assert result.last_index == 3


class TestProgressAndLog:
    @pytest.mark.parametrize("kind", ["sync", "async"])
    async def test_a_handler_that_returns_may_say_how_far_it_is_and_log(self, kind: str) -> None:
        def handle(value: Any, context: Context) -> Any:
            context.log("one\ntwo")
            context.progress(0.5, "half")
            return 7

        async def handle_async(value: Any, context: Context) -> Any:
            return handle(value, context)

        run = Run(handle if kind == "sync" else handle_async)
        result = await run.result()
        said = run.listener.read()
        assert sorted(kind for kind, _ in said) == ["log", "progress"]
        assert ("log", ["one", "two"]) in said
        assert ("progress", {"fraction": 0.5, "message": "half"}) in said
        assert (bytes(result.output), result.log_tail, result.last_index) == (b"7", "one\ntwo", 2)
        assert result.first_output_s == 0

    async def test_it_may_do_so_from_any_thread_at_once(self) -> None:
        def handle(value: Any, context: Context) -> Any:
            def say(number: int) -> None:
                for n in range(50):
                    context.log(f"{number}-{n}")

            threads = [threading.Thread(target=say, args=(number,)) for number in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

        run = Run(handle)
        result = await run.result()
        lines = [line for _, data in run.listener.read() for line in data]
        assert sorted(lines) == sorted(f"{number}-{n}" for number in range(8) for n in range(50))
        assert result.log_tail == "\n".join(lines)

    async def test_a_wrong_fraction_is_the_handlers_error(self) -> None:
        def handle(value: Any, context: Context) -> Any:
            context.progress(50)

        result = await Run(handle).result()
        assert result.error is not None
        assert result.error.message == "ValueError: a progress is a number from 0 to 1, not 50.0"

    async def test_after_the_end_there_is_nothing_more_to_say(self) -> None:
        kept: list[Context] = []

        def handle(value: Any, context: Context) -> Any:
            kept.append(context)

        run = Run(handle)
        await run.result()
        kept[0].log("late")
        kept[0].progress(1)
        await asyncio.sleep(0)
        assert run.listener.said == []


class Told:
    """What a handler under test lets the test know, and waits for."""

    def __init__(self) -> None:
        self.runs = threading.Event()
        self.release = threading.Event()
        self.ended: list[str] = []


class TestStopping:
    async def stopped(self, handler: Callable[..., Any], told: Told) -> Recorded:
        run = Run(handler)
        run.start()
        assert await asyncio.to_thread(told.runs.wait, DEADLINE_S)
        run.runner.stop(1, 5.0)
        run.runner.stop(1, 5.0)
        told.release.set()
        assert await run.ended() is None
        assert run.runner.in_flight() == []
        return run.listener

    async def test_a_generator_is_closed_where_it_yields_in_its_own_thread(self) -> None:
        told = Told()

        def handle(value: Any, context: Context) -> Iterator[str]:
            thread = threading.current_thread()
            try:
                while True:
                    told.ended.append("yields")
                    told.runs.set()
                    told.release.wait(DEADLINE_S)
                    yield "unwanted"
            except GeneratorExit:
                told.ended.append("closed" if thread is threading.current_thread() else "closed elsewhere")
                context.log("unheard")
                raise

        listener = await self.stopped(handle, told)
        assert told.ended == ["yields", "closed"]
        assert listener.said == []

    async def test_a_generator_that_yields_in_a_loop_is_stopped(self) -> None:
        told = Told()

        def handle(value: Any) -> Iterator[str]:
            try:
                while True:
                    told.runs.set()
                    yield "."
            finally:
                told.ended.append("closed")

        await self.stopped(handle, told)
        assert told.ended == ["closed"]

    @pytest.mark.parametrize("returned", [False, True])
    async def test_an_async_generator_is_cancelled_where_it_waits_and_may_wait_to_end(self, returned: bool) -> None:
        told = Told()

        async def handle(value: Any) -> AsyncIterator[str]:
            try:
                yield "one"
                told.runs.set()
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                told.ended.append("cancelled")
                raise
            finally:
                await asyncio.sleep(0.01)
                told.ended.append("closed")

        await self.stopped((lambda value: handle(value)) if returned else handle, told)
        assert told.ended == ["cancelled", "closed"]

    async def test_what_an_async_handler_does_to_end_is_not_broken_into(self) -> None:
        runs, ending, release, ended = asyncio.Event(), asyncio.Event(), asyncio.Event(), list[str]()

        async def handle(value: Any) -> None:
            try:
                runs.set()
                await asyncio.Event().wait()
            finally:
                ending.set()
                await release.wait()
                ended.append("saved")

        run = Run(handle)
        run.start()
        await runs.wait()
        run.runner.stop(1, 5.0)
        await ending.wait()
        run.runner.stop(1, 5.0)
        await asyncio.sleep(0)
        release.set()
        assert await run.ended() is None
        assert ended == ["saved"]

    async def test_an_async_generator_that_swallows_the_cancellation_is_closed_where_it_yields(self) -> None:
        told = Told()

        async def handle(value: Any) -> AsyncIterator[str]:
            try:
                told.runs.set()
                while True:
                    try:
                        await asyncio.Event().wait()
                    except asyncio.CancelledError:
                        yield "unwanted"
            finally:
                told.ended.append("closed")

        assert (await self.stopped(handle, told)).said == []
        assert told.ended == ["closed"]

    async def test_it_is_confirmed_when_the_handler_has_really_ended(self) -> None:
        runs, release = threading.Event(), threading.Event()

        def handle(value: Any) -> Iterator[str]:
            try:
                runs.set()
                yield from iter(lambda: "x", "")
            finally:
                release.wait(DEADLINE_S)

        run = Run(handle)
        run.start()
        assert await asyncio.to_thread(runs.wait, DEADLINE_S)
        run.runner.stop(1, 0.0)
        run.start([], lease=2)
        run.runner.stop(2, 0.0)
        assert await run.ended(2) is None
        assert [work.lease for work in run.runner.in_flight()] == [1]
        release.set()
        assert await run.ended(1) is None

    async def test_one_that_has_not_begun_never_begins(self) -> None:
        begun = threading.Event()
        run = Run(lambda value: begun.set())
        run.start()
        run.runner.stop(1, 0.0)
        assert await run.ended() is None
        assert not begun.is_set()

    async def test_an_error_while_it_ends_is_nobodys_outcome(self) -> None:
        told = Told()

        def handle(value: Any) -> Iterator[str]:
            told.runs.set()
            told.release.wait(DEADLINE_S)
            try:
                yield ""
            finally:
                raise RuntimeError("the file is gone")

        await self.stopped(handle, told)
