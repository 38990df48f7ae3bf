"""Waiting for outcomes without polling: one tail for all requests that came in here, folded only for those that somebody
waits for."""

import asyncio
import contextlib
from collections.abc import Iterator

from nats.aio.client import Client

from services.contracts import codec, subjects
from services.contracts.events import Erased
from services.contracts.requests import RequestState, evolve
from services.gateway.delivery import end_of_stream
from services.gateway.metrics import WAITERS
from services.gateway.reading import Reader
from services.runtime.errors import SpacesError
from services.runtime.jetstream import Stored
from services.runtime.tail import Tail, TailTrimmed

BEGIN_S = 1.0
"""How long an answer waits for the tail to bring a request's first event, whose acknowledgement is already there."""


class Waiter:
    """One request that is waited for, by one client or by several with the same idempotency key."""

    def __init__(self) -> None:
        self.state: RequestState | None = None
        self.error: Exception | None = None
        self.begun, self.finished = asyncio.Event(), asyncio.Event()
        self.clients = 0
        self.follower: asyncio.Task[None] | None = None
        self._early: list[Stored] = []

    def see(self, stored: Stored) -> None:
        """Fold one more event of the chain. Events may come before the state that they apply to is known."""
        try:
            self._fold(stored)
        except ValueError as error:  # undecodable, or no chain: a matter of this request only
            self.fail(error)

    def seed(self, state: RequestState) -> None:
        """Start from a state that was read, unless a newer one is known."""
        if self.state is None or self.state.seq < state.seq:
            self._set(state)
        early, self._early = self._early, []
        for stored in early:
            self.see(stored)

    def fail(self, error: Exception) -> None:
        """Nothing more will be seen."""
        self.error = error
        self.release()

    def release(self) -> None:
        """End all waiting; the clients get the state as it is."""
        self.begun.set()
        self.finished.set()

    def _fold(self, stored: Stored) -> None:
        if self.state is not None and stored.seq <= self.state.seq:
            return
        event = codec.requests.decode(stored.data)
        if self.state is None and event.prev_seq:
            self._early.append(stored)
            return
        if isinstance(event, Erased) and self.state is not None and self.state.open:
            self.release()  # it has ended, though by an event that left the stream before we came to it
            return
        self._set(evolve(self.state, event, stored.seq, stored.time_ns))

    def _set(self, state: RequestState) -> None:
        self.state = state
        self.begun.set()
        if not state.open:
            self.finished.set()


class Waiting:
    """All waiters of a gateway."""

    def __init__(self, nc: Client, origin: str, reader: Reader) -> None:
        self._nc, self._origin, self._reader = nc, origin, reader
        self._waiters: dict[str, Waiter] = {}
        self._released = False
        self.caught_up = asyncio.Event()

    async def follow(self) -> None:
        """Follow what becomes of the requests that came in here, for ever."""
        while True:
            start = await end_of_stream(self._nc) + 1
            await self._catch_up()
            tail = Tail(self._nc, subjects.REQUESTS, subjects.for_origin(self._origin), start, name="waiting", lasting=True)
            try:
                async for batch in tail.batches():
                    self._pass_on(batch.messages)
                    if batch.pending == 0:
                        self.caught_up.set()
            except TailTrimmed:
                # Nothing came in here for long, and the stream was trimmed meanwhile.
                continue

    def _pass_on(self, messages: list[Stored]) -> None:
        for stored in messages:
            # ws.req.<part>.<rid>.<rest>
            waiter = self._waiters.get(stored.subject.split(".", 4)[3])
            if waiter is not None:
                waiter.see(stored)

    async def _catch_up(self) -> None:
        """Read what is waited for, since the tail begins after it. What cannot be read now is answered as still open."""
        for rid, waiter in list(self._waiters.items()):
            with contextlib.suppress(SpacesError):
                state = await self._reader.read(rid)
                if state is not None:
                    waiter.seed(state)

    @contextlib.contextmanager
    def expect(self, rid: str) -> Iterator[Waiter]:
        """Take note of the request's events while inside. Enter before the append that is waited for."""
        waiter = self._waiters.get(rid)
        if waiter is None:
            waiter = self._waiters[rid] = Waiter()
        waiter.clients += 1
        WAITERS.inc()
        try:
            yield waiter
        finally:
            WAITERS.dec()
            waiter.clients -= 1
            if waiter.clients == 0:
                del self._waiters[rid]
                if waiter.follower is not None:
                    waiter.follower.cancel()

    async def outcome(self, waiter: Waiter, wait_s: float) -> RequestState | None:
        """The state when the request has finished, or else after `wait_s` seconds; with 0 as soon as it is known to have
        begun. None when the tail has brought nothing. Raises what made the chain unreadable."""
        event = waiter.finished if wait_s > 0 and not self._released else waiter.begun
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s or BEGIN_S):
                await event.wait()
        if waiter.error is not None:
            raise waiter.error
        return waiter.state

    async def further(self, state: RequestState, wait_s: float) -> RequestState:
        """The same for a request that was accepted before, here or elsewhere, and was just read."""
        if not state.open or wait_s <= 0:
            return state
        with self.expect(state.rid) as waiter:
            if state.origin == self._origin:
                # The tail may have passed events between that reading and this waiter.
                newer = await self._reader.read(state.rid)
                waiter.seed(newer or state)
            else:
                waiter.seed(state)
                if waiter.follower is None:
                    waiter.follower = asyncio.create_task(self._follow_chain(state, waiter))
            return await self.outcome(waiter, wait_s) or state

    def release(self) -> None:
        """Let nobody wait any longer: the process stops."""
        self._released = True
        for waiter in self._waiters.values():
            waiter.release()

    async def _follow_chain(self, state: RequestState, waiter: Waiter) -> None:
        tail = Tail(self._nc, subjects.REQUESTS, [subjects.chain(state.rid)], state.seq + 1, name="waiting")
        try:
            async for batch in tail.batches():
                for stored in batch.messages:
                    waiter.see(stored)
        except SpacesError as error:
            waiter.fail(error)
