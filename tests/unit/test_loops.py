"""Ending tasks that may forget that they were canceled."""

import asyncio

import pytest

from services.runtime.loops import cancel, together


async def forgetful(times: int) -> None:
    """Run for ever, and ignore so many cancellations."""
    for _ in range(times):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            continue
    await asyncio.Event().wait()


async def failing() -> None:
    await asyncio.sleep(0)
    raise LookupError("gone")


async def test_a_task_that_forgets_its_cancellation_is_canceled_again() -> None:
    task = asyncio.create_task(forgetful(2))
    await asyncio.sleep(0)
    await cancel([task])
    assert task.cancelled()


async def test_tasks_that_have_ended_are_no_trouble() -> None:
    task = asyncio.create_task(failing())
    await asyncio.wait([task])
    await cancel([task])
    assert isinstance(task.exception(), LookupError)
    await cancel([])


async def test_who_is_canceled_while_canceling_leaves_no_task_behind() -> None:
    task = asyncio.create_task(forgetful(1))
    await asyncio.sleep(0)
    canceling = asyncio.create_task(cancel([task]))
    await asyncio.sleep(0)
    canceling.cancel()
    await asyncio.wait([canceling])
    assert canceling.cancelled()
    assert task.done()


async def test_the_first_error_ends_all_loops() -> None:
    ended = asyncio.Event()

    async def other() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(LookupError):
        await together(other(), failing())
    assert ended.is_set()


async def test_a_loop_that_ends_by_itself_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="ended by itself"):
        await together(asyncio.sleep(0), forgetful(0))


async def test_canceling_cancels_all_loops() -> None:
    task = asyncio.create_task(together(forgetful(1), forgetful(0)))
    await asyncio.sleep(0)
    await cancel([task])
    assert task.cancelled()
    assert len(asyncio.all_tasks()) == 1
