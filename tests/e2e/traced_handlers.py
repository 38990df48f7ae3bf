"""Handlers that make spans of their own, as a user's code does, for the tests of traces."""

import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from opentelemetry import trace

from spaces_agent import Context, Retry

tracer = trace.get_tracer("model")
WAIT_S = 60.0


def plain(input: dict[str, Any], context: Context) -> dict[str, Any]:
    """Runs in a thread. Fails in its first attempts if it is told to, and waits for a file if it is told to."""
    with tracer.start_as_current_span("model"):
        if context.attempt < input.get("succeeds_at", 1):
            raise Retry("not yet")
        if "directory" in input:
            _wait(Path(input["directory"]))
    return {"traceparent": context.traceparent, "tracestate": context.tracestate}


async def awaited(_: dict[str, Any], context: Context) -> dict[str, Any]:
    """Runs in the event loop."""
    with tracer.start_as_current_span("model"):
        return {"traceparent": context.traceparent}


def yielding(_: dict[str, Any]) -> Iterator[str]:
    """Streams from a thread."""
    yield "a"
    with tracer.start_as_current_span("model"):
        yield "b"


async def streaming(_: dict[str, Any]) -> AsyncIterator[str]:
    """Streams from the event loop."""
    yield "a"
    with tracer.start_as_current_span("model"):
        yield "b"


def _wait(directory: Path) -> None:
    (directory / "started").touch()
    end = time.monotonic() + WAIT_S
    while not (directory / "go").exists():
        if time.monotonic() > end:
            raise TimeoutError("nobody let it go")
        time.sleep(0.02)
