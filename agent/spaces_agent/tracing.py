"""The span of each run of the handler, and its context, in which the handler's own spans become children.

OpenTelemetry is not imported unless a collector is named by the standard variables, or the handler's own program has done
so: then its provider gets the spans, or ours where there is none (https://www.w3.org/TR/trace-context/ for what arrives)."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from spaces_agent import frames
from spaces_agent.pool import in_thread
from spaces_agent.version import __version__

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

    from spaces_agent.otlp import Traces

logger = logging.getLogger("spaces_agent")

CLOSE_S = 2.0
"""How long an agent that ends waits for the collector."""
_SERVICE = "spaces-agent"


class Tracing:
    """Spans of the runs of this process; made when the handler's program is loaded."""

    def __init__(self) -> None:
        self._traces: Traces | None = None
        self._tracer: Tracer | None = None
        if not wanted(os.environ) and "opentelemetry.trace" not in sys.modules:
            return
        try:
            self._set_up()
        except ImportError as error:
            logger.warning("no traces, although a collector is named: pip install 'spaces-agent[otel]' (%s)", error)
        except ValueError as error:
            logger.warning("no traces: %s", error)

    def _set_up(self) -> None:
        from opentelemetry import trace

        foreign = not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
        if not foreign and wanted(os.environ):
            from spaces_agent.otlp import Traces

            self._traces = Traces({"service.name": _SERVICE, "service.version": __version__}, logger)
            trace.set_tracer_provider(self._traces.provider)
        self._tracer = trace.get_tracer(_SERVICE, __version__)

    def run(self, assign: frames.Assign) -> Run:
        """The span of this run begins."""
        if self._tracer is None:
            return NO_RUN
        return _Traced(self._tracer, assign)

    async def close(self) -> None:
        """Send what waits, for a bounded time."""
        if self._traces is not None:
            await in_thread(partial(self._traces.close, CLOSE_S), "traces")


class Run:
    """The span of one run where there are none."""

    def context_of(self, assign: frames.Assign) -> tuple[str, str]:
        """The traceparent and tracestate that the handler is given."""
        return assign.traceparent, assign.tracestate

    @contextmanager
    def current(self) -> Iterator[None]:
        """What is done within has this span as its parent. In whichever thread or task."""
        yield

    def end(self, error: str | None = None, *, stopped: bool = False) -> None:
        """The run has ended; `error`: the code of its failure."""


NO_RUN = Run()


class _Traced(Run):
    def __init__(self, tracer: Tracer, assign: frames.Assign) -> None:
        from opentelemetry import trace
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._propagator = TraceContextTextMapPropagator()
        carried = {"traceparent": assign.traceparent, "tracestate": assign.tracestate}
        parent = self._propagator.extract({name: value for name, value in carried.items() if value}, _empty())
        attributes: dict[str, Any] = {
            "ws.request_id": assign.request_id,
            "ws.space": assign.space,
            "ws.attempt": assign.attempt,
        }
        kind = trace.SpanKind.CONSUMER
        self._span: Span = tracer.start_span(f"handle {assign.space}", parent, kind, attributes)
        self._context = trace.set_span_in_context(self._span)

    def context_of(self, assign: frames.Assign) -> tuple[str, str]:
        carried: dict[str, str] = {}
        self._propagator.inject(carried, self._context)
        return carried.get("traceparent", assign.traceparent), carried.get("tracestate", "")

    @contextmanager
    def current(self) -> Iterator[None]:
        from opentelemetry.context import attach, detach

        token = attach(self._context)
        try:
            yield
        finally:
            detach(token)

    def end(self, error: str | None = None, *, stopped: bool = False) -> None:
        from opentelemetry.trace import StatusCode

        if stopped:
            self._span.set_attribute("ws.stopped", True)
        if error is not None:
            # Not what the handler said, which may quote its input.
            self._span.set_attribute("error.type", error)
            self._span.set_status(StatusCode.ERROR)
        self._span.end()


def wanted(environment: Mapping[str, str]) -> bool:
    """Whether the standard variables name a collector for traces."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if environment.get("OTEL_TRACES_EXPORTER", "").strip() not in ("", "otlp"):
        return False
    return any(environment.get(name) for name in ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"))


def _empty() -> Any:
    from opentelemetry.context import Context

    return Context()
