"""Handlers for end-to-end tests, run by `spaces-agent run --engine python:tests.e2e.handlers:<name>`."""

import asyncio
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

from spaces_agent import Context

_lock = threading.Lock()
_running = 0
WAIT_S = 60.0


def counted(input: dict[str, Any]) -> dict[str, Any]:
    """Holds its slot for a moment and tells how many handlers ran at once."""
    global _running
    with _lock:
        _running += 1
        running = _running
    time.sleep(input["hold_s"])
    with _lock:
        _running -= 1
    return {"n": input["n"], "running": running}


def marked(input: dict[str, Any], context: Context) -> dict[str, Any]:
    """Leaves a marker when it starts and goes on when it is let go: the test decides when."""
    directory = Path(input["directory"])
    (directory / f"started-{context.attempt}").touch()
    end = time.monotonic() + WAIT_S
    while not (directory / "go").exists():
        if time.monotonic() > end:
            raise TimeoutError("nobody let it go")
        time.sleep(0.02)
    return {"attempt": context.attempt, "traceparent": context.traceparent}


def raising(_: Any) -> None:
    """Fails as a user's code may fail."""
    raise ValueError("no such model")


def verbose(_: Any) -> str:
    """Answers with more than fits inline."""
    return "x" * (128 * 1024)


def patient(input: dict[str, Any], context: Context) -> dict[str, Any]:
    """Works in a thread until it is told that nobody wants its result any more, and says so before it ends."""
    directory = Path(input["directory"])
    (directory / f"started-{input['n']}").touch()
    end = time.monotonic() + WAIT_S
    while not context.cancelled and not (directory / "go").exists():
        if time.monotonic() > end:
            raise TimeoutError("nobody canceled it")
        time.sleep(0.02)
    (directory / f"ended-{input['n']}").write_text("canceled" if context.cancelled else "done")
    return {"n": input["n"]}


async def patient_async(input: dict[str, Any]) -> None:
    """The same in the event loop: there, canceling is what asyncio does."""
    directory = Path(input["directory"])
    (directory / f"started-{input['n']}").touch()
    try:
        await asyncio.sleep(WAIT_S)
    finally:
        (directory / f"ended-{input['n']}").write_text("canceled")


def load() -> None:
    """A setup that takes until the test lets it go."""
    directory = Path(os.environ["TEST_DIRECTORY"])
    (directory / "loading").touch()
    while not (directory / "loaded").exists():
        time.sleep(0.02)


def broken_load() -> None:
    """A setup without which there is nothing to serve with."""
    raise MemoryError("the model does not fit")


def fatal(_: Any) -> None:
    """Takes the whole agent with it, as a fault in native code would."""
    os.kill(os.getpid(), signal.SIGKILL)
