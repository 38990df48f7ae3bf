"""What a reader of a request's events is shown: the wire types, from which OpenAPI is generated, and their form in a stream
of server-sent events. Pure."""

from typing import Annotated, Any, assert_never

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from services.contracts.connections import Refused
from services.contracts.instants import rfc3339
from services.contracts.output import OutputRecord, Progress
from services.gateway.problems import ProblemObject
from services.gateway.view import AgentObject, Instant, RequestObject, encode

EVENT_STREAM = "text/event-stream"
BEGIN = b"retry: 2000\n\n"
"""How a stream begins: a browser that loses it tries again after so many milliseconds."""
_progress = msgspec.json.Decoder(Progress)
_LINE_BREAKS = bytes.maketrans(b"\r\n", b"  ")


class QueuedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """The request was accepted; or, with the reason `restored`, brought back from the log."""

    attempt: int
    at: Instant
    reason: str | UnsetType = UNSET


class PositionEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Its place in the queue has changed; `reason` says why it waits, and `eta_s` in about how many seconds it is assigned,
    as in a request's `queue`."""

    position: int
    reason: str
    eta_s: float | None = None


class AssignedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An agent is to run this attempt; it was connected to this gateway then."""

    attempt: int
    at: Instant
    agent: AgentObject
    gateway: str
    lease: Annotated[int, Meta(description="What the frames of this attempt carry, as `refused` names them.")]


class OutputEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the output. Text continues the text before it, a list holds values one after the other. `index` counts the
    `output`, `progress` and `log` events of one attempt from 1."""

    index: int
    attempt: int
    data: Annotated[Raw, Meta(extra_json_schema={"type": ["string", "array"]})]


class ProgressEvent(msgspec.Struct, frozen=True, kw_only=True):
    """How far the handler says that it is: `fraction` from 0 to 1."""

    index: int
    attempt: int
    fraction: float
    message: str


class LogEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Lines that the handler has logged."""

    index: int
    attempt: int
    lines: Annotated[Raw, Meta(extra_json_schema={"type": "array", "items": {"type": "string"}})]


class RequeuedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """The attempt is void, and the request waits again."""

    attempt: int
    at: Instant
    reason: str
    detail: str


class OutputResetEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Forget all `output`, `progress` and `log` events so far: their attempt is void."""

    attempt: int


class PingEvent(msgspec.Struct, frozen=True):
    """The stream lives."""


EVENTS: dict[str, type[msgspec.Struct]] = {
    "queued": QueuedEvent,
    "position": PositionEvent,
    "assigned": AssignedEvent,
    "output": OutputEvent,
    "progress": ProgressEvent,
    "log": LogEvent,
    "requeued": RequeuedEvent,
    "output_reset": OutputResetEvent,
    "completed": RequestObject,
    "error": ProblemObject,
    "ping": PingEvent,
}
"""The events of a stream with the type of their data."""
_NAMES = {kind: name for name, kind in EVENTS.items()}


class Item(msgspec.Struct, frozen=True):
    """One event as it is shown; `id` is the cursor of who has seen it, empty for one that does not move the cursor."""

    data: msgspec.Struct
    id: str = ""

    @property
    def name(self) -> str:
        """What the event is called."""
        return _NAMES[type(self.data)]


def shown_record(record: OutputRecord) -> OutputEvent | ProgressEvent | LogEvent:
    """An output record as it is shown. Raises msgspec.ValidationError for one that is not as it should be."""
    index, attempt = record.index, record.attempt
    match record.kind:
        case "chunk":
            return OutputEvent(index=index, attempt=attempt, data=record.data)
        case "log":
            return LogEvent(index=index, attempt=attempt, lines=record.data)
        case "progress":
            progress = _progress.decode(record.data)
            return ProgressEvent(index=index, attempt=attempt, fraction=progress.fraction, message=progress.message)
        case _:
            assert_never(record.kind)


def sse(item: Item) -> bytes:
    """The item in a stream of server-sent events (WHATWG HTML, 9.2.5)."""
    # Inputs and outputs stand there as they came: line breaks between their values would end the field.
    data = encode(item.data).translate(_LINE_BREAKS)
    cursor = f"\nid: {item.id}" if item.id else ""
    return b"event: %b\ndata: %b%b\n\n" % (item.name.encode(), data, cursor.encode())


class RefusedObject(msgspec.Struct, frozen=True, kw_only=True):
    """A frame of an agent about this request that was late, doubled or foreign, and changed nothing."""

    at: Instant
    frame: str
    reason: str
    lease: int
    agent: str
    gateway: str


def refused_object(event: Refused, at: int) -> RefusedObject:
    """The object of a refused frame."""
    return RefusedObject(
        at=rfc3339(at),
        frame=event.frame,
        reason=event.reason,
        lease=event.lease,
        agent=event.agent,
        gateway=event.gateway,
    )


class EventObject(msgspec.Struct, frozen=True, kw_only=True):
    """One event of the JSON form."""

    id: str
    event: Annotated[str, Meta(description="As in the stream, without `position` and `ping`.")]
    data: Annotated[Any, Meta(extra_json_schema={"type": "object"})]


class EventsObject(msgspec.Struct, frozen=True, kw_only=True):
    """What there is after a cursor. Ask again with `after` = `next` until `done`. `refused` is null when it cannot be known
    right now."""

    results: list[EventObject]
    next: str
    done: bool
    refused: list[RefusedObject] | None


def event_object(item: Item) -> EventObject:
    """The item in the JSON form."""
    return EventObject(id=item.id, event=item.name, data=item.data)
