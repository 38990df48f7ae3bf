"""Handlers for workers under test, which import them by name. Each says first in which process it runs."""

import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from spaces_agent import Context

_setups = 0


def echo(value: Any) -> Any:
    return [os.getpid(), value]


def says(value: Any, context: Context) -> Iterator[Any]:
    """Everything that a handler may say."""
    context.log("one\ntwo")
    context.progress(0.5, "half")
    yield "text"
    yield os.getpid()


async def says_async(value: Any, context: Context) -> AsyncIterator[Any]:
    for said in says(value, context):
        yield said


def deaf(value: str, context: Context) -> None:
    """Holds the interpreter lock once the test has heard of it: it does not learn that anything was canceled."""
    context.log(str(os.getpid()))
    while not Path(value, "hold").exists():
        time.sleep(0.01)
    Path(value, "holding").touch()
    ctypes.PyDLL(None).sleep(600)


def obedient(value: Any) -> Iterator[Any]:
    """Ends by itself when it is canceled, and says so in a file."""
    try:
        yield os.getpid()
        while True:
            yield ""
            time.sleep(0.01)
    finally:
        if value is not None:
            Path(value).touch()


def naps(value: float) -> Iterator[Any]:
    """Takes so many seconds, and ends at once when it is canceled."""
    end = time.monotonic() + value
    yield os.getpid()
    while time.monotonic() < end:
        yield ""
        time.sleep(0.01)


def waits(value: Any) -> Iterator[Any]:
    """Goes on when the test lets it."""
    yield os.getpid()
    _wait_for(value)
    yield "done"


def dies(value: Any) -> Iterator[Any]:
    """Takes its process with it, in one of several ways, when the test has heard of it."""
    if value is None:
        yield [os.getpid(), None]
        return
    way, heard = value
    yield "said before"
    _wait_for(heard)
    match way:
        case "exit":
            os._exit(3)
        case "segfault":
            ctypes.string_at(0)
        case "memory":
            os.kill(os.getpid(), signal.SIGKILL)


def parent(value: Any) -> Iterator[Any]:
    """Has started a process, and a fork that keeps all its files open; ends, or not, when the test has heard of it."""
    way, heard = value
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    forked = os.fork()
    if forked == 0:
        time.sleep(600)
        os._exit(0)
    yield [os.getpid(), child.pid, forked]
    _wait_for(heard)
    if way == "dies":
        os._exit(1)
    time.sleep(600)


def _wait_for(file: str) -> None:
    while not Path(file).exists():
        time.sleep(0.01)


def ends_its_own(value: Any) -> Any:
    """Ends processes that it has started, as they are usually ended: also before they have begun."""
    forked = [multiprocessing.get_context("fork").Process(target=time.sleep, args=(600,)) for _ in range(20)]
    for process in forked:
        process.start()
        process.terminate()
    spawned = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    spawned.terminate()
    end = time.monotonic() + 60
    for process in forked:
        process.join(max(0.0, end - time.monotonic()))
    return [*{process.exitcode for process in forked}, spawned.wait(60)]


def set_up() -> None:
    """Leaves a file for each process that has called it."""
    global _setups
    _setups += 1
    (Path(os.environ["TEST_DIRECTORY"]) / f"{os.getpid()}-{_setups}").touch()


def after_setup(value: Any) -> Any:
    return [os.getpid(), _setups]


def broken_setup() -> None:
    raise MemoryError("the model does not fit")


def deadly_setup() -> None:
    os._exit(7)


def takes_nothing() -> None:
    """No handler."""
