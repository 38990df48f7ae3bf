"""Failed sign-ins by e-mail address, counted together by all registries, whether or not there is such a user."""

import contextlib

import msgspec
from nats.aio.client import Client

from services.contracts import subjects
from services.contracts.ids import secret_hash
from services.contracts.sign_in import FailedSignIns
from services.registry.lockout import WINDOW_S, after_failure, locked_for_s
from services.runtime.clock import ServerClock
from services.runtime.kv import Bucket, Conflict, Entry
from services.runtime.rpc import Refused

_decoder = msgspec.json.Decoder(FailedSignIns)


class Failures:
    """The bucket `ws_sign_ins`. Its keys are digests: an address that is asked about must not become readable by that."""

    def __init__(self, nc: Client, clock: ServerClock) -> None:
        self._bucket, self._clock = Bucket(nc, subjects.SIGN_INS), clock

    async def check(self, email: str) -> None:
        """Raises Refused when the address is locked out, NatsUnavailable."""
        left_s = locked_for_s(_failures(await self._bucket.get(_key(email))), self._clock.now_ns())
        if left_s > 0:
            raise Refused("locked_out", "too many wrong passwords for this address: wait, or have it reset", left_s)

    async def add(self, email: str) -> None:
        """Count one. Raises NatsUnavailable."""
        while True:
            entry = await self._bucket.get(_key(email))
            failures = FailedSignIns(at=after_failure(_failures(entry), self._clock.now_ns()))
            with contextlib.suppress(Conflict):  # another registry has counted one: add ours to that
                await self._bucket.set(entry.key, msgspec.json.encode(failures), entry.revision, WINDOW_S)
                return

    async def forget(self, email: str) -> None:
        """Begin to count anew. Raises NatsUnavailable."""
        entry = await self._bucket.get(_key(email))
        if entry.value is not None:
            with contextlib.suppress(Conflict):  # one that came just now does count
                await self._bucket.delete(entry.key, entry.revision)


def _key(email: str) -> str:
    return subjects.sign_ins_key(secret_hash(email.casefold()))


def _failures(entry: Entry) -> list[int]:
    return [] if entry.value is None else _decoder.decode(entry.value).at
