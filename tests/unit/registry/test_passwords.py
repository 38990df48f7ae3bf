"""Passwords are looked at one at a time, and not more than can be answered in time."""

import asyncio

import pytest

from services.registry.passwords import MAX_WAITING, Passwords, PasswordsBusy


async def test_who_comes_when_too_many_wait_is_turned_away_at_once() -> None:
    passwords = Passwords()
    begun = asyncio.Event()

    async def wait_inside() -> None:
        async with passwords.turn():
            begun.set()
            await asyncio.Event().wait()

    waiting = [asyncio.create_task(wait_inside()) for _ in range(MAX_WAITING)]
    await asyncio.wait_for(begun.wait(), 5)
    with pytest.raises(PasswordsBusy):
        await passwords.hash("one more")
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert await passwords.hash("one more"), "those who have left make room"


async def test_a_password_fits_its_own_hash_alone() -> None:
    passwords = Passwords()
    known = await passwords.hash("correct horse")
    assert await passwords.hash("correct horse", known) == known
    assert await passwords.hash("wrong", known) != known
    async with passwords.turn() as turn:
        assert await turn.fits(known, "correct horse")
        assert not await turn.fits(known, "wrong")
        assert not await turn.fits("", "nobody's")
        assert not await turn.fits("no hash", "x")
