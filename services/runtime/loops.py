"""Tasks that run until they are told to stop."""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Sequence
from typing import Any, TypeVar

T = TypeVar("T")

_AGAIN_S = 0.25


async def cancel(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel the tasks and return when all have ended; their errors are not raised.

    Again and again: in Python 3.11 `asyncio.wait_for`, which the NATS client uses, forgets a cancellation that comes
    together with its result (https://github.com/python/cpython/issues/86296)."""
    pending = {task for task in tasks if not task.done()}
    interrupted = False
    while pending:
        for task in pending:
            task.cancel()
        try:
            await asyncio.wait(pending, timeout=_AGAIN_S)
        except asyncio.CancelledError:
            interrupted = True  # we are canceled ourselves, but leave no task behind
        pending = {task for task in pending if not task.done()}
    if interrupted:
        raise asyncio.CancelledError


async def some_at_once(items: Sequence[T], work: Callable[[T], Coroutine[Any, Any, None]], count: int) -> None:
    """Work on all items, so many at a time. A failure is raised when those beside it have ended; then none is begun."""
    for first in range(0, len(items), count):
        outcomes = await asyncio.gather(*map(work, items[first : first + count]), return_exceptions=True)
        for outcome in outcomes:
            if outcome is not None:
                raise outcome


async def together(*loops: Coroutine[Any, Any, None]) -> None:
    """Run loops until one of them fails; cancel the others and raise its error. Unlike a TaskGroup it never turns our own
    cancellation into an error of a loop that was being cancelled."""
    tasks = [asyncio.create_task(loop) for loop in loops]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await cancel(tasks)
    for task in tasks:
        if not task.cancelled():
            task.exception()  # several may fail at once: the others' errors are known and not raised
    for task in done:
        task.result()
    raise RuntimeError("a loop ended by itself")
