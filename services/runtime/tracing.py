"""The spans around what services do to requests (see docs/adr/0012). No input, output or secret stands in them."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping
from typing import Any, TypeVar

import msgspec

from services.contracts import subjects
from services.contracts.events import Accepted, Assigned, RequestEvent, type_of
from services.contracts.trace import parsed
from services.runtime import spans
from services.runtime.spans import Span

MAX_LINKS = 128
"""OpenTelemetry keeps so many of a span."""
E = TypeVar("E", bound=RequestEvent)


def appending(event: RequestEvent, traceparent: str, tracestate: str = "", *, here: bool = False) -> Span:
    """The span of an append. Its parent is the span with this context, or the current one (`here`)."""
    if not spans.on():
        return Span(traceparent, tracestate)
    attributes = {"messaging.message.id": event.id, **_of(event, "append", "send")}
    return spans.begin(f"append {type_of(event)}", "PRODUCER", attributes, None if here else (traceparent, tracestate))


def delivering(assigned: Assigned) -> Span:
    """The span of handing an assignment to its agent."""
    if not spans.on():
        return Span(assigned.traceparent, assigned.tracestate)
    attributes = {"ws.agent": assigned.agent, **_of(assigned, "deliver", "process")}
    return spans.begin("deliver", "CONSUMER", attributes, (assigned.traceparent, assigned.tracestate))


def carrying(event: E, span: Span) -> E:
    """The event with the context of this span, if it is of a type that carries one."""
    if span.made and isinstance(event, Accepted | Assigned):
        return msgspec.structs.replace(event, traceparent=span.traceparent, tracestate=span.tracestate)
    return event


def recording(stream: str, headers: Collection[Mapping[str, str]]) -> Span:
    """The span of writing a batch, linked with the spans of its events, up to MAX_LINKS of them: a trace of its own, since
    it has many parents. None when no event belongs to a trace that is sampled."""
    if not spans.on():
        return Span()
    links = list(itertools.islice(filter(_sampled, (one.get(subjects.TRACEPARENT, "") for one in headers)), MAX_LINKS))
    if not links:
        return Span()
    attributes = {"messaging.batch.message_count": len(headers), **_operation(stream, "record", "process")}
    return spans.begin("record", "CONSUMER", attributes, links=links)


def _sampled(traceparent: str) -> bool:
    found = parsed(traceparent)
    return found is not None and bool(int(found.flags, 16) & 1)


def _of(event: RequestEvent, name: str, kind: str) -> dict[str, Any]:
    about = {"ws.request_id": event.rid, "ws.space": event.space, "ws.attempt": event.attempt}
    return about | _operation(subjects.REQUESTS, name, kind)


def _operation(stream: str, name: str, kind: str) -> dict[str, Any]:
    """By https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/."""
    return {
        "messaging.system": "nats",
        "messaging.destination.name": stream,
        "messaging.operation.name": name,
        "messaging.operation.type": kind,
    }
