"""Brings assignments to their agents, and stops what has become void.

The tail of all events that name this gateway is the fast path. Whatever is late, repeated or asked for by a dispatcher is
decided by the end of the request's chain, read from the stream's leader: an assignment is never handed out twice."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Literal, TypeVar

import msgspec
from nats.aio.client import Client

from services.contracts import codec, subjects
from services.contracts.events import Assigned, RequeueReason
from services.gateway import results
from services.gateway.background import Background, Fail
from services.gateway.decisions import Append
from services.gateway.granted import Granted
from services.gateway.grants import Grants
from services.gateway.leases import Answer, Lease, LeaseTable
from services.gateway.session import GatewaySession
from services.runtime import tracing
from services.runtime.clock import ServerClock
from services.runtime.errors import NatsUnavailable
from services.runtime.file_store import FileGone
from services.runtime.jetstream import ApiError, Stored, get, stream_info
from services.runtime.tail import Tail, TailTooOld, TailTrimmed

LATE_NS = 1_000_000_000
"""A dispatcher asks for an assignment that it has not seen listed after this long, and may have given up."""
CONCURRENT_READS = 32
_RETRY_S = 0.5

Delivered = Literal["held", "closed", "busy", "no_connection"]
T = TypeVar("T")


class _Follower(msgspec.Struct):
    """What matters of an event that follows a lease."""

    id: str
    prev_seq: int


_follower = msgspec.json.Decoder(_Follower)


class Delivery:
    """Delivers what the stream says. `sessions` are this gateway's by connection; `after` is called with each session
    that was changed, `submit` with each event that is to be appended."""

    def __init__(
        self,
        nc: Client,
        gateway: str,
        table: LeaseTable,
        sessions: Mapping[str, GatewaySession],
        clock: ServerClock,
        keep_s: float,
        grants: Grants,
        *,
        after: Callable[[GatewaySession], None],
        submit: Callable[[Append], None],
        fail: Fail,
    ) -> None:
        self._nc, self._gateway, self._table, self._sessions = nc, gateway, table, sessions
        self._clock, self._keep_s, self._grants = clock, keep_s, grants
        self._after, self._submit = after, submit
        self._reads = asyncio.Semaphore(CONCURRENT_READS)
        self._late = Background(fail)
        self.caught_up = asyncio.Event()

    # The tail

    async def run(self) -> None:
        """Follow the events that name this gateway, for ever. What was stored before now names no gateway of our id."""
        while True:
            start = await end_of_stream(self._nc) + 1
            await self.recheck(self._table)
            tail = Tail(
                self._nc,
                subjects.REQUESTS,
                subjects.for_agent_gateway(self._gateway),
                start,
                keep_s=self._keep_s,
                name="delivery",
                lasting=True,
            )
            try:
                async for batch in tail.batches():
                    self._handle(batch.messages)
                    if batch.pending == 0:
                        self.caught_up.set()
            except (TailTrimmed, TailTooOld):
                # Dispatchers ask for assignments that were missed meanwhile; what we hold is checked above.
                continue

    def _handle(self, messages: list[Stored]) -> None:
        now_ns = self._clock.now_ns()
        for stored in messages:
            if subjects.parse_request_event(stored.subject).type == "assigned":
                self._assigned(stored, late=now_ns - stored.time_ns > LATE_NS)
            else:
                self.voided(stored)

    def _assigned(self, stored: Stored, late: bool) -> None:
        event = codec.requests.decode(stored.data)
        assert isinstance(event, Assigned)
        granted = self._grants.known(event, stored.seq)
        if late or granted is None or self._table.known(stored.seq) is not None:
            self._late.spawn(self._deliver_late(event.rid, stored.seq))
            return
        answer = self._hand_over(event, stored.seq, granted)
        if answer != "held":
            self._give_back(event, stored.seq, answer)

    def _hand_over(self, assigned: Assigned, seq: int, granted: Granted) -> Answer:
        """Hand a lease to its agent, with what is granted, unless that was tried before."""
        known = self._table.known(seq)
        if known is not None:
            return known
        session = self._sessions.get(assigned.conn)
        with tracing.delivering(assigned) as span:
            told = tracing.carrying(assigned, span)
            answer: Answer = "no_connection" if session is None else session.deliver(told, seq, granted)
            if answer != "held":
                span.failed(answer)
        self._table.answered(seq, answer)
        if session is not None and answer == "held":
            self._after(session)
        return answer

    def _give_back(self, assigned: Assigned, seq: int, answer: Answer) -> None:
        lease = Lease.of(assigned, seq, assigned.conn)
        reason: RequeueReason = "busy" if answer == "busy" else "no_connection"
        event = results.requeued(lease, self._gateway, reason)
        self._submit(Append(event=event, traceparent=assigned.traceparent))

    async def _deliver_late(self, rid: str, seq: int) -> None:
        try:
            answer, assigned = await self._deliver(rid, seq)
        except (NatsUnavailable, ApiError):
            return  # the dispatcher asks for it
        if assigned is not None and (answer == "busy" or answer == "no_connection"):
            self._give_back(assigned, seq, answer)

    # By the chain

    async def deliver(self, rid: str, seq: int) -> Delivered:
        """A dispatcher's question: is this lease with its agent? If not, deliver it now. Raises NatsUnavailable,
        ApiError."""
        return (await self._deliver(rid, seq))[0]

    async def _deliver(self, rid: str, seq: int) -> tuple[Delivered, Assigned | None]:
        async with self._reads:
            last = await get(self._nc, subjects.REQUESTS, last=subjects.chain(rid), known=seq)
            if last is None or last.seq != seq:
                return "closed", None
            assigned = codec.requests.decode(last.data)
            if not isinstance(assigned, Assigned):
                return "closed", None
            try:
                granted = await self._grants.find(assigned, seq)
            except FileGone as error:
                return self._end_without_file(assigned, seq, error), assigned
        return self._hand_over(assigned, seq, granted), assigned

    def _end_without_file(self, assigned: Assigned, seq: int, error: FileGone) -> Answer:
        """The attempt cannot begin, nor could another one."""
        if (known := self._table.known(seq)) is not None:
            return known
        self._table.answered(seq, "held")
        message = f"A file that the request needs is no longer kept: {error}."
        event = results.without_file(Lease.of(assigned, seq, assigned.conn), self._gateway, message)
        self._submit(Append(event=event, traceparent=assigned.traceparent))
        return "held"

    def voided(self, stored: Stored) -> None:
        """An event of a chain: if it follows a lease that an agent of ours holds, and is not its own outcome, the lease
        is void."""
        follower = _follower.decode(stored.data)
        # Also when it came through another gateway: its agent may offer the same result here.
        self._table.decided(follower.prev_seq, follower.id)
        lease = self._table.get(follower.prev_seq)
        if lease is not None:
            self._void(lease, stored.subject)
        else:
            # A delivery under way may have read the chain just before this event came into it.
            self._table.answered(follower.prev_seq, "no_connection")

    async def recheck(self, leases: Iterable[Lease]) -> None:
        """Read the chains of these leases and stop those that are void: the events that say so may have been missed."""
        await asyncio.gather(*(self._recheck(lease) for lease in leases if lease.state != "stopping"))

    async def _recheck(self, lease: Lease) -> None:
        async with self._reads:
            chain, known = subjects.chain(lease.rid), lease.lease
            last = await again(lambda: get(self._nc, subjects.REQUESTS, last=chain, known=known))
        if last is None or last.seq != lease.lease:
            self._void(lease, last.subject if last is not None else "")

    def _void(self, lease: Lease, by: str) -> None:
        if lease.outcome is not None:
            # This may be its own outcome; if not, its append is refused and the agent is told then.
            lease.recording.end()
            if (event := lease.due()) is not None:
                self._submit(Append(event=event, traceparent=lease.traceparent, files=lease.files))
            return
        session = self._sessions.get(lease.conn)
        if session is None or not session.holds(lease.lease):
            self._table.remove(lease)
            return
        session.void(lease.lease, subjects.parse_request_event(by).type if by else "closed")
        self._after(session)


async def again(question: Callable[[], Awaitable[T]]) -> T:
    """Ask until NATS answers."""
    while True:
        try:
            return await question()
        except (NatsUnavailable, ApiError):
            await asyncio.sleep(_RETRY_S)


async def end_of_stream(nc: Client) -> int:
    """The last sequence of REQUESTS, as soon as NATS answers."""
    return (await again(lambda: stream_info(nc, subjects.REQUESTS))).state.last_seq
