"""Append: the one way to change a request (and a directory entry).

An event is appended expecting the sequence of the event before it in its chain. When the server's answer leaves open what
happened, the *unique successor* of that sequence, read from the stream's leader, decides.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from nats.aio.client import Client

from services.contracts import codec, subjects
from services.contracts.events import RequestEvent, agent_gateway, type_of
from services.contracts.lifecycle import TRANSITIONS
from services.runtime import telemetry
from services.runtime.errors import Final, NatsUnavailable, Retryable
from services.runtime.jetstream import ApiError, PubAck, Stored, get, publish
from services.runtime.metrics import bounded

ACCEPT_DEADLINE_S = 60.0
ATTEMPT_TIMEOUT_S = 5.0
_BACK_OFF_S = (0.02, 0.05, 0.1, 0.25, 0.5, 1.0)

WRONG_LAST_SEQUENCE, IN_PROCESS, WRONG_LAST_SEQUENCE_CONSTANT = 10071, 10158, 10164
UNDECIDED = frozenset({WRONG_LAST_SEQUENCE, IN_PROCESS, WRONG_LAST_SEQUENCE_CONSTANT})
"""The server says these without having decided anything about the message: the one that followed, or is the last, does."""
FULL = frozenset({10023, 10047, 10077, 10122})
"""The server has no room for the message."""


@dataclass(frozen=True, slots=True)
class Record:
    """One event on its way into a stream. `chain` is the filter of all events of its chain, always the identical string;
    `prev_seq` the sequence it must follow (0: it is the first). `id` is fixed before the first try."""

    stream: str
    subject: str
    chain: str
    prev_seq: int
    id: str
    data: bytes
    headers: dict[str, str] = field(default_factory=dict)


def request_record(event: RequestEvent, traceparent: str = "") -> Record:
    """A request event on its way into REQUESTS."""
    gateway = agent_gateway(event) or subjects.NO_GATEWAY
    return Record(
        stream=subjects.REQUESTS,
        subject=subjects.request_event(event.rid, type_of(event), event.space, gateway, event.origin),
        chain=subjects.chain(event.rid),
        prev_seq=event.prev_seq,
        id=event.id,
        data=codec.requests.encode(event),
        headers={subjects.TRACEPARENT: traceparent} if traceparent else {},
    )


class Superseded(Final):
    """Another event followed first; it is attached."""

    def __init__(self, record: Record, by: Stored) -> None:
        super().__init__(f"{record.subject} after {record.prev_seq}: {by.subject} was first")
        self.record, self.by = record, by


class ChainClosed(Final):
    """The chain was trimmed from the stream: it ended long ago, history knows how."""

    def __init__(self, record: Record) -> None:
        super().__init__(f"{record.subject}: its chain is no longer in the stream")
        self.record = record


class StreamFull(Retryable):
    """The stream has reached its limit: admission stops until history has trimmed it."""


class Undecided(Retryable):
    """The deadline passed before the fate of the event was known: it may still have been stored."""


_RESULTS: Mapping[type[Exception], str] = MappingProxyType(
    {Superseded: "superseded", ChainClosed: "chain_closed", StreamFull: "stream_full", Undecided: "undecided"}
)
_OTHERS: Mapping[str, str] = MappingProxyType({subjects.DIRECTORY: "directory", subjects.CONNECTIONS: "connection"})
_TYPES = frozenset(type_ for _, type_ in TRANSITIONS)


def _kind(record: Record) -> str:
    """What Prometheus is shown of an event: the type of a request's, the family of any other."""
    named = record.subject.split(".", 5)
    return _OTHERS.get(record.stream) or bounded(named[4] if len(named) > 4 else "", _TYPES)


async def append(nc: Client, record: Record, deadline_s: float = ACCEPT_DEADLINE_S) -> int:
    """Store the event and return its sequence, also when an earlier try had stored it. Tries for `deadline_s` seconds.

    Raises Superseded, ChainClosed, StreamFull, Undecided, ApiError."""
    kind, began, result = _kind(record), time.perf_counter(), "canceled"
    try:
        seq = await _append(nc, record, deadline_s, kind)
        result = "stored"
    except (Final, Retryable) as error:
        result = _RESULTS.get(type(error), "refused")
        raise
    finally:
        telemetry.APPENDS.labels(kind, result).inc()
        telemetry.APPEND_SECONDS.observe(time.perf_counter() - began)
    return seq


async def _append(nc: Client, record: Record, deadline_s: float, kind: str) -> int:
    headers = record.headers | {
        subjects.MSG_ID: record.id,
        subjects.EXPECTED_SEQUENCE: str(record.prev_seq),
        subjects.EXPECTED_SUBJECT: record.chain,
    }
    end = time.monotonic() + deadline_s
    tries = 0
    while True:
        seq: int | None = None
        cause: NatsUnavailable | None = None
        try:
            seq = await _attempt(nc, record, headers, max(0.1, min(ATTEMPT_TIMEOUT_S, end - time.monotonic())))
        except NatsUnavailable as error:
            cause = error
        if seq is not None:
            return seq
        pause = _BACK_OFF_S[min(tries, len(_BACK_OFF_S) - 1)]
        if time.monotonic() + pause >= end:
            raise Undecided(f"{record.subject} was not decided within {deadline_s:g} s") from cause
        telemetry.APPEND_RETRIES.labels(kind).inc()
        await asyncio.sleep(pause)
        tries += 1


async def append_late(nc: Client, record: Record, deadline_s: float) -> int:
    """`append`, of an event that may follow a request's end long after its chain has left the stream: then it is the first
    that the stream has of it, and says what it follows. Raises what `append` raises."""
    try:
        return await append(nc, record, deadline_s)
    except ChainClosed:
        return await append(nc, replace(record, prev_seq=0), deadline_s)


async def _attempt(nc: Client, record: Record, headers: dict[str, str], timeout_s: float) -> int | None:
    if not nc.is_connected:
        # While disconnected the client would buffer the event and send it after our deadline.
        raise NatsUnavailable("not connected")
    ack = await publish(nc, record.subject, record.data, headers, timeout_s)
    if ack.error is None:
        return ack.seq
    _raise_unless_undecided(ack)
    return await _successor(nc, record, timeout_s)


def _raise_unless_undecided(ack: PubAck) -> None:
    assert ack.error is not None
    if ack.error.err_code in UNDECIDED:
        return
    if ack.error.err_code in FULL:
        raise StreamFull(ack.error.description)
    if ack.error.code >= 500:
        raise NatsUnavailable(ack.error.description)
    raise ApiError(ack.error.code, ack.error.err_code, ack.error.description)


async def _successor(nc: Client, record: Record, timeout_s: float) -> int | None:
    """The sequence of our event if it is the one that followed `prev_seq`; None when nothing has followed yet."""
    prev, chain = record.prev_seq, record.chain
    found = await get(nc, record.stream, seq=prev + 1, following=chain, known=prev, timeout_s=timeout_s)
    if found is not None:
        if found.headers.get(subjects.MSG_ID) == record.id:
            return found.seq
        raise Superseded(record, found)
    if prev and await get(nc, record.stream, seq=prev, known=prev, timeout_s=timeout_s) is None:
        raise ChainClosed(record)
    return None
