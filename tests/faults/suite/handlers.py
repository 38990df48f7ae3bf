"""What the agents of the fault suite run. The output is told by the input, so that a missing or repeated word shows."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

from spaces_agent import Context, Retry
from tests.faults.suite import journal

AGENT = "TEST_AGENT"


@contextmanager
def _journaled(context: Context) -> Iterator[dict[str, Any]]:
    """Write the run down; what its output begins with."""
    agent, about = os.environ[AGENT], (context.request_id, context.attempt)
    journal.write(agent, *about, ended=False)
    try:
        yield {"rid": context.request_id, "attempt": context.attempt, "agent": agent}
    finally:
        journal.write(agent, *about, ended=True)


def _check(input: dict[str, Any], context: Context) -> None:
    if context.attempt < input.get("succeeds_at", 0):
        raise Retry(f"attempt {context.attempt} is not the one")


async def gentle(input: dict[str, Any], context: Context) -> AsyncIterator[Any]:
    """Yields who it is, and then numbered words, with a pause before each and one at the end."""
    with _journaled(context) as me:
        _check(input, context)
        yield me
        for word in range(input["words"]):
            await asyncio.sleep(input.get("pause_s", 0.0))
            yield f"{word} "
            if word % 7 == 3:
                context.progress(word / input["words"], f"word {word}")
                context.log(f"said {word}")
        await asyncio.sleep(input.get("hold_s", 0.0))


def blocking(input: dict[str, Any], context: Context) -> Iterator[Any]:
    """The same in a thread. It hears that it is to stop only between two words."""
    with _journaled(context) as me:
        _check(input, context)
        yield me
        for word in range(input["words"]):
            time.sleep(input.get("pause_s", 0.0))
            yield f"{word} "
        end = time.monotonic() + input.get("hold_s", 0.0)
        while time.monotonic() < end and not context.cancelled:
            time.sleep(0.01)
