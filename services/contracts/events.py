"""Request events: what happens to one request, in the order of its chain.

An event is a fact: frozen, in the past tense, complete enough to be folded without asking anybody. `prev_seq` is the stream
sequence of the event before it in the same chain (0 for the first). Instants are not in the payload: they are JetStream's
own message timestamps; payloads carry durations in seconds.
"""

from typing import Any, Literal

import msgspec

SCHEMA = 1

RequeueReason = Literal["agent_lost", "busy", "no_connection", "rejected", "retryable"]


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", omit_defaults=True):
    """What all request events carry. `actor` says who caused it: `user:<id>`, `agent:<owner>/<name>`,
    `gateway:<id>`, `dispatcher:<id>`, `recovery`, or `retention` of what is erased since its time had come. `attempt` counts
    the `assigned` events so far."""

    id: str
    rid: str
    space: str
    prev_seq: int
    attempt: int
    actor: str
    origin: str
    schema: int = 1


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a request failed, as its user reads it; `code` is one of `contracts.problems`."""

    code: str
    message: str
    retryable: bool = False


class Limits(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What held for its key when a request was submitted. `max_in_flight`: of the requests of one space that were submitted
    with this key (the same `key_id`) at most so many are assigned at once; None: any number."""

    max_in_flight: int | None = None


class Accepted(Event, frozen=True, kw_only=True, tag="accepted"):
    """The request is ours now: it will get exactly one outcome.

    `input` is the JSON object as submitted; one that is too large for an event is in the file `input_file`, and `input` is
    null. `files`: ids of the files that it refers to. `start_timeout_s` counts from this event until the first handler
    start, `execution_timeout_s` from a handler's start. `key_digest` is the record of the caller's idempotency key, if any:
    recovery rebuilds the keys from it. `retry_of`: the request whose input this one takes again. `limits`: those of the key
    that it was submitted with; None: there are none. `retention_s`: so long after its end its data are kept at most; None:
    as long as its space says."""

    user: str
    key_id: str
    input: msgspec.Raw
    body_sha256: str
    start_timeout_s: float
    execution_timeout_s: float
    priority: int = 0
    max_attempts: int = 1
    key_digest: str = ""
    retry_of: str = ""
    metadata: dict[str, Any] = {}
    traceparent: str = ""
    tracestate: str = ""
    limits: Limits | None = None
    retention_s: float | None = None
    files: tuple[str, ...] = ()
    input_file: str = ""


class Assigned(Event, frozen=True, kw_only=True, tag="assigned"):
    """An agent is to run this attempt. The sequence of this event is the *lease*. `input`, `files`, `input_file` and the
    key's id are as accepted.

    `retries_left`: so many times may the request be tried again when its handler fails in a way that trying again may help,
    `retry_delay_s` seconds after such a failure."""

    agent: str
    conn: str
    gateway: str
    user: str
    input: msgspec.Raw
    execution_timeout_s: float
    retries_left: int = 0
    retry_delay_s: float = 0.0
    metadata: dict[str, Any] = {}
    traceparent: str = ""
    tracestate: str = ""
    key_id: str = ""
    files: tuple[str, ...] = ()
    input_file: str = ""


class Requeued(Event, frozen=True, kw_only=True, tag="requeued"):
    """The lease `prev_seq` is void; the request waits again, and is not assigned before `delay_s` seconds have passed.
    `gateway` held it and stops what still runs.

    `retryable` consumes the user's `max_attempts`, `agent_lost` the platform's own budget; `busy`, `no_connection` and
    `rejected` consume neither, since nothing was tried: the start timeout bounds them."""

    reason: RequeueReason
    gateway: str
    started: bool = False
    """Whether the handler of this attempt had started."""
    agent: str = ""
    conn: str = ""
    detail: str = ""
    delay_s: float = 0.0


class Succeeded(Event, frozen=True, kw_only=True, tag="succeeded"):
    """The output of lease `prev_seq`; one that is too large for an event is in the file `output_file`, and `output` is null.
    `files`: ids of the files that it refers to. `started_s`: from delivery to the handler's start; `run_s`: the handler's
    time; `first_output_s`: the part of it before the first chunk; `last_index`: of the last output record, 0 without any."""

    agent: str
    gateway: str
    output: msgspec.Raw
    output_sha256: str
    started_s: float = 0.0
    run_s: float = 0.0
    first_output_s: float = 0.0
    last_index: int = 0
    log_tail: str = ""
    files: tuple[str, ...] = ()
    output_file: str = ""


class Failed(Event, frozen=True, kw_only=True, tag="failed"):
    """The request ended without an output. `gateway` is set when an agent held it."""

    error: Problem
    agent: str = ""
    gateway: str = ""
    started_s: float = 0.0
    run_s: float = 0.0
    first_output_s: float = 0.0
    last_index: int = 0
    log_tail: str = ""


class Canceled(Event, frozen=True, kw_only=True, tag="canceled"):
    """Its user (or the space's owner) did not want it any more; `gateway` is the one that held it, if any."""

    gateway: str = ""


class Expired(Event, frozen=True, kw_only=True, tag="expired"):
    """It was not started within its start timeout."""


class Erased(Event, frozen=True, kw_only=True, tag="erased"):
    """Its payloads are removed; the chain stays."""


class Restored(Event, frozen=True, kw_only=True, tag="restored"):
    """The first event of an open request in a new epoch: its folded state, as queued. `accepted` is the first event of
    its former chain and `accepted_at` that event's instant (RFC 3339)."""

    accepted: Accepted
    accepted_at: str
    waiting_since: str = ""
    """The start timeout counts from this instant (RFC 3339); empty: from acceptance."""
    failures: int = 0
    losses: int = 0


RequestEvent = Accepted | Assigned | Requeued | Succeeded | Failed | Canceled | Expired | Erased | Restored


def type_of(event: msgspec.Struct) -> str:
    """The event's type as it stands in its subject and payload."""
    tag = event.__struct_config__.tag
    assert isinstance(tag, str)
    return tag


def agent_gateway(event: RequestEvent) -> str:
    """The gateway that the event concerns as holder of the agent, empty when there is none."""
    match event:
        case Assigned() | Requeued() | Succeeded() | Failed() | Canceled():
            return event.gateway
        case _:
            return ""
