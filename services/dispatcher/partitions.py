"""Claims, renews and releases the leases of partitions, and takes over from owners that are gone."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable

import msgspec
import nats.errors
from nats.aio.client import Client

from services.contracts import subjects
from services.contracts.ids import PARTS
from services.contracts.ownership import PartitionLease
from services.contracts.reports import Ping
from services.dispatcher.ownership import (
    LEASE_TTL_S,
    RENEW_S,
    SETTLE_S,
    STRIKES,
    LeaseView,
    Step,
    candidates,
    shares,
    step,
    strikes_after,
)
from services.runtime.errors import NatsUnavailable
from services.runtime.jetstream import ApiError
from services.runtime.kv import Bucket, Conflict
from services.runtime.live import Liveness

log = logging.getLogger("services.dispatcher.partitions")

ROUND_S = 1.0
PING_TIMEOUT_S = 1.0
COALESCE_S = 0.05
"""Who stops frees many leases one after the other."""
FREE = LeaseView("", 0)


class Partitions:
    """This dispatcher's share of the partitions. `on_gain` and `on_loss` are told about changes; a lost partition must
    be let go before `on_loss` returns."""

    def __init__(
        self,
        nc: Client,
        me: str,
        liveness: Liveness,
        on_gain: Callable[[int], None],
        on_loss: Callable[[int], Awaitable[None]],
    ) -> None:
        self._nc, self._me, self._liveness = nc, me, liveness
        self._on_gain, self._on_loss = on_gain, on_loss
        self._bucket = Bucket(nc, subjects.LEASES)
        self._leases = dict.fromkeys(range(PARTS), FREE)
        self._renewed: dict[int, float] = {}
        self._strikes: dict[str, int] = {}
        self._live: frozenset[str] = frozenset()
        self._live_since = time.monotonic()
        self._caught_up = asyncio.Event()
        self._changed = asyncio.Event()
        self._ending = False
        self._round_under_way = asyncio.Lock()
        self.owned: set[int] = set()

    @property
    def everything_owned(self) -> bool:
        """Whether each partition has an owner that lives, as far as we know."""
        return self._caught_up.is_set() and all(lease.owner for lease in self._leases.values())

    def secure(self, part: int) -> bool:
        """Whether our lease cannot have expired: only then may anything be decided."""
        return time.monotonic() - self._renewed.get(part, -LEASE_TTL_S) < LEASE_TTL_S - RENEW_S

    async def watch(self) -> None:
        """Follow everybody's leases for ever."""
        async for entries, pending in self._bucket.watch():
            for entry in entries:
                part = int(entry.key.removeprefix("part."), 16)
                owner = msgspec.json.decode(entry.value, type=PartitionLease).owner if entry.value else ""
                if entry.revision >= self._leases[part].revision:
                    self._leases[part] = LeaseView(owner, entry.revision)
                    if not owner:
                        self._changed.set()
            if pending == 0:
                self._caught_up.set()

    async def keep(self) -> None:
        """Claim, renew and release for ever, a round each second and whenever a lease is free or the set of dispatchers
        changes; after `release_all` nothing is claimed."""
        await self._caught_up.wait()
        await self._liveness.caught_up.wait()
        ping_at = 0.0
        while True:
            self._changed.clear()
            if time.monotonic() >= ping_at:
                ping_at = time.monotonic() + ROUND_S
                await self._ping_peers()
            async with self._round_under_way:
                if not self._ending:
                    await self._round()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, ping_at - time.monotonic())):
                    await self._changed.wait()
            await asyncio.sleep(COALESCE_S)

    def look(self) -> None:
        """The set of live processes may have changed."""
        if self._liveness.alive("dispatcher") != self._live:
            self._changed.set()

    async def release_all(self) -> None:
        """Hand everything back at once: this process is about to end."""
        self._ending = True
        async with self._round_under_way:  # it might claim again what we release
            for part in list(self.owned):
                await self._release(part)

    async def _round(self) -> None:
        live = self._liveness.alive("dispatcher")
        if live != self._live:
            self._live, self._live_since = live, time.monotonic()
        settled = time.monotonic() - self._live_since >= SETTLE_S
        dead = frozenset(peer for peer, strikes in self._strikes.items() if strikes >= STRIKES)
        wanted = shares(candidates(self._me, live, dead))
        work = []
        for part, lease in self._leases.items():
            todo = step(self._me, wanted[part], lease, dead, settled)
            if part in self.owned and lease.owner not in (self._me, ""):
                await self._lose(part, f"now owned by {lease.owner}")
            elif todo != "nothing":
                work.append(self._perform(part, todo, lease))
        await asyncio.gather(*work)

    async def _ping_peers(self) -> None:
        """Ask all peers whether they are there, owners or not: a dead one must not be handed anything either."""
        owners = {lease.owner for lease in self._leases.values()}
        peers = (owners | self._liveness.alive("dispatcher")) - {"", self._me}
        answers = await asyncio.gather(*(self._ping(peer) for peer in peers))
        self._strikes = strikes_after(self._strikes, dict(zip(peers, answers, strict=True)))

    async def _ping(self, peer: str) -> bool | None:
        try:
            await self._nc.request(subjects.control(peer), msgspec.json.encode(Ping()), timeout=PING_TIMEOUT_S)
        except nats.errors.NoRespondersError:
            return False
        except (nats.errors.Error, TimeoutError):
            return None
        return True

    async def _perform(self, part: int, todo: Step, lease: LeaseView) -> None:
        if todo == "release":
            await self._release(part)
        elif todo == "claim" or time.monotonic() - self._renewed.get(part, 0.0) >= RENEW_S:
            await self._write(part, lease)

    async def _write(self, part: int, lease: LeaseView) -> None:
        at = time.monotonic()
        value = msgspec.json.encode(PartitionLease(owner=self._me))
        try:
            revision = await self._bucket.set(subjects.lease_key(part), value, lease.revision, LEASE_TTL_S)
        except Conflict:
            await self._after_conflict(part)
            return
        except (NatsUnavailable, ApiError) as error:
            log.warning("lease of partition %d was not written: %s", part, error)
            return
        self._leases[part] = LeaseView(self._me, revision)
        self._renewed[part] = at
        if part not in self.owned:
            self.owned.add(part)
            self._on_gain(part)

    async def _after_conflict(self, part: int) -> None:
        """Somebody wrote first: perhaps ourselves, with an acknowledgement that was lost."""
        try:
            entry = await self._bucket.get(subjects.lease_key(part))
        except (NatsUnavailable, ApiError) as error:
            log.warning("lease of partition %d cannot be read: %s", part, error)
            return
        owner = msgspec.json.decode(entry.value, type=PartitionLease).owner if entry.value else ""
        self._leases[part] = LeaseView(owner, entry.revision)
        if part in self.owned and owner != self._me:
            await self._lose(part, f"taken by {owner or 'nobody'}")

    async def _release(self, part: int) -> None:
        lease = self._leases[part]
        await self._lose(part, "released")
        with contextlib.suppress(NatsUnavailable, ApiError, Conflict):
            await self._bucket.delete(subjects.lease_key(part), lease.revision)

    async def _lose(self, part: int, why: str) -> None:
        if part in self.owned:
            self.owned.discard(part)
            self._renewed.pop(part, None)
            log.info("partition %d: %s", part, why)
            await self._on_loss(part)
