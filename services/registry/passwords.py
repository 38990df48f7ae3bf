"""Password hashes: argon2id with the parameters of RFC 9106 that argon2-cffi recommends."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from services.runtime.errors import Retryable

_hasher = PasswordHasher()
MAX_WAITING = 16
"""So many are served within the time that a caller waits; further ones would only keep others from the registry."""


class PasswordsBusy(Retryable):
    """Too many passwords are to be looked at already."""

    def __init__(self) -> None:
        super().__init__("too many passwords are being looked at")


class Passwords:
    """Hashes in a thread, and one at a time: each takes 64 MiB for as long as it runs."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._waiting = 0

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator["Turn"]:
        """What is done inside, nobody else does in this process. Raises PasswordsBusy."""
        if self._waiting >= MAX_WAITING:
            raise PasswordsBusy
        self._waiting += 1
        try:
            async with self._turn:
                yield Turn()
        finally:
            self._waiting -= 1

    async def hash(self, password: str, known: str = "") -> str:
        """The hash of a password: `known` itself when that is one of this password, else a fresh one. Raises
        PasswordsBusy."""
        async with self.turn() as turn:
            if known and await turn.fits(known, password):
                return known
            return await asyncio.to_thread(_hasher.hash, password)


class Turn:
    """That it is one's turn."""

    async def fits(self, password_hash: str, password: str) -> bool:
        """Whether the hash is of this password. An empty hash is of none, and it takes as long to find that out."""
        return await asyncio.to_thread(_fits, password_hash, password)


def _fits(password_hash: str, password: str) -> bool:
    nobodys = _nobodys()  # also where it is not needed: the first time takes longer
    try:
        return _hasher.verify(password_hash or nobodys, password) and bool(password_hash)
    except (VerifyMismatchError, InvalidHashError):
        return False


@cache
def _nobodys() -> str:
    return _hasher.hash("nobody's")
