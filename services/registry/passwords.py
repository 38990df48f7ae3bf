"""Password hashes: argon2id with the parameters of RFC 9106 that argon2-cffi recommends."""

import asyncio

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

_hasher = PasswordHasher()


class Passwords:
    """Hashes in a thread, and one at a time: each takes 64 MiB for as long as it runs."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def hash(self, password: str, known: str = "") -> str:
        """The hash of a password: `known` itself when that is one of this password, else a fresh one."""
        async with self._turn:
            return await asyncio.to_thread(_hash, password, known)


def _hash(password: str, known: str) -> str:
    if known:
        try:
            _hasher.verify(known, password)
        except VerifyMismatchError:
            pass
        else:
            return known
    return _hasher.hash(password)
