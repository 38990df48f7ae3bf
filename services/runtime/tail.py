"""Tail: the one way to follow a stream.

An ephemeral pull consumer without acknowledgements, our own pull loop with idle heartbeats, and a check that the consumer's
sequence numbers are contiguous. On a gap, a missed heartbeat or a lost consumer it is created again right after the last
message that was handed out: lossless, and as fast as an append's own acknowledgement.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import msgspec
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from services.contracts.epochs import MARGIN
from services.contracts.subjects import token
from services.runtime import metrics
from services.runtime.errors import NatsUnavailable, Retryable
from services.runtime.jetstream import ApiError, ErrorBody, Stored, api, raise_error, stream_info

PULL = 512
"""Messages asked for at a time, unless told otherwise; the next pull goes out when half of them have come."""
HEARTBEAT_S = 1.0
EXPIRES_S = 30.0
INACTIVE_S = 30.0
"""The server forgets a consumer that nobody has asked for this long."""
BEHIND_S = 25.0
"""A server that is cut off from the others takes itself for the leader for up to 20 s; a stream that stays behind for longer
has lost its end."""
CATCH_UP_HEARTBEAT_S, CATCH_UP_EXPIRES_S = 0.1, 1.0
"""So often do we want to hear how far the consumer has looked while that decides whether we are caught up."""
_RETRY_S = 0.25


class TailTrimmed(Retryable):
    """The stream no longer holds what comes next: rebuild from history and tail from there."""

    def __init__(self, stream: str, wanted: int, first: int) -> None:
        super().__init__(f"{stream} was to be read from {wanted} but begins at {first}")
        self.stream, self.wanted, self.first = stream, wanted, first


class TailAhead(TailTrimmed):
    """The stream ends before what it has already given us: it was replaced, or has lost its end. `first` is what it holds
    next: events of other meaning under numbers that we have seen."""


class TailTooOld(Retryable):
    """The tail was cut off for so long that chains may have been trimmed meanwhile: rebuild."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What has come since the last batch. `pending` is how many more, at least, the stream held for us when the last of them
    was sent: 0 means caught up with all that was stored before we began. A batch may be empty: it then only says so."""

    messages: list[Stored]
    pending: int


class _Created(msgspec.Struct):
    num_pending: int = 0
    error: ErrorBody | None = None


class _Recreate(Exception):
    """The consumer must be made again."""


_created_decoder = msgspec.json.Decoder(_Created)


class Tail:
    """Follows a stream: `async for batch in tail.batches()`.

    `from_seq` is the first sequence wanted; `last_per_subject` starts with the newest message of each subject instead (for
    buckets). `keep_s` bounds how long the tail may have been cut off before it raises TailTooOld (None: for ever). `pull` is
    how many messages may be on their way: a tail whose reader is slow holds no more of them in memory. `lasting`: it is
    followed all the time, so Prometheus is shown how much waits for it, by its `name`.
    """

    def __init__(
        self,
        nc: Client,
        stream: str,
        filters: list[str],
        from_seq: int = 1,
        *,
        last_per_subject: bool = False,
        keep_s: float | None = None,
        pull: int = PULL,
        name: str = "tail",
        lasting: bool = False,
    ) -> None:
        self._nc, self._stream, self._filters = nc, stream, filters
        self._next_seq = from_seq
        self._last_per_subject = last_per_subject
        self._keep_s = keep_s
        self._size = pull
        self._name = token("consumer", name)
        self._waiting = metrics.TAIL_PENDING.labels(stream, name) if lasting else None
        self._contact = time.monotonic()
        self._behind_since: float | None = None
        self._end = 0
        self._arrived: deque[Msg] = deque()
        self._wake = asyncio.Event()
        self._deleting: asyncio.Task[None] | None = None
        self.recreations = 0

    @property
    def next_seq(self) -> int:
        """The sequence up to which everything that matches has been handed out."""
        return self._next_seq

    async def batches(self) -> AsyncIterator[Batch]:
        """What the stream holds from `from_seq` on, and then whatever is appended, in order, without gap or repeat.

        Raises TailTrimmed, TailAhead, TailTooOld; never ends by itself."""
        try:
            async for batch in self._batches():
                if self._waiting is not None:
                    self._waiting.set(batch.pending)
                yield batch
        finally:
            if self._waiting is not None:
                self._waiting.set(0)

    async def _batches(self) -> AsyncIterator[Batch]:
        while True:
            try:
                async for batch in self._consume():
                    yield batch
            except (_Recreate, NatsUnavailable, nats.errors.Error, ApiError) as error:
                if isinstance(error, ApiError) and error.code not in (404, 500):
                    raise
                await self._check_age()
                self.recreations += 1
                metrics.TAIL_RECREATIONS.labels(self._stream).inc()
                await asyncio.sleep(_RETRY_S)

    async def _check_age(self) -> None:
        if self._keep_s is not None and self.away_s > self._keep_s / 2:
            raise TailTooOld(f"{self._stream}: cut off for {self.away_s:.0f} s")

    @property
    def away_s(self) -> float:
        """How long nothing has been heard of the stream, in seconds: while it can be followed, about a heartbeat at most."""
        return time.monotonic() - self._contact

    async def _consume(self) -> AsyncIterator[Batch]:
        """One consumer's life."""
        self._arrived.clear()
        inbox = self._nc.new_inbox()
        subscription = await self._nc.subscribe(inbox, cb=self._on_message, pending_msgs_limit=-1, pending_bytes_limit=-1)
        consumer = f"{self._name}-{inbox[-22:]}"
        try:
            pending = await self._create(consumer)
            self._contact = time.monotonic()
            if pending == 0 and self._caught_up:
                yield Batch([], 0)
            async for batch in self._pull_loop(consumer, inbox):
                yield batch
        finally:
            await self._discard(subscription, consumer)

    async def _create(self, name: str) -> int:
        """Create the consumer; how many messages wait for it."""
        await self._check_position()
        config: dict[str, Any] = {
            "name": name,
            "ack_policy": "none",
            "replay_policy": "instant",
            "mem_storage": True,
            "num_replicas": 1,
            "inactive_threshold": int(INACTIVE_S * 1e9),
            "filter_subjects": self._filters,
        }
        if self._last_per_subject and self._next_seq <= 1:
            config["deliver_policy"] = "last_per_subject"
        else:
            config |= {"deliver_policy": "by_start_sequence", "opt_start_seq": max(1, self._next_seq)}
        body = {"stream_name": self._stream, "config": config}
        creating = asyncio.create_task(api(self._nc, f"CONSUMER.CREATE.{self._stream}.{name}", body))
        try:
            answer = _created_decoder.decode(await asyncio.shield(creating))
        except asyncio.CancelledError:
            # A deletion that is sent now may be done before the creation: the server takes them up side by side.
            creating.add_done_callback(lambda done: self._delete_abandoned(done, name))
            raise
        raise_error(answer.error)
        return answer.num_pending

    async def _check_position(self) -> None:
        """Raises TailTrimmed, TailAhead when the stream cannot continue from here."""
        info = await stream_info(self._nc, self._stream)
        # The consumer is on any one of the servers that have the stream, and that one may not have all of it yet.
        self._end = info.state.last_seq if info.config.num_replicas > 1 else 0
        if self._next_seq <= 1:
            return
        if info.state.last_seq + 1 < self._next_seq:
            now = time.monotonic()
            self._behind_since = now if self._behind_since is None else self._behind_since
            if now - self._behind_since < BEHIND_S:
                raise _Recreate
            raise TailAhead(self._stream, self._next_seq, info.state.last_seq + 1)
        self._behind_since = None
        # Of a bucket only the newest values are wanted, unless it is another bucket: what is missing there is gone.
        bearable = MARGIN - 1 if self._last_per_subject else 0
        if info.state.first_seq > self._next_seq + bearable:
            raise TailTrimmed(self._stream, self._next_seq, info.state.first_seq)

    @property
    def _caught_up(self) -> bool:
        """Whether all that was stored before the consumer was made has been looked through."""
        return self._next_seq > self._end

    async def _pull_loop(self, consumer: str, inbox: str) -> AsyncIterator[Batch]:
        outstanding, consumer_seq = 0, 0
        while True:
            if outstanding <= self._size // 2:
                await self._pull(consumer, inbox, self._size - outstanding)
                outstanding = self._size
            await self._await_arrival()
            messages: list[Stored] = []
            # The position moves only with what is handed out: a consumer lost half-way takes the rest of the batch with it.
            pending, reached, behind = 0, self._next_seq, not self._caught_up
            while self._arrived:
                message = self._arrived.popleft()
                if not message.reply:
                    outstanding -= _returned(message, self._size)
                    reached = max(reached, _looked_through(message, consumer_seq))
                    continue
                outstanding -= 1
                consumer_seq += 1
                stored, found, pending = _stored(message)
                if found != consumer_seq:
                    self._arrived.clear()
                    raise _Recreate
                messages.append(stored)
                reached = stored.seq + 1
            self._next_seq = reached
            if messages or (behind and self._caught_up):
                yield Batch(messages, pending if self._caught_up else max(1, pending))

    async def _await_arrival(self) -> None:
        if not self._arrived:
            self._wake.clear()
            try:
                async with asyncio.timeout(HEARTBEAT_S * 3):
                    await self._wake.wait()
            except TimeoutError:
                raise _Recreate from None
        self._contact = time.monotonic()

    async def _on_message(self, message: Msg) -> None:
        self._arrived.append(message)
        self._wake.set()

    async def _pull(self, consumer: str, inbox: str, batch: int) -> None:
        expires_s, heartbeat_s = (EXPIRES_S, HEARTBEAT_S) if self._caught_up else (CATCH_UP_EXPIRES_S, CATCH_UP_HEARTBEAT_S)
        body = {"batch": batch, "expires": int(expires_s * 1e9), "idle_heartbeat": int(heartbeat_s * 1e9)}
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{consumer}"
        await self._nc.publish(subject, msgspec.json.encode(body), reply=inbox)

    async def _discard(self, subscription: Subscription, consumer: str) -> None:
        with contextlib.suppress(nats.errors.Error, NatsUnavailable):
            await subscription.unsubscribe()
            await self._delete(consumer)

    async def _delete(self, consumer: str) -> None:
        if self._nc.is_connected:
            await self._nc.publish(f"$JS.API.CONSUMER.DELETE.{self._stream}.{consumer}")

    def _delete_abandoned(self, created: asyncio.Task[bytes], consumer: str) -> None:
        if not created.cancelled() and created.exception() is None:
            self._deleting = asyncio.create_task(self._delete(consumer))


def _returned(message: Msg, size: int) -> int:
    """How many asked-for messages a status message gives back: it says so, or it ends a whole pull of this size. Raises
    _Recreate when the consumer is gone."""
    headers = message.headers or {}
    status = headers.get("Status", "")
    if status == "100":
        return 0
    if (status == "409" and "Deleted" not in headers.get("Description", "")) or status == "408":
        return int(headers.get("Nats-Pending-Messages", size))
    raise _Recreate


def _looked_through(heartbeat: Msg, consumer_seq: int) -> int:
    """The sequence up to which an idle heartbeat says that the stream has been looked through, 0 when it does not say: a
    tail whose filter matches seldom must not fall behind what is trimmed. Raises _Recreate when it speaks of messages that
    have not come."""
    headers = heartbeat.headers or {}
    if "Nats-Last-Stream" not in headers:
        return 0
    if int(headers.get("Nats-Last-Consumer", consumer_seq)) != consumer_seq:
        raise _Recreate
    return int(headers["Nats-Last-Stream"]) + 1


def _stored(message: Msg) -> tuple[Stored, int, int]:
    """The message with its consumer sequence and what is pending after it, from its reply subject
    `$JS.ACK.[<domain>.<account>.]<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time>.<pending>[.<token>]`."""
    tokens = message.reply.split(".")
    base = 0 if len(tokens) == 9 else 2
    seq, consumer_seq, at, pending = (int(tokens[base + i]) for i in (5, 6, 7, 8))
    return Stored(seq, at, message.subject, message.data, message.headers or {}), consumer_seq, pending
