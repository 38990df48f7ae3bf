"""Processes: settings, supervision, signals, health."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from tests.support.bus import Bus, running_bus, until
from tests.support.health import fetched
from tests.support.own_ports import own_port

HEAD = """
import asyncio
from services.runtime.errors import Final
from services.runtime.process import Process, run

def say(text):
    print(text, flush=True)
"""
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
async def bus() -> AsyncIterator[Bus]:
    async with running_bus() as here:
        yield here


@pytest.fixture
def start(bus: Bus) -> Iterator[Start]:
    """Runs a service whose `start` is the given code; what still runs at the end is killed."""
    processes: list[subprocess.Popen[str]] = []

    def run(code: str, **settings: str) -> subprocess.Popen[str]:
        program = f"{HEAD}\n{textwrap.dedent(code)}\nrun('registry', start)\n"
        environment = {key: value for key, value in os.environ.items() if not key.startswith("WS_")}
        environment |= {"WS_NATS_URL": bus.servers.nats_url("registry")} | settings
        command = [sys.executable, "-c", program]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        processes.append(process)
        return process

    yield run
    for process in processes:
        process.kill()
        process.communicate()


async def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return (await asyncio.wait_for(asyncio.to_thread(process.stdout.readline), 30)).strip()


async def ended(process: subprocess.Popen[str]) -> tuple[int, str, list[dict[str, str]]]:
    """Exit code, standard output, and the log's lines."""
    out, errors = await asyncio.to_thread(process.communicate, None, 60)
    return process.returncode, out, [json.loads(text) for text in errors.splitlines() if text.startswith("{")]


IDLE = """
async def start(process):
    async def idle():
        await asyncio.Event().wait()
    process.spawn("idle", idle())
    say("started")
"""


async def test_sigterm_drains_in_reverse_order_and_exits_with_0(start: Start) -> None:
    process = start("""
    async def start(process):
        async def idle():
            try:
                await asyncio.Event().wait()
            finally:
                say("loop ended")
        def step(name):
            async def drain():
                assert process.nc.is_connected
                say(name)
            return drain
        process.spawn("idle", idle())
        process.on_drain(step("first"))
        process.on_drain(step("second"))
        say("started")
    """)
    assert await line(process) == "started"
    process.send_signal(signal.SIGTERM)
    code, out, _ = await ended(process)
    assert (code, out.split("\n")) == (0, ["second", "first", "loop ended", ""])


async def test_a_step_of_the_drain_that_fails_keeps_no_other_from_being_done(start: Start) -> None:
    process = start("""
    async def start(process):
        async def idle():
            await asyncio.Event().wait()
        async def first():
            say("drained")
        async def unanswered():
            raise TimeoutError("no answer to our ping")
        async def broken():
            raise ValueError("broken")
        process.spawn("idle", idle())
        process.on_drain(first)
        process.on_drain(unanswered)
        process.on_drain(broken)
        say("started")
    """)
    assert await line(process) == "started"
    process.send_signal(signal.SIGTERM)
    code, out, log = await ended(process)
    assert (code, out) == (0, "drained\n")
    assert [each["message"] for each in log if "drain" in each["message"]] == ["a step of the drain failed"] * 2


async def test_sigint_is_the_same(start: Start) -> None:
    process = start(IDLE)
    assert await line(process) == "started"
    process.send_signal(signal.SIGINT)
    assert (await ended(process))[0] == 0


@pytest.mark.parametrize(("ending", "reason"), [("raise ValueError('broken')", "broken"), ("return", "without an error")])
async def test_a_loop_that_ends_stops_the_process_with_1(start: Start, ending: str, reason: str) -> None:
    process = start(f"""
    async def start(process):
        async def loop():
            await asyncio.sleep(0)
            {ending}
        async def drain():
            say("drained")
        process.on_drain(drain)
        process.spawn("fragile", loop())
    """)
    code, out, log = await ended(process)
    assert (code, out) == (1, "drained\n")
    messages = [entry["message"] for entry in log]
    assert any("fragile" in message and reason in message for message in messages), messages
    assert messages[-1] == "stopped: loop fragile ended"


@pytest.mark.parametrize("error", ["Final('cannot')", "ValueError('cannot')"])
async def test_a_failed_start_exits_with_1(start: Start, error: str) -> None:
    process = start(f"""
    async def start(process):
        raise {error}
    """)
    code, _, log = await ended(process)
    assert code == 1
    assert log[-1]["message"] == "stopped: cannot"


async def test_a_second_signal_does_not_wait_for_the_drain(start: Start) -> None:
    process = start("""
    async def start(process):
        async def hang():
            say("draining")
            await asyncio.Event().wait()
        process.on_drain(hang)
        say("started")
    """)
    assert await line(process) == "started"
    process.send_signal(signal.SIGTERM)
    assert await line(process) == "draining"
    process.send_signal(signal.SIGTERM)
    assert (await ended(process))[0] == 1


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"WS_NATS_ULR": "x"}, "WS_NATS_ULR"),
        ({"WS_PORT": "many"}, "WS_PORT"),
        ({"WS_HEALTH_PORT": "65536"}, "WS_HEALTH_PORT"),
        ({"WS_STREAM_KEEP": "10"}, "WS_STREAM_KEEP"),
    ],
)
async def test_settings_that_do_not_fit_are_refused_by_name(start: Start, settings: dict[str, str], told: str) -> None:
    process = start(IDLE, **settings)
    out, errors = await asyncio.to_thread(process.communicate, None, 60)
    assert (process.returncode, out) == (1, "")
    assert told in errors
    assert "Traceback" not in errors


async def test_the_command_lines_own_variables_are_no_settings(start: Start) -> None:
    process = start(IDLE, WS_HOME="somewhere")
    assert await line(process) == "started"


async def test_a_process_outlives_a_restart_of_nats(bus: Bus, start: Start) -> None:
    process = start("""
    async def start(process):
        async def watch():
            while True:
                before = process.nc.is_connected
                await asyncio.sleep(0.01)
                if process.nc.is_connected and not before:
                    say("back")
        process.spawn("watch", watch())
        say("started")
    """)
    assert await line(process) == "started"
    await bus.restart()
    assert await line(process) == "back"
    process.send_signal(signal.SIGTERM)
    assert (await ended(process))[0] == 0


async def test_health_readiness_and_metrics(start: Start) -> None:
    port = own_port()
    process = start(
        """
    import signal
    async def start(process):
        ready = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, ready.set)
        process.ready_when("something", ready.is_set)
        say("started")
    """,
        WS_HEALTH_PORT=str(port),
    )

    async def asked(path: str) -> tuple[int, str]:
        return await asyncio.to_thread(fetched, f"http://127.0.0.1:{port}{path}")

    async def answers(path: str, status: int) -> bool:
        return (await asked(path))[0] == status

    assert await line(process) == "started"
    await until(lambda: answers("/healthz", 200), "the process says that it lives")
    status, body = await asked("/readyz")
    assert (status, json.loads(body)) == (503, {"status": "waiting", "waiting_for": ["something"]})
    process.send_signal(signal.SIGUSR1)
    await until(lambda: answers("/readyz", 200), "the process says that it is ready")
    status, body = await asked("/metrics")
    assert status == 200
    assert "ws_nats_connected 1.0" in body
    process.send_signal(signal.SIGTERM)
    assert (await ended(process))[0] == 0


async def test_a_process_that_still_starts_is_not_ready(start: Start) -> None:
    port = own_port()
    process = start(
        """
    async def start(process):
        say("starting")
        await asyncio.Event().wait()
    """,
        WS_HEALTH_PORT=str(port),
    )

    async def waits_for_its_start() -> bool:
        status, body = await asyncio.to_thread(fetched, f"http://127.0.0.1:{port}/readyz")
        return status == 503 and json.loads(body)["waiting_for"] == ["start"]

    assert await line(process) == "starting"
    await until(waits_for_its_start, "it says what it waits for")
    process.send_signal(signal.SIGTERM)
    assert (await ended(process))[0] == 0


async def test_told_to_stop_a_process_works_on_but_is_not_ready_before_it_drains(start: Start) -> None:
    port = own_port()
    process = start(
        """
    import signal
    async def start(process):
        async def work():
            while True:
                if process.stopping.is_set():
                    say("at work")
                    await asyncio.Event().wait()
                await asyncio.sleep(0.01)
        looked = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, looked.set)
        async def drain():
            say("draining")
            await looked.wait()
        process.spawn("work", work())
        process.on_drain(drain)
        say("started")
    """,
        WS_HEALTH_PORT=str(port),
        WS_DRAIN_DELAY="1.51",  # a timer counts whole milliseconds
    )
    assert await line(process) == "started"
    await until(lambda: asyncio.to_thread(lambda: fetched(f"http://127.0.0.1:{port}/readyz")[0] == 200), "ready")
    told = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert await line(process) == "at work"
    status, body = await asyncio.to_thread(fetched, f"http://127.0.0.1:{port}/readyz")
    assert (status, json.loads(body)["waiting_for"]) == (503, ["stopping"])
    assert await line(process) == "draining"
    assert time.monotonic() - told >= 1.5
    process.send_signal(signal.SIGUSR1)
    assert (await ended(process))[0] == 0


async def test_a_log_line_is_one_json_object(start: Start) -> None:
    process = start("""
    import logging
    from services.runtime.telemetry import request_id
    async def start(process):
        request_id.set("r1")
        logging.getLogger("x").warning("a\\nb")
        say("started")
    """)
    assert await line(process) == "started"
    process.send_signal(signal.SIGTERM)
    _, _, log = await ended(process)
    entry = next(entry for entry in log if entry["logger"] == "x")
    assert (entry["service"], entry["level"], entry["message"], entry["request_id"]) == ("registry", "warning", "a\nb", "r1")
