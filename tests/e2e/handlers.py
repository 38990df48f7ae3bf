"""Handlers for end-to-end tests, run by `spaces-agent run --engine python:tests.e2e.handlers:<name>`."""

import asyncio
import ctypes
import json
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from spaces_agent import Context, Retry

_lock = threading.Lock()
_running = 0
WAIT_S = 300.0


def leave(path: Path, text: str) -> None:
    """Write a file that is whole as soon as it is there: the test reads it then."""
    begun = path.with_name(f".{path.name}")
    begun.write_text(text)
    begun.rename(path)


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
    """Answers with more than an output may have."""
    return "x" * (8 * 1024 * 1024)


def patient(input: dict[str, Any], context: Context) -> dict[str, Any]:
    """Works in a thread until it is told that nobody wants its result any more, and says so before it ends."""
    directory = Path(input["directory"])
    (directory / f"started-{input['n']}").touch()
    end = time.monotonic() + WAIT_S
    while not context.cancelled and not (directory / "go").exists():
        if time.monotonic() > end:
            raise TimeoutError("nobody canceled it")
        time.sleep(0.02)
    leave(directory / f"ended-{input['n']}", "canceled" if context.cancelled else "done")
    return {"n": input["n"]}


async def patient_async(input: dict[str, Any]) -> None:
    """The same in the event loop: there, canceling is what asyncio does."""
    directory = Path(input["directory"])
    (directory / f"started-{input['n']}").touch()
    try:
        await asyncio.sleep(WAIT_S)
    finally:
        leave(directory / f"ended-{input['n']}", "canceled")


def deaf(input: dict[str, Any]) -> None:
    """Never ends, whatever it is told; leaves the process in which it runs."""
    leave(Path(input["directory"]) / f"started-{input['n']}", str(os.getpid()))
    while True:
        time.sleep(1.0)


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


def words(input: dict[str, Any]) -> Iterator[str]:
    """Yields numbered words until it is let go, and leaves how many it was allowed to yield."""
    directory, count = Path(input["directory"]), 0
    (directory / f"started-{input['n']}").touch()
    try:
        while not (directory / "go").exists():
            count += 1
            yield f"{count} "
            time.sleep(0.02)
    finally:
        leave(directory / f"ended-{input['n']}", str(count))


async def words_async(input: dict[str, Any]) -> AsyncIterator[str]:
    """The same in the event loop."""
    directory, count = Path(input["directory"]), 0
    (directory / f"started-{input['n']}").touch()
    try:
        while not (directory / "go").exists():
            count += 1
            yield f"{count} "
            await asyncio.sleep(0.02)
    finally:
        leave(directory / f"ended-{input['n']}", str(count))


def talking(input: dict[str, Any], context: Context) -> Iterator[Any]:
    """Yields words and now and then a value, tells its progress, and logs, until it is let go; leaves what it yielded."""
    directory, yielded = Path(input["directory"]), list[Any]()
    (directory / f"started-{context.attempt}").touch()
    while not (directory / "go").exists():
        n = len(yielded)
        yielded.append({"n": n} if n % 50 == 49 else f"{n} ")
        yield yielded[-1]
        if n % 10 == 0:
            context.progress(n / (n + 1), f"{n} said")
            context.log(f"said {n}")
        time.sleep(0.005)
    leave(directory / f"yielded-{context.attempt}", json.dumps(yielded))


def torrent(input: dict[str, Any], context: Context) -> Iterator[str]:
    """Yields two bytes a thousand times a second and logs two hundred lines of a kilobyte in that time; leaves how long
    it took itself."""
    directory, began = Path(input["directory"]), time.monotonic()
    (directory / f"started-{context.attempt}").touch()
    for n in range(input["seconds"] * 1000):
        yield f"{n % 10} "
        if n % 5 == 0:
            context.log(f"{n:>1000}")
        time.sleep(max(0.0, began + (n + 1) / 1000 - time.monotonic()))
    (directory / "took").write_text(str(time.monotonic() - began))


async def spoken(input: dict[str, Any]) -> AsyncIterator[Any]:
    """Yields its number and then words: a few, or as many as fit before a file is there."""
    yield {"n": input["n"]}
    count = 0
    while count < input["words"] if "words" in input else not Path(input["go"]).exists():
        yield f"{count} "
        count += 1
        await asyncio.sleep(0.01)


def holding(input: dict[str, Any]) -> float:
    """Holds the interpreter lock, as native code does that does not release it; how long."""
    began = time.monotonic()
    ctypes.PyDLL(None).usleep(int(input["hold_s"] * 1_000_000))
    return time.monotonic() - began


def flaky(input: dict[str, Any], context: Context) -> int:
    """Asks to be tried again until the attempt that the test wants to succeed."""
    if context.attempt < input["succeeds_at"]:
        raise Retry(f"attempt {context.attempt} is not the one")
    return context.attempt


def echo(input: dict[str, Any]) -> dict[str, Any]:
    """Its input."""
    return input


def flooding(input: dict[str, Any]) -> Iterator[str]:
    """Yields almost 8 MiB as fast as it may once it is let go; leaves how many pieces that were, and that it ended."""
    directory = Path(input["directory"])
    try:
        yield "begun "
        while not (directory / "go").exists():
            time.sleep(0.005)
        for number in range(127):
            yield f"{number:>65535} "
            (directory / "count").write_text(str(number + 1))
    finally:
        (directory / "ended").touch()
