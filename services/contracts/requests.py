"""The state of one request: the fold of its chain. Gateway, dispatcher and history all fold with this module, so what is
shown, decided and recorded cannot disagree."""

from collections.abc import Callable, Iterable
from typing import Any, assert_never

import msgspec

from services.contracts.events import (
    Accepted,
    Assigned,
    Canceled,
    Erased,
    Expired,
    Failed,
    Limits,
    Problem,
    RequestEvent,
    Requeued,
    Restored,
    Succeeded,
    type_of,
)
from services.contracts.instants import nanoseconds
from services.contracts.lifecycle import OPEN, InvalidTransition, Status, after

NULL = msgspec.Raw(b"null")
ERASED_MESSAGE = "Its details have been erased."
"""In place of what a handler said of its failure: it may have quoted the input."""
Unfit = Callable[[RequestEvent, int, InvalidTransition], None]
"""Is told an event that cannot follow its chain, with its sequence."""


class RequestState(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the events of a request say. Instants are JetStream's, in nanoseconds since 1970 (0: not yet);
    `seq` is the sequence of the last event folded, `lease` that of the last `assigned`."""

    rid: str
    space: str
    user: str
    key_id: str
    origin: str
    status: Status
    seq: int
    accepted_seq: int
    accepted_at: int
    input: msgspec.Raw
    body_sha256: str
    start_timeout_s: float
    execution_timeout_s: float
    priority: int
    max_attempts: int
    key_digest: str
    metadata: dict[str, Any]
    traceparent: str
    tracestate: str = ""
    files: tuple[str, ...] = ()
    """Those that the input refers to, by id."""
    input_file: str = ""
    """Where the input is when it is too large for an event: `input` is null then. It is the same with the output."""
    retry_of: str = ""
    limits: Limits | None = None
    retention_s: float | None = None
    attempt: int = 0
    failures: int = 0
    """Attempts that consumed the user's budget."""
    losses: int = 0
    """Attempts lost by the platform."""
    not_before: int = 0
    """Not assigned again before this instant."""
    waiting_since: int = 0
    """The start timeout counts from here: acceptance, or the last requeue after a handler had started."""
    agent: str = ""
    conn: str = ""
    gateway: str = ""
    lease: int = 0
    assigned_at: int = 0
    completed_at: int = 0
    started_s: float = 0.0
    run_s: float = 0.0
    first_output_s: float = 0.0
    output: msgspec.Raw = msgspec.field(default_factory=lambda: NULL)  # a plain default has no JSON Schema
    output_files: tuple[str, ...] = ()
    output_file: str = ""
    error: Problem | None = None
    log_tail: str = ""
    erased: bool = False

    @property
    def open(self) -> bool:
        """Whether the request still has no outcome."""
        return self.status in OPEN


class CutChain(ValueError):
    """The events do not begin with the chain's first one: the rest is in history."""


def begin(event: Accepted, seq: int, at: int) -> RequestState:
    """The state after `accepted`."""
    return RequestState(
        rid=event.rid,
        space=event.space,
        user=event.user,
        key_id=event.key_id,
        origin=event.origin,
        status=after(None, "accepted"),
        seq=seq,
        accepted_seq=seq,
        accepted_at=at,
        waiting_since=at,
        input=event.input,
        body_sha256=event.body_sha256,
        start_timeout_s=event.start_timeout_s,
        execution_timeout_s=event.execution_timeout_s,
        priority=event.priority,
        max_attempts=event.max_attempts,
        key_digest=event.key_digest,
        retry_of=event.retry_of,
        metadata=event.metadata,
        traceparent=event.traceparent,
        tracestate=event.tracestate,
        limits=event.limits,
        retention_s=event.retention_s,
        files=event.files,
        input_file=event.input_file,
    )


def evolve(state: RequestState | None, event: RequestEvent, seq: int, at: int) -> RequestState:
    """The state after one more event, stored at `seq` at the instant `at`. Raises CutChain when the event needs a state
    and there is none, InvalidTransition when it cannot follow."""
    before = None if state is None else state.status
    if isinstance(event, Accepted):
        after(before, "accepted")
        return begin(event, seq, at)
    if isinstance(event, Restored):
        after(None, "restored")  # it holds what the chain of the epoch before it came to, and begins another one
        first = begin(event.accepted, seq, nanoseconds(event.accepted_at))
        since = nanoseconds(event.waiting_since) if event.waiting_since else first.waiting_since
        past = {"attempt": event.attempt, "failures": event.failures, "losses": event.losses}
        return _with(first, **past, waiting_since=since)
    if state is None:
        raise CutChain(f"{type_of(event)} at {seq} begins no chain")
    base = {"status": after(state.status, type_of(event)), "seq": seq}
    match event:
        case Assigned():
            held = {"agent": event.agent, "conn": event.conn, "gateway": event.gateway, "lease": seq}
            return _with(state, **base, **held, attempt=event.attempt, assigned_at=at)
        case Requeued():
            return _requeue(state, event, base, at)
        case Succeeded():
            came = {"output": event.output, "output_files": event.files, "output_file": event.output_file}
            return _with(state, **base, **_run(event), **came, completed_at=at)
        case Failed():
            return _with(state, **base, **_run(event), completed_at=at, error=event.error)
        case Canceled() | Expired():
            return _with(state, **base, completed_at=at)
        case Erased():
            kept = None if state.error is None else msgspec.structs.replace(state.error, message=ERASED_MESSAGE)
            return _with(state, **base, input=NULL, output=NULL, error=kept, log_tail="", metadata={}, erased=True)
        case _:
            assert_never(event)


def fold(chain: Iterable[tuple[RequestEvent, int, int]], unfit: Unfit | None = None) -> RequestState | None:
    """The state after a whole chain of (event, seq, at); None for no events. An event that cannot follow is left out when
    there is somebody to tell. Raises CutChain, and InvalidTransition when there is nobody."""
    state: RequestState | None = None
    for event, seq, at in chain:
        try:
            state = evolve(state, event, seq, at)
        except InvalidTransition as error:
            if unfit is None:
                raise
            unfit(event, seq, error)
    return state


def _with(state: RequestState, **changes: Any) -> RequestState:
    return msgspec.structs.replace(state, **changes)


def _run(event: Succeeded | Failed) -> dict[str, Any]:
    times = {"started_s": event.started_s, "run_s": event.run_s, "first_output_s": event.first_output_s}
    return times | {"log_tail": event.log_tail}


def _requeue(state: RequestState, event: Requeued, base: dict[str, Any], at: int) -> RequestState:
    changes: dict[str, Any] = {"agent": "", "conn": "", "gateway": "", "lease": 0, "assigned_at": 0}
    changes["not_before"] = at + round(event.delay_s * 1e9) if event.delay_s else 0
    if event.reason == "retryable":
        changes["failures"] = state.failures + 1
    elif event.reason == "agent_lost":
        changes["losses"] = state.losses + 1
    if event.started:
        changes["waiting_since"] = at
    return _with(state, **base, **changes)
