"""Watches who holds the claims on agents' identities: the newest claim decides which connection is the agent's."""

import asyncio
from collections.abc import Callable

import msgspec
from nats.aio.client import Client

from services.contracts import subjects
from services.contracts.rpc import Claim
from services.runtime.kv import Bucket, Entry
from services.runtime.tail import TailTooOld

_decoder = msgspec.json.Decoder(Claim)


class Claims:
    """The newest claim of each agent identity. `moved` is called with the key of each claim that has changed."""

    def __init__(self, nc: Client, moved: Callable[[str], None]) -> None:
        self._bucket = Bucket(nc, subjects.CLAIMS)
        self._moved = moved
        self._newest: dict[str, tuple[int, Claim | None]] = {}
        self.caught_up = asyncio.Event()

    def contrary(self, agent: str, conn: str, revision: int) -> Claim | None:
        """The claim that has taken the place of a connection's, which was given at `revision`. None while it stands."""
        newest, claim = self._newest.get(subjects.agent_claim(agent), (0, None))
        return claim if newest > revision and claim is not None and claim.conn != conn else None

    def withdrawn(self, agent: str, revision: int) -> bool:
        """Whether the claim given at `revision` has been taken away, and nobody has it now."""
        newest, claim = self._newest.get(subjects.agent_claim(agent), (0, None))
        return newest > revision and claim is None

    async def run(self) -> None:
        """Watch for ever."""
        while True:
            try:
                async for entries, pending in self._bucket.watch(subjects.ALL_AGENT_CLAIMS):
                    for entry in entries:
                        self._fold(entry)
                    if pending == 0:
                        self.caught_up.set()
            except TailTooOld:
                continue  # a new watch begins with the newest claim of each identity

    def _fold(self, entry: Entry) -> None:
        self._newest[entry.key] = entry.revision, None if entry.value is None else _decoder.decode(entry.value)
        self._moved(entry.key)
        if entry.value is None:
            del self._newest[entry.key]  # or every identity that ever was would stay
