"""Spans of OpenTelemetry. Off unless the standard `OTEL_…` variables name a collector:
then nothing of OpenTelemetry's SDK is imported, and the trace context only passes through (see docs/adr/0012)."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from services.contracts.trace import parsed
from services.runtime.settings import SettingsError
from spaces_agent.tracing import wanted

if TYPE_CHECKING:
    from opentelemetry.trace import Span as OpenSpan
    from opentelemetry.trace import Tracer

    from spaces_agent.otlp import Traces

log = logging.getLogger("services.tracing")

CLOSE_S = 2.0
"""How long a process that ends waits for the collector."""
Kind = Literal["SERVER", "PRODUCER", "CONSUMER"]

_tracer: Tracer | None = None
_traces: Traces | None = None


def set_up(service: str, process_id: str, environment: Mapping[str, str]) -> None:
    """Begin to record spans in this process, if the environment wants it. Raises SettingsError."""
    global _tracer, _traces
    if not wanted(environment):
        return
    from spaces_agent.otlp import NotPossible, Traces

    names = {"service.namespace": "spaces", "service.name": f"spaces-{service}", "service.instance.id": process_id}
    try:
        _traces = Traces(names, log)
    except NotPossible as error:
        raise SettingsError(str(error)) from error
    _tracer = _traces.provider.get_tracer("spaces")


async def close() -> None:
    """Send what waits, for a bounded time."""
    if _traces is None:
        return
    loop, closed = asyncio.get_running_loop(), asyncio.Event()

    def work() -> None:
        _traces.close(CLOSE_S)
        loop.call_soon_threadsafe(closed.set)

    threading.Thread(target=work, name="traces", daemon=True).start()
    await closed.wait()


def on() -> bool:
    """Whether spans are recorded."""
    return _tracer is not None


def trace_id() -> str:
    """The id of the trace of what is being done; empty when there is none."""
    if _tracer is None:
        return ""
    from opentelemetry import trace

    context = trace.get_current_span().get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else ""


class Span:
    """Where none are recorded: the trace context goes on as it came."""

    __slots__ = ("traceparent", "tracestate")
    made = False

    def __init__(self, traceparent: str = "", tracestate: str = "") -> None:
        self.traceparent, self.tracestate = traceparent, tracestate

    def __enter__(self) -> Span:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Nothing is to be done."""

    def note(self, **attributes: str | int | float) -> None:
        """Add attributes, `__` in whose names stands for a dot. Never what users send or secrets."""

    def rename(self, name: str) -> None:
        """Give it a better name."""

    def failed(self, reason: str) -> None:
        """It stands for a failure, of this kind."""


class _Made(Span):
    """A span that OpenTelemetry records, or has decided not to sample; current within its block, it ends with that."""

    __slots__ = ("_span", "_token")
    made = True

    def __init__(self, span: OpenSpan) -> None:
        context = span.get_span_context()
        flags = f"{context.trace_flags:02x}"
        super().__init__(f"00-{context.trace_id:032x}-{context.span_id:016x}-{flags}", context.trace_state.to_header())
        self._span = span

    def __enter__(self) -> Span:
        from opentelemetry import context, trace

        self._token = context.attach(trace.set_span_in_context(self._span))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        from opentelemetry import context

        context.detach(self._token)
        if kind is not None:
            self.failed(kind.__name__)
        self._span.end()

    def note(self, **attributes: str | int | float) -> None:
        for name, value in attributes.items():
            self._span.set_attribute(name.replace("__", "."), value)

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def failed(self, reason: str) -> None:
        from opentelemetry.trace import StatusCode

        self._span.set_attribute("error.type", reason)
        self._span.set_status(StatusCode.ERROR)


def begin(
    name: str,
    kind: Kind,
    attributes: Mapping[str, Any],
    parent: tuple[str, str] | None = ("", ""),
    links: Iterable[str] = (),
) -> Span:
    """A span to be entered. `parent`: traceparent and tracestate, which begin a new trace when malformed or empty; None: the
    current span. `links`: traceparents."""
    if _tracer is None:
        return Span(*(parent or ("", "")))
    from opentelemetry import context, trace

    within = None if parent is None else trace.set_span_in_context(_remote(*parent), context.Context())
    linked = [trace.Link(_remote(one).get_span_context()) for one in links]
    return _Made(_tracer.start_span(name, within, trace.SpanKind[kind], attributes, linked))


def _remote(traceparent: str, tracestate: str = "") -> OpenSpan:
    from opentelemetry import trace

    found = parsed(traceparent)
    if found is None:
        return trace.INVALID_SPAN
    state = trace.TraceState.from_header([tracestate]) if tracestate else None
    flags = trace.TraceFlags(int(found.flags, 16))
    return trace.NonRecordingSpan(trace.SpanContext(int(found.trace, 16), int(found.span, 16), True, flags, state))
