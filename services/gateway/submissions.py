"""Submitting: a sound submission becomes `accepted` in the stream, exactly once per idempotency key."""

import asyncio
import contextlib
import os
import time
from dataclasses import dataclass
from functools import partial

from nats.aio.client import Client

from services.contracts import ids, subjects
from services.contracts.accounts import Space
from services.contracts.events import Accepted, Limits
from services.contracts.idempotency import KeyRecord
from services.contracts.requests import RequestState, begin
from services.contracts.trace import carried_state, continued
from services.gateway.auth import Caller
from services.gateway.idempotency import IdempotencyKeys
from services.gateway.intake import MAX_INPUT_BYTES, Submission, key_digest
from services.gateway.metrics import ACCEPTED
from services.gateway.problems import ApiProblem
from services.gateway.queues import Queues
from services.gateway.reading import Reader
from services.gateway.validators import Validators
from services.gateway.values import Admitted, Values
from services.gateway.waiting import Waiting
from services.runtime import telemetry, tracing
from services.runtime.append import Record, Superseded, append, request_record
from services.runtime.errors import NatsUnavailable
from services.runtime.jetstream import ApiError, get


@dataclass(frozen=True, slots=True)
class Order:
    """A submission with who makes it, where, and how they want the answer."""

    caller: Caller
    space: Space
    submission: Submission
    idempotency_key: str | None
    traceparent: str | None
    wait_s: float
    tracestate: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The request; `replayed` when an earlier submission with the same idempotency key had made it."""

    state: RequestState
    replayed: bool


class Submissions:
    """Accepts requests."""

    def __init__(self, nc: Client, origin: str, reader: Reader, waiting: Waiting, queues: Queues, values: Values) -> None:
        self._nc, self._origin, self._reader, self._waiting, self._values = nc, origin, reader, waiting, values
        self._keys, self._queues, self._validators = IdempotencyKeys(nc), queues, Validators()

    async def submit(self, order: Order) -> Answer:
        """Accept the order, or find the request that its key already made. Raises ApiProblem, Retryable."""
        rid = ids.request_id(order.space.space, time.time_ns() // 1_000_000, os.urandom(10))
        if order.idempotency_key is None:
            await self._check(order)
            return Answer(await self._accept(rid, order, ""), False)
        digest = key_digest(order.caller.user.user, order.space.space, order.idempotency_key)
        own = KeyRecord(rid=rid, body_sha256=order.submission.body_sha256)
        record = await self._keys.claim(digest, own, partial(self._check_all, order))
        if record.body_sha256 != order.submission.body_sha256:
            raise ApiProblem("idempotency_mismatch", "This Idempotency-Key came with another body before.")
        if record.rid == rid:
            with contextlib.suppress(Superseded):  # by the same submission at another gateway, which took us for dead
                return Answer(await self._accept(rid, order, digest), False)
        return await self._replay(record.rid, order, digest)

    async def _replay(self, rid: str, order: Order, digest: str) -> Answer:
        """The key is taken: by a request, or by a gateway that died before it could append."""
        state = await self._reader.read(rid)
        if state is None:
            await self._check(order)
            try:
                return Answer(await self._accept(rid, order, digest), False)
            except Superseded:
                state = await self._reader.read(rid)
        if state is None:
            raise NatsUnavailable(f"{rid} was accepted, but cannot be read")
        telemetry.request_id.set(rid)
        return Answer(await self._waiting.further(state, order.wait_s), True)

    async def _check_all(self, order: Order) -> None:
        await self._check(order)
        await self._values.check(order.caller, order.space, order.submission.input)

    async def _check(self, order: Order) -> None:
        # Not of what was accepted before: who repeats a submission is answered with what it made, whatever has become of
        # the space.
        input = bytes(order.submission.input)
        if len(input) > MAX_INPUT_BYTES:  # the event loop has other things to do
            await asyncio.to_thread(self._validators.check, order.space, input)
        else:
            self._validators.check(order.space, input)

    async def _accept(self, rid: str, order: Order, digest: str) -> RequestState:
        await self._queues.check(order.space)
        telemetry.request_id.set(rid)
        admitted = await self._values.admit(order.caller, order.space, order.submission)
        event = self._event(rid, order, admitted, digest)
        with self._waiting.expect(rid) as waiter:
            with tracing.appending(event, event.traceparent, event.tracestate, here=True) as span:
                event = tracing.carrying(event, span)
                seq = await self._append(request_record(event, span.traceparent))
            state = await self._waiting.outcome(waiter, order.wait_s)
            return state or begin(event, seq, await self._stored_at(seq))

    async def _stored_at(self, seq: int) -> int:
        """The instant of an event that was stored just now, though our tail has not brought it: the server's, or by our own
        clock when it cannot be asked."""
        with contextlib.suppress(NatsUnavailable, ApiError):
            stored = await get(self._nc, subjects.REQUESTS, seq=seq, known=seq)
            if stored is not None:
                return stored.time_ns
        return time.time_ns()

    async def _append(self, record: Record) -> int:
        # Nobody cancels this when the client hangs up: the server runs an answer to its end.
        seq = await append(self._nc, record)
        ACCEPTED.inc()
        return seq

    def _event(self, rid: str, order: Order, admitted: Admitted, digest: str) -> Accepted:
        entropy = os.urandom(40)
        wanted, key = order.submission, order.caller.key
        return Accepted(
            id=entropy[24:].hex(),
            rid=rid,
            space=order.space.space,
            prev_seq=0,
            attempt=0,
            actor=order.caller.actor,
            origin=self._origin,
            user=order.caller.user.user,
            key_id=key.key_id,
            input=admitted.input,
            files=admitted.files,
            input_file=admitted.input_file,
            body_sha256=wanted.body_sha256,
            start_timeout_s=wanted.start_timeout_s,
            execution_timeout_s=wanted.execution_timeout_s,
            priority=wanted.priority,
            max_attempts=wanted.max_attempts,
            key_digest=digest,
            retry_of=wanted.retry_of,
            metadata=wanted.metadata,
            traceparent=continued(order.traceparent, entropy),
            tracestate=carried_state(order.traceparent, order.tracestate),
            retention_s=wanted.retention_s,
            limits=None if key.max_in_flight is None else Limits(max_in_flight=key.max_in_flight),
        )
