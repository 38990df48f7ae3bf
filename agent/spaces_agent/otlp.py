"""Spans to a collector, by OTLP over HTTP, as the standard `OTEL_…` variables say. To import it takes OpenTelemetry's SDK.

A collector that is away, slow or hostile costs spans and nothing else: they wait in a bounded queue, what has no room there
is dropped, and one warning says so until the collector takes them again."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import requests
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

_COMPLAIN = ("opentelemetry.exporter", "opentelemetry.sdk._shared_internal")
"""The loggers that speak of exports, again and again while the collector is away."""


class NotPossible(ValueError):
    """The variables ask for what is not there; the message names it."""


class Traces:
    """Exports the spans of `provider`. The names in `resource` hold where the environment does not give others."""

    def __init__(self, resource: Mapping[str, str], log: logging.Logger) -> None:
        protocol = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
        if protocol not in (None, "", "http/protobuf"):
            raise NotPossible(f"OTEL_EXPORTER_OTLP_PROTOCOL is {protocol}: spans are sent by http/protobuf only")
        self._outage = _Outage(log)
        try:
            self.provider = TracerProvider(resource=_resource(resource), shutdown_on_exit=False)
            self.provider.add_span_processor(
                BatchSpanProcessor(_Exporter(OTLPSpanExporter(session=_Session()), self._outage))
            )
        except ValueError as error:
            raise NotPossible(f"the OTEL_ variables do not fit: {error}") from error

    def close(self, timeout_s: float) -> None:
        """Send what waits, for no longer than this. Blocks; later spans are dropped."""
        # A daemon: the exporter itself would wait for its collector much longer, and keep the process meanwhile.
        closing = threading.Thread(target=self.provider.shutdown, name="traces-close", daemon=True)
        closing.start()
        closing.join(timeout_s)


class _Session(requests.Session):
    """Does not read answers, which may have no end: their status says everything."""

    def request(self, *arguments: Any, **options: Any) -> requests.Response:
        """See requests.Session."""
        response = super().request(*arguments, **{**options, "stream": True, "allow_redirects": False})
        response.close()
        response._content = b""
        return response


class _Exporter(SpanExporter):
    """Tells the outage when the collector has taken something."""

    def __init__(self, exporter: SpanExporter, outage: _Outage) -> None:
        self._exporter, self._outage = exporter, outage

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """See SpanExporter."""
        result = self._exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            self._outage.over()
        return result

    def shutdown(self) -> None:
        """See SpanExporter."""
        self._exporter.shutdown()


class _Outage(logging.Handler):
    """Passes on the first complaint of an outage, and its end."""

    def __init__(self, log: logging.Logger) -> None:
        super().__init__(logging.WARNING)
        self._log, self._lasts = log, False
        for name in _COMPLAIN:
            logger = logging.getLogger(name)
            logger.handlers[:], logger.propagate = [self], False

    def emit(self, record: logging.LogRecord) -> None:
        """See logging.Handler."""
        if not self._lasts:
            self._lasts = True
            self._log.warning("the collector takes no spans, and they are dropped meanwhile: %s", record.getMessage())

    def over(self) -> None:
        """The collector has taken spans."""
        if self._lasts:
            self._lasts = False
            self._log.info("the collector takes spans again")


def _resource(names: Mapping[str, str]) -> Resource:
    given = OTELResourceDetector().detect().attributes
    return Resource.create({name: value for name, value in names.items() if name not in given})
