"""The dispatcher's shell: follows its partitions and carries out what is decided about them."""

import asyncio
import logging
import os
import time
from collections.abc import Iterable

import msgspec
from nats.aio.msg import Msg

from services.contracts import subjects
from services.contracts.directory import DirectoryEvent, SpaceEdited, SpaceResumed
from services.contracts.ids import part_of_request, part_of_space
from services.contracts.reports import ControlAnswer, Deliver, Ping
from services.contracts.rpc import GetQueue, GetSpaceOverview, GetSpaceQueue, QueuePlace, SpaceOverview, SpaceQueue
from services.dispatcher import places
from services.dispatcher.decide import AnyDecision, Check, Decision, answered, assignments, give_back, timers, undo
from services.dispatcher.events import event_of
from services.dispatcher.folding import fold
from services.dispatcher.gateways import Gateways
from services.dispatcher.measures import measure
from services.dispatcher.metrics import ABLE, DECISIONS, OWNED, PROCESSING, QUEUED, SUPERSEDED, show
from services.dispatcher.overview import overview
from services.dispatcher.partitions import Partitions
from services.dispatcher.quotas import NO_LIMITS, SpaceLimits
from services.dispatcher.recovery import RecoveryNeeded, recover
from services.dispatcher.state import SECOND, Partition
from services.runtime import tracing
from services.runtime.append import ChainClosed, StreamFull, Superseded, Undecided, append, request_record
from services.runtime.clock import ServerClock
from services.runtime.directory import DirectoryFollower
from services.runtime.errors import NatsUnavailable
from services.runtime.jetstream import Stored
from services.runtime.live import Liveness
from services.runtime.loops import cancel
from services.runtime.process import Process
from services.runtime.tail import Tail, TailTooOld, TailTrimmed

log = logging.getLogger("services.dispatcher")

TICK_S = 0.1
PAUSE_S = 2.0
"""After a pause of our own of this length we know nothing: everybody has to report again. So it is when the server's clock
has jumped: how long ago something was heard is counted with it."""
APPEND_S = 10.0
CONCURRENCY = 256
FULL_PAUSE_S = 1.0
"""A full stream is not tried again sooner."""
MEASURE_S = 5.0
"""All that waits is looked through this often."""


class Dispatcher:
    """One dispatcher process."""

    def __init__(self, process: Process, liveness: Liveness, clock: ServerClock, follower: DirectoryFollower) -> None:
        self._process, self._nc, self._me = process, process.nc, process.id
        self._liveness, self._clock, self._follower = liveness, clock, follower
        self.gateways = Gateways(self._nc, liveness, clock, self._dispatch)
        self.partitions = Partitions(self._nc, self._me, liveness, self._gain, self._lose)
        self._runners: dict[int, asyncio.Task[None]] = {}
        self.states: dict[int, Partition] = {}
        """Partitions that are caught up: only these are decided about."""
        self._slots = asyncio.Semaphore(CONCURRENCY)
        self._tasks: set[asyncio.Task[None]] = set()
        self._full_until = 0.0

    async def listen(self) -> None:
        """Subscribe to the reports of all gateways and to our own control subject."""
        await self._nc.subscribe(subjects.control(self._me), cb=self._on_control)
        await self.gateways.listen()

    async def _on_control(self, message: Msg) -> None:
        if msgspec.json.decode(message.data, type=Ping | Deliver) == Ping():
            await message.respond(msgspec.json.encode(ControlAnswer(answer="pong")))

    @property
    def able(self) -> bool:
        """Whether anything may be decided at all now."""
        return (
            self._nc.is_connected
            and not self._process.stopping.is_set()
            and not self._liveness.halted
            and time.monotonic() >= self._full_until
            and self.gateways.reported
            and self._follower.caught_up.is_set()
        )

    # Partitions

    def _gain(self, part: int) -> None:
        self.gateways.raise_barrier()
        self._runners[part] = self._process.spawn(f"partition {part}", self._run(part))
        OWNED.set(len(self.partitions.owned))

    async def _lose(self, part: int) -> None:
        runner = self._runners.pop(part, None)
        if runner is not None:
            await cancel([runner])
        self._let_go(part)
        OWNED.set(len(self.partitions.owned))

    def _let_go(self, part: int) -> None:
        self.states.pop(part, None)
        self.gateways.fleet.let_go(part)

    async def _run(self, part: int) -> None:
        """Recover and then follow one partition for as long as we own it."""
        while True:
            partition = Partition(part, self.gateways.fleet)
            try:
                from_seq = await recover(self._nc, partition, self._clock)
                await self._follow(partition, from_seq)
            except (TailTrimmed, TailTooOld) as error:
                log.warning("partition %d is rebuilt: %s", part, error)
            except NatsUnavailable as error:
                log.warning("partition %d waits: %s", part, error)
                await asyncio.sleep(0.5)
            except RecoveryNeeded as error:
                log.error("partition %d decides nothing: %s", part, error)
                await asyncio.sleep(5.0)
            self._let_go(part)
            self.gateways.raise_barrier()

    async def _follow(self, partition: Partition, from_seq: int) -> None:
        keep_s = self._process.settings.stream_keep
        filters = [subjects.partition(partition.part)]
        tail = Tail(
            self._nc, subjects.REQUESTS, filters, from_seq, keep_s=keep_s, name=f"part{partition.part}", lasting=True
        )
        async for batch in tail.batches():
            touched = self._fold(partition, batch.messages)
            if batch.pending == 0 and partition.part not in self.states:
                self.states[partition.part] = partition
                log.info("partition %d: %d open requests", partition.part, len(partition.requests))
                touched = set(partition.queues)
            self._dispatch(touched, [partition])

    def _fold(self, partition: Partition, messages: list[Stored]) -> set[str]:
        now = self._clock.now_ns()
        spaces = {fold(partition, stored.data, stored.seq, stored.time_ns, now) for stored in messages}
        return {space for space in spaces if space is not None}

    # Decisions

    def _dispatch(self, spaces: Iterable[str], partitions: Iterable[Partition] | None = None) -> None:
        if not self.able:
            return
        now = self._clock.now_ns()
        for partition in list(self.states.values()) if partitions is None else partitions:
            if partition.part not in self.states or not self.partitions.secure(partition.part):
                continue
            for space in spaces:
                if space in partition.queues and not self._paused(space):
                    for decision in assignments(partition, space, now, self._limits(space)):
                        self._start(partition, decision)

    def on_directory_event(self, event: DirectoryEvent) -> None:
        """A space may have been given room: it need not wait for the next report."""
        if isinstance(event, SpaceEdited | SpaceResumed):
            self._dispatch({event.space})

    def _paused(self, space: str) -> bool:
        return self._follower.directory.paused(space)

    def _limits(self, space: str) -> SpaceLimits:
        there = self._follower.directory.serviceable(space)
        return NO_LIMITS if there is None else SpaceLimits(there.max_in_flight, there.max_in_flight_per_user)

    async def keep_measuring(self) -> None:
        """Show how queues and agents are, for ever."""
        while True:
            ABLE.set(self.able)
            show(measure(self.states.values(), self.gateways.fleet, self._paused, self._clock.now_ns()))
            await asyncio.sleep(MEASURE_S)

    async def tick(self) -> None:
        """Decide what time alone brings about, for ever."""
        last = self._clock.now_ns()
        while True:
            await asyncio.sleep(TICK_S)
            passed_s = (self._clock.now_ns() - last) / SECOND
            if not 0 <= passed_s <= PAUSE_S:
                log.warning("paused, or the clock jumped, for %.1f s: waiting for full reports", passed_s)
                self.gateways.raise_barrier()
            last = self._clock.now_ns()
            self._measure()
            if self.able:
                self._decide_by_time()

    def _decide_by_time(self) -> None:
        now = self._clock.now_ns()
        for partition in list(self.states.values()):
            if not self.partitions.secure(partition.part):
                continue
            for decision in timers(partition, now):
                self._start(partition, decision)
        # A queue whose agents said busy, or whose space was paused, gets no event that would wake it.
        self._dispatch({space for partition in self.states.values() for space in partition.queues})

    def _measure(self) -> None:
        states = self.states.values()
        PROCESSING.set(sum(len(partition.leases) for partition in states))
        QUEUED.set(sum(len(partition.requests) - len(partition.leases) for partition in states))

    def _start(self, partition: Partition, decision: AnyDecision) -> None:
        work = self._check(partition, decision) if isinstance(decision, Check) else self._carry_out(partition, decision)
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a decision failed", exc_info=error)
            self._process.fail("a decision failed")

    async def _carry_out(self, partition: Partition, decision: Decision) -> None:
        event = event_of(decision, os.urandom(16).hex(), f"dispatcher:{self._me}")
        rid, state = event.rid, decision.state
        try:
            async with self._slots:
                with tracing.appending(event, state.traceparent, state.tracestate) as span:
                    event = tracing.carrying(event, span)
                    seq = await append(self._nc, request_record(event, span.traceparent), APPEND_S)
        except Superseded as error:
            SUPERSEDED.inc()
            give_back(partition, decision)
            partition.settled(rid, error.by.seq)
        except (Undecided, StreamFull, ChainClosed) as error:
            log.warning("%s: %s", type(error).__name__, error, extra={"request_id": rid})
            undo(partition, decision, self._clock.now_ns())
            if isinstance(error, StreamFull):
                self._full_until = time.monotonic() + FULL_PAUSE_S
            elif isinstance(error, ChainClosed):
                partition.forget(rid)
        else:
            DECISIONS.labels(type(decision).__name__.lower()).inc()
            partition.settled(rid, seq)

    async def _check(self, partition: Partition, check: Check) -> None:
        state = check.state
        answer = await self.gateways.ask(state.gateway, Deliver(rid=state.rid, lease=state.lease))
        requeue = answered(partition, check, answer, self._clock.now_ns())
        if requeue is not None:
            self._start(partition, requeue)

    # Queries

    async def place(self, query: GetQueue) -> QueuePlace | None:
        """Where a request stands in its queue and why it waits; None when its partition is not ours."""
        partition = self.states.get(part_of_request(query.rid))
        if partition is None:
            return None
        return places.place(partition, query.rid, self._paused, self._clock.now_ns(), self._limits)

    async def queue(self, query: GetSpaceQueue) -> SpaceQueue | None:
        """What waits of a space; None when its partition is not ours, or not every gateway has said who is connected."""
        partition = self._informed(query.space)
        return None if partition is None else places.queue(partition, query.space)

    async def overview(self, query: GetSpaceOverview) -> SpaceOverview | None:
        """What waits and runs of a space; None as `queue`."""
        partition, paused, limits = self._informed(query.space), self._paused(query.space), self._limits(query.space)
        if partition is None:
            return None
        return overview(partition, query.space, paused=paused, now=self._clock.now_ns(), limits=limits)

    def _informed(self, space: str) -> Partition | None:
        """The partition of a space, if it is ours and every gateway has said who is connected."""
        part = part_of_space(space)
        informed = self.partitions.secure(part) and self.gateways.reported
        return self.states.get(part) if informed else None

    async def drain(self) -> None:
        """Finish what is being appended and hand the partitions back."""
        while self._tasks:
            await asyncio.wait(self._tasks)
        await self.partitions.release_all()
