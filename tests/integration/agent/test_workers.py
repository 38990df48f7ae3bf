"""Handlers in processes of their own: what they say is heard, they can be killed, and they crash alone."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from spaces_agent.runner import Limits
from spaces_agent.spawning import spawn
from spaces_agent.workers import Workers
from tests.support.processes import children, dead
from tests.support.runs import DEADLINE_S, NOWHERE, Recorded, Run


@asynccontextmanager
async def workers(
    handler: str, *, setup: str | None = None, slots: int = 2, load: bool = True
) -> AsyncIterator[Run[Workers]]:
    """Processes that run a handler of tests.support.isolated."""
    listener = Recorded()
    name = None if setup is None else f"tests.support.isolated:{setup}"
    runner = Workers(f"tests.support.isolated:{handler}", name, slots, NOWHERE, listener)
    loading = asyncio.create_task(runner.load())
    try:
        if load:
            async with asyncio.timeout(DEADLINE_S):
                assert await loading
        yield Run(runner, listener)
    finally:
        loading.cancel()
        await runner.close()


def output(result: Any) -> Any:
    assert result is not None
    assert result.status == "succeeded", result.error
    return json.loads(bytes(result.output))


def running() -> int:
    """How many workers this process has."""
    return sum(b"spaces_agent.worker" in line for line in children("self").values())


async def gone(pid: int) -> None:
    """Wait until this process has ended; one that only waits to be reaped has."""
    async with asyncio.timeout(DEADLINE_S):
        while not dead(pid):
            await asyncio.sleep(0.02)


async def pid_of(run: Run[Workers], lease: int = 1) -> int:
    """The process of a handler that says its process id first."""
    await run.listener.until(lambda: run.listener.read(lease))
    _, values = run.listener.read(lease)[0]
    return int(values[0])


async def test_requests_run_one_after_the_other_in_another_process_that_is_kept() -> None:
    async with workers("echo", slots=1) as run:
        pid, value = output(await run.result({"a": [1]}))
        assert pid != os.getpid()
        assert value == {"a": [1]}
        assert output(await run.result(None, lease=2)) == [pid, None]


async def test_slots_are_processes_started_when_they_are_needed() -> None:
    async with workers("obedient", slots=3) as run:
        assert running() == 1
        for lease in (1, 2):
            run.start(lease=lease)
        pids = [await pid_of(run, lease) for lease in (1, 2)]
        assert len(set(pids)) == 2
        assert running() == 2
        assert all(work.last_index >= 1 for work in run.runner.in_flight())


@pytest.mark.parametrize("handler", ["says", "says_async"])
async def test_chunks_progress_and_log_are_heard(handler: str) -> None:
    async with workers(handler) as run:
        result = await run.result()
        text, pid = output(result)
    assert (text, pid != os.getpid()) == ("text", True)
    said = dict(run.listener.read())
    assert said["progress"] == {"fraction": 0.5, "message": "half"}
    assert said["log"] == ["one", "two"]
    assert (result.log_tail, result.last_index) == ("one\ntwo", len(run.listener.said))
    assert 0 < result.first_output_s <= result.run_s


async def test_what_a_gateway_allows_holds_in_the_process() -> None:
    async with workers("echo") as run:
        run.runner.limit(Limits(max_output_bytes=100, window=1))
        result = await run.result("x" * 100)
        assert result.error is not None
        assert result.error.code == "output_too_large"


async def test_the_window_is_that_of_the_gateway_and_opens_when_output_is_stored() -> None:
    async with workers("obedient") as run:
        run.runner.limit(Limits(window=1))
        run.start()
        await pid_of(run)
        run.runner.stored(1, 1)
        await run.listener.until(lambda: len(run.listener.said) == 2)


async def holding(directory: Path) -> None:
    """Let a deaf handler take the interpreter lock, and see it take it."""
    (directory / "hold").touch()
    async with asyncio.timeout(DEADLINE_S):
        while not (directory / "holding").exists():
            await asyncio.sleep(0.01)


async def test_a_handler_that_does_not_end_is_killed_after_its_grace(tmp_path: Path) -> None:
    async with workers("deaf", slots=1) as run:
        run.start(str(tmp_path))
        pid = await pid_of(run)
        await holding(tmp_path)
        run.runner.stop(1, 0.3)
        assert await run.ended() is None
        await gone(pid)
        run.start(str(tmp_path / "elsewhere"), lease=2)
        assert await pid_of(run, 2) != pid


async def test_one_that_ends_in_time_is_not_killed(tmp_path: Path) -> None:
    async with workers("obedient", slots=1) as run:
        run.start(str(tmp_path / "ended"))
        pid = await pid_of(run)
        run.runner.stop(1, 30.0)
        assert await run.ended() is None
        assert (tmp_path / "ended").exists()
        run.start(lease=2)
        assert await pid_of(run, 2) == pid


async def test_a_grace_ends_with_the_run_that_it_was_given_to() -> None:
    async with workers("naps", slots=1) as run:
        run.start(60)
        pid = await pid_of(run)
        run.runner.stop(1, 4.0)
        assert await run.ended() is None
        assert output(await run.result(4.5, lease=2)) == [pid, ""]


async def test_a_process_that_is_just_starting_is_not_started_again() -> None:
    async with workers("echo", slots=3, load=False) as run:
        run.start()
        run.start(lease=2)
        run.runner.stop(2, 0.0)
        output(await run.ended())
        assert running() == 2


async def test_one_that_waits_for_a_worker_is_stopped_without_one() -> None:
    async with workers("echo", load=False) as run:
        run.start()
        run.runner.stop(1, 30.0)
        assert await run.ended() is None
        assert run.listener.begun == []


@pytest.mark.parametrize(
    ("way", "words"),
    [("exit", "exit status 3"), ("segfault", "signal 11 (SIGSEGV)"), ("memory", "signal 9 (SIGKILL)")],
)
async def test_one_that_crashes_fails_its_own_request_only(way: str, words: str, tmp_path: Path) -> None:
    async with workers("dies", slots=2) as run:
        run.start([way, str(tmp_path / "heard")])
        run.start(["", str(tmp_path / "heard")], lease=2)
        await run.listener.until(run.listener.read)
        (tmp_path / "heard").touch()
        crashed = await run.ended()
        assert crashed is not None
        assert crashed.error is not None
        assert (crashed.status, crashed.error.code, crashed.error.retryable) == ("failed", "handler_error", False)
        assert f"the process of the handler ended while it ran: {words}" in crashed.error.message
        assert run.listener.read(1) == [("chunk", "said before")]
        assert crashed.last_index == 1
        assert 0 < crashed.first_output_s <= crashed.run_s
        assert output(await run.ended(2)) == "said before"
        pids = {output(await run.result(None, lease=lease))[0][0] for lease in (3, 4)}
        assert os.getpid() not in pids
    assert run.listener.failures == []


@pytest.mark.parametrize("how", ["is killed", "dies"])
async def test_what_a_handler_has_started_ends_with_it(how: str, tmp_path: Path) -> None:
    async with workers("parent") as run:
        run.start([how, str(tmp_path / "heard")])
        await run.listener.until(run.listener.read)
        (tmp_path / "heard").touch()
        _, (pids,) = run.listener.read()[0]
        if how == "is killed":
            run.runner.stop(1, 0.0)
        else:
            (tmp_path / "dies").touch()
        await run.ended()
        for pid in pids:
            await gone(pid)


async def test_a_handler_can_end_what_it_has_started() -> None:
    async with workers("ends_its_own") as run:
        assert output(await run.result()) == [-signal.SIGTERM, -signal.SIGTERM]


async def test_each_process_is_set_up_before_it_takes_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_DIRECTORY", str(tmp_path))
    async with workers("after_setup", setup="set_up", slots=3) as run:
        assert len(list(tmp_path.iterdir())) == 3
        for lease in (1, 2, 3):
            run.start(lease=lease)
        results = [output(await run.ended(lease)) for lease in (1, 2, 3)]
    assert {f"{pid}-{setups}" for pid, setups in results} <= {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize(
    ("handler", "setup", "reason"),
    [
        ("echo", "broken_setup", "setup failed: MemoryError: the model does not fit"),
        ("echo", "deadly_setup", "setup failed: its process ended: exit status 7"),
        ("no_such", None, "the module 'tests.support.isolated' has no function 'no_such'"),
        ("takes_nothing", None, "a handler takes at least one parameter: the input"),
    ],
)
async def test_a_process_that_cannot_serve_is_the_end(handler: str, setup: str | None, reason: str) -> None:
    async with workers(handler, setup=setup, slots=1, load=False) as run:
        await run.listener.until(lambda: run.listener.failures)
    assert run.listener.failures == [reason]


async def test_a_module_that_cannot_be_imported_is_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "faulty_module.py").write_text("raise SystemExit('no GPU')")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    listener = Recorded()
    runner = Workers("faulty_module:handle", None, 1, NOWHERE, listener)
    loading = asyncio.create_task(runner.load())
    await listener.until(lambda: listener.failures)
    await runner.close()
    loading.cancel()
    assert listener.failures == ["the handler cannot be imported: SystemExit: no GPU"]


async def test_a_request_given_to_a_process_that_has_just_died_waits_for_the_next() -> None:
    async with workers("echo", slots=1) as run:
        pid, _ = output(await run.result())
        os.kill(pid, signal.SIGKILL)
        again, value = output(await run.result("next", lease=2))
        assert (again != pid, value) == (True, "next")


async def test_a_process_that_dies_while_it_does_nothing_is_started_again_later_and_later(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("spaces_agent.workers.random.random", lambda: 0.1)
    async with workers("echo", slots=1) as run:
        for lease in (1, 2, 3):
            pid, _ = output(await run.result(lease=lease))
            os.kill(pid, signal.SIGKILL)
            async with asyncio.timeout(DEADLINE_S):
                while len(caplog.messages) < lease:
                    await asyncio.sleep(0.02)
    said = "an idle process for the handler ended (signal 9 (SIGKILL)); starting another in "
    assert caplog.messages[:3] == [f"{said}{delay} s" for delay in ("0.1", "0.1", "0.2")]


async def test_a_process_that_cannot_be_started_for_the_moment_is_tried_again_and_others_go_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    refusals = [OSError("no more processes")]

    def start(*arguments: Any, **options: Any) -> Any:
        if refusals:
            raise refusals.pop()
        return spawn(*arguments, **options)

    async with workers("obedient") as run:
        run.start(lease=1)
        await pid_of(run, 1)
        monkeypatch.setattr("spaces_agent.workerprocess.spawn", start)
        run.start(lease=2)
        await pid_of(run, 2)
        assert sorted(work.lease for work in run.runner.in_flight()) == [1, 2]
        assert run.listener.failures == []
    assert "no process can be started for the handler (no more processes); starting another in " in caplog.text


async def test_the_end_need_not_wait_for_a_process_that_is_to_start_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spaces_agent.workers.Backoff.after", lambda *_, **__: 1000.0)
    async with asyncio.timeout(DEADLINE_S), workers("echo", slots=1) as run:
        pid, _ = output(await run.result())
        os.kill(pid, signal.SIGKILL)
        while running():
            await asyncio.sleep(0.02)


async def test_all_processes_end_with_the_agent_whether_they_are_at_work_or_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spaces_agent.workers._WORKERS_END_S", 1000.0)
    async with workers("deaf") as run:
        run.start(str(tmp_path))
        busy = await pid_of(run)
        await holding(tmp_path)
    await gone(busy)
    assert run.runner.in_flight() == []
    async with workers("echo") as run:
        idle, _ = output(await run.result())
    await gone(idle)


def test_a_process_whose_agent_is_gone_before_it_has_begun_ends() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        process = spawn("spaces_agent.worker", theirs)
    ours.close()
    try:
        assert process.wait(DEADLINE_S) == 1
    finally:
        process.kill()


def test_the_agent_may_serve_from_a_thread_that_is_not_the_first() -> None:
    """There, signals cannot be handled and a child's end not be awaited as in the first one."""
    outputs: list[Any] = []

    async def serve() -> None:
        async with workers("echo") as run:
            outputs.append(output(await run.result(1)))

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    thread.join(DEADLINE_S)
    assert [value for _, value in outputs] == [1]
