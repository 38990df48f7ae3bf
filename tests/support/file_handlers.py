"""Handlers that use files, for agents under test, which import them by name."""

import ctypes
import hashlib
import os
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from spaces_agent import Context


def copy(value: Any, context: Context) -> Any:
    """Reads each file both ways and saves it again; tells where it was meanwhile."""
    saved = []
    for ref in value["files"]:
        path = context.files.path(ref)
        context.log(str(path))
        digest = hashlib.sha256()
        with context.files.open(ref) as stream:
            while piece := stream.read(100_000):
                digest.update(piece)
        assert digest.hexdigest() == context.files.about(ref).sha256
        saved.append(context.files.save(path, name=context.files.about(ref).name))
    return {"pid": os.getpid(), "files": saved}


def fails(value: Any, context: Context) -> Any:
    """Leaves a file behind and fails."""
    context.log(str(context.files.path(value)))
    raise ValueError("after the file")


def waits(value: Any, context: Context) -> Iterator[Any]:
    """Leaves a file behind and goes on until it is stopped."""
    path = context.files.path(value)
    yield [os.getpid(), str(path)]
    while not context.cancelled:
        yield ""
        time.sleep(0.01)


def deaf(value: Any, context: Context) -> Iterator[Any]:
    """Leaves a file behind and holds the interpreter lock once the test has heard of it."""
    yield [os.getpid(), str(context.files.path(value))]
    while not Path(os.environ["TEST_DIRECTORY"], "hold").exists():
        time.sleep(0.01)
    Path(os.environ["TEST_DIRECTORY"], "holding").touch()
    ctypes.PyDLL(None).sleep(60)


def echo(value: Any) -> Any:
    return value


def repeats(value: Any) -> Iterator[Any]:
    """Yields so many texts of 64 KiB."""
    for number in range(value):
        yield chr(97 + number % 26) * 65536


async def echo_async(value: Any) -> Any:
    return value


async def repeats_async(value: Any) -> AsyncIterator[Any]:
    for chunk in repeats(value):
        yield chunk


def fills(value: Any) -> Iterator[Any]:
    """Yields so many texts of 64 KiB, tells how many in a file, and when it ends in another."""
    count = Path(value["count"])
    try:
        for number, chunk in enumerate(repeats(value["chunks"])):
            yield chunk
            count.with_suffix(".new").write_text(str(number + 1))
            count.with_suffix(".new").replace(count)
    finally:
        count.with_suffix(".closed").touch()


async def fills_async(value: Any) -> AsyncIterator[Any]:
    generator = fills(value)
    try:
        for chunk in generator:
            yield chunk
    finally:
        generator.close()
