"""A handler that yields faster than its output is stored waits for it, and for nothing else."""

from __future__ import annotations

import itertools
import json
import random
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from services.gateway.recording import MAX_WAITING, MAX_WAITING_BYTES
from spaces_agent import Context, frames, outcome, output
from spaces_agent.handler import Handler
from spaces_agent.jobs import Jobs
from spaces_agent.output import OutputBuffer
from spaces_agent.runner import Limits
from tests.support.runs import NOWHERE, Recorded
from tests.support.runs import Run as RunOf
from tests.support.waiting import DEADLINE_S, until

WORK = frames.Accept(request_id="0" * 34, attempt=1, lease=1)
KIB = 1024
CHUNK = "x" * (64 * KIB)
WINDOW_CHUNKS = frames.OUTPUT_WINDOW_BYTES // len(CHUNK)
CHUNKS = 2 * WINDOW_CHUNKS - 1
"""Not quite 8 MiB."""


def fold(made: list[frames.Output]) -> list[Any]:
    """What a reader makes of the frames: adjacent texts are one."""
    parts: list[Any] = []
    for frame in made:
        data = json.loads(bytes(frame.data))
        if isinstance(data, str) and parts and isinstance(parts[-1], str):
            parts[-1] += data
        else:
            parts += data if isinstance(data, list) else [data]
    return parts


def joined(values: list[Any]) -> list[Any]:
    parts: list[Any] = []
    for value in values:
        if isinstance(value, str) and parts and isinstance(parts[-1], str):
            parts[-1] += value
        else:
            parts.append(value)
    return parts


class TestRoom:
    def test_there_is_room_up_to_the_last_byte_of_the_window(self) -> None:
        gathering = OutputBuffer(WORK, 32)
        gathering.add_chunk(b'"%b"' % (b"x" * 998))
        left = frames.OUTPUT_WINDOW_BYTES - 1000
        assert gathering.has_room(left, 0)
        assert not gathering.has_room(left + 1, 0)
        assert gathering.has_room(left - 10, 10)
        assert not gathering.has_room(left - 9, 10)

    def test_what_is_sent_counts_until_it_is_stored(self) -> None:
        gathering = OutputBuffer(WORK, 32)
        for _ in range(31):
            gathering.add_chunk(b'"%b"' % (b"x" * (128 * KIB - 2)))
        assert len(gathering.cut(0.0)) == 31
        assert gathering.has_room(128 * KIB, 0)
        assert not gathering.has_room(128 * KIB + 1, 0)
        gathering.acknowledged(1)
        assert gathering.has_room(256 * KIB, 0)

    def test_whatever_is_alone_has_room(self) -> None:
        assert OutputBuffer(WORK, 0).has_room(10**9, 0)

    def test_what_is_left_at_the_end_is_no_more_than_a_gateway_takes_however_it_was_gathered(self) -> None:
        gathering, made = OutputBuffer(WORK, frames.OUTPUT_WINDOW), list[frames.Output]()
        for chunk in itertools.cycle([b'"a"', b"[1]", b'"a"', b"[%b]" % (b"1" * (128 * KIB - 8))]):
            if not gathering.has_room(len(chunk), 0):
                break
            gathering.add_chunk(chunk)
            if len(made) < frames.OUTPUT_WINDOW:
                made += gathering.cut(1e9 * len(made))
        made += gathering.cut(0.0, everything=True)
        assert 2 * frames.OUTPUT_WINDOW < len(made) <= MAX_WAITING
        assert sum(len(frame.data) for frame in made) <= MAX_WAITING_BYTES

    def test_full_frames_leave_at_once_and_what_is_left_in_its_time(self) -> None:
        gathering = OutputBuffer(WORK, 32)
        gathering.add_chunk(b'"a"')
        assert len(gathering.cut(5.0)) == 1
        for _ in range(5):
            gathering.add_chunk(b'"%b"' % (b"x" * 60 * KIB))
        sizes = [len(frame.data) for frame in gathering.cut(5.0)]
        assert sizes == [120 * KIB + 2, 120 * KIB + 2]
        assert gathering.due_at() == pytest.approx(5.1)
        assert [len(frame.data) for frame in gathering.cut(5.1)] == [60 * KIB + 2]

    @pytest.mark.parametrize("seed", range(200))
    def test_who_asks_for_room_never_has_more_that_is_not_stored(self, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(output, "_FULL_BYTES", 20)
        monkeypatch.setattr(frames, "OUTPUT_WINDOW_BYTES", 100)
        drawn = random.Random(seed)
        gathering, yielded, made, stored = (
            OutputBuffer(WORK, drawn.choice([1, 3, 32])),
            list[Any](),
            list[frames.Output](),
            0,
        )
        for _ in range(200):
            value = drawn.choice(["", "a", "bc" * 4, 'q"\\', 1, None, {"k": ["v"]}, [["x"], "y"], "long" * 20])
            for chunk in outcome.encode_chunks(value):
                while not gathering.has_room(len(chunk), 0):
                    made += gathering.cut(1e9 * (len(made) + 1))
                    assert stored < len(made), "it waits although all is stored"
                    stored = drawn.randint(stored + 1, len(made))
                    gathering.acknowledged(stored)
                gathering.add_chunk(chunk)
            yielded.append(value)
            if drawn.random() < 0.3:
                made += gathering.cut(1e9 * (len(made) + 1))
        made += gathering.cut(0.0, everything=True)
        assert fold(made) == joined(yielded)
        unstored = made[stored:]
        assert sum(len(frame.data) for frame in unstored) <= 100 + len('"') * 2 * len(unstored)

    @pytest.mark.parametrize("text", ["", "x", 'é\U0001f600\u0001"\\' * 20_000])
    def test_a_long_text_is_yielded_in_parts(self, text: str) -> None:
        parts = list(outcome.encode_chunks(text))
        assert "".join(map(json.loads, parts)) == text
        assert max(map(len, parts)) <= 128 * KIB

    def test_one_value_has_to_fit_into_a_frame(self) -> None:
        most = frames.MAX_DATA_BYTES - len(b'[[""]]')
        [chunk] = outcome.encode_chunks(["x" * most])
        gathering = OutputBuffer(WORK, 32)
        gathering.add_chunk(chunk)
        [frame] = gathering.cut(0.0)
        assert len(frame.data) == frames.MAX_DATA_BYTES
        with pytest.raises(outcome.BadOutput) as caught:
            list(outcome.encode_chunks(["x" * (most + 1)]))
        assert caught.value.error.code == "output_too_large"


class Yielding(RunOf[Jobs]):
    """A handler that yields chunks, and counts them; it may have 8 MiB."""

    def __init__(self, asynchronous: bool) -> None:
        self.yielded = 0
        self.closed = threading.Event()

        def handle(value: Any) -> Iterator[str]:
            try:
                for _ in range(CHUNKS):
                    self.yielded += 1
                    yield CHUNK
            finally:
                self.closed.set()

        async def handle_async(value: Any) -> AsyncIterator[str]:
            for chunk in handle(value):
                yield chunk

        listener = Recorded()
        handler: Callable[..., Any] = handle_async if asynchronous else handle
        super().__init__(Jobs(Handler(handler), None, 1, NOWHERE, listener), listener)
        self.runner.limit(Limits(max_output_bytes=frames.MAX_VALUE_BYTES))
        self._waits = "_changed_here" if asynchronous else "_changed"

    async def waits(self) -> None:
        """Wait until it waits."""
        producer = self.runner._running[1].producer
        await until(lambda: self.yielded > 0 and not getattr(producer, self._waits).is_set(), "it waits")

    def sent_bytes(self) -> int:
        return sum(len(frame.data) for frame in self.listener.said)


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
class TestWaiting:
    async def test_it_yields_no_more_than_the_window_before_that_is_stored(self, asynchronous: bool) -> None:
        run = Yielding(asynchronous)
        run.start()
        await run.listener.until(lambda: run.sent_bytes() >= frames.OUTPUT_WINDOW_BYTES // 2)
        await run.waits()
        assert WINDOW_CHUNKS - 4 <= run.yielded <= WINDOW_CHUNKS + 1
        assert run.sent_bytes() <= frames.OUTPUT_WINDOW_BYTES
        yielded, sent = run.yielded, len(run.listener.said)
        run.runner.stored(1, sent // 2)
        await run.listener.until(lambda: len(run.listener.said) > sent)
        await until(lambda: run.yielded > yielded, "it goes on")

    async def test_all_of_it_comes_when_it_is_stored_bit_by_bit(self, asynchronous: bool) -> None:
        run = Yielding(asynchronous)
        run.start()
        stored = unstored = 0
        while 1 not in run.listener.results:
            await run.listener.until(lambda: len(run.listener.said) > stored or 1 in run.listener.results)  # noqa: B023
            unstored = max(unstored, sum(len(frame.data) for frame in run.listener.said[stored:]))
            stored += 1
            run.runner.stored(1, stored)
        result = run.listener.results[1]
        assert result is not None
        assert json.loads(bytes(result.output)) == CHUNK * CHUNKS
        assert "".join(data for _, data in run.listener.read()) == CHUNK * CHUNKS
        assert max(len(frame.data) for frame in run.listener.said) <= 128 * KIB
        assert unstored <= frames.OUTPUT_WINDOW_BYTES

    async def test_a_stop_ends_it_at_once_where_it_waits(self, asynchronous: bool) -> None:
        run = Yielding(asynchronous)
        run.start()
        await run.listener.until(lambda: run.sent_bytes() >= frames.OUTPUT_WINDOW_BYTES // 2)
        await run.waits()
        said = len(run.listener.said)
        run.runner.stop(1, 5.0)
        assert await run.ended() is None
        assert run.closed.is_set()
        assert len(run.listener.said) == said
        assert run.yielded <= WINDOW_CHUNKS + 1

    async def test_the_end_of_the_agent_ends_it_too(self, asynchronous: bool) -> None:
        run = Yielding(asynchronous)
        run.start()
        await run.listener.until(lambda: run.sent_bytes() >= frames.OUTPUT_WINDOW_BYTES // 2)
        await run.waits()
        await run.runner.close()
        assert await run.ended() is None


@pytest.mark.parametrize("kind", ["log", "progress"])
async def test_what_is_said_in_a_hurry_is_not_kept_until_the_next_look(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "OUTPUT_INTERVAL_S", 1000.0)
    said, release = threading.Event(), threading.Event()

    def handle(value: Any, context: Context) -> None:
        for _ in range(2000):
            if kind == "log":
                context.log("x" * 1000)
            else:
                context.progress(0.5, "x" * 1000)
        said.set()
        release.wait(2 * DEADLINE_S)

    listener = Recorded()
    run = RunOf(Jobs(Handler(handle), None, 1, NOWHERE, listener), listener)
    run.start()
    await until(said.is_set, "all is said")
    producer = run.runner._running[1].producer
    try:
        await until(lambda: len(producer._queue) < 100, "the loop has heard most of it")
    finally:
        release.set()
    await run.ended()
