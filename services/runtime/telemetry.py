"""Logs, metrics and trace context of every service."""

import json
import logging
import sys
import time
from contextvars import ContextVar

from prometheus_client import Counter, Gauge, Histogram

from services.runtime import spans

NATS_CONNECTED = Gauge("ws_nats_connected", "1 while connected to NATS")
NATS_ERRORS = Counter("ws_nats_errors_total", "Errors that the NATS client reported")
APPENDS = Counter("ws_appends_total", "Appends of events, by how they were decided", ["type", "result"])
APPEND_RETRIES = Counter("ws_append_retries_total", "Tries of appends that decided nothing", ["type"])
APPEND_SECONDS = Histogram(
    "ws_append_seconds", "Time until an append was decided", buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 60)
)

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The request that the current task works for; it stands in each log line."""


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, service, logger, message, ids of request and trace, exception."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """See logging.Formatter."""
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "service": self._service,
            "logger": record.name,
            "message": record.getMessage(),
        }
        rid = getattr(record, "request_id", "") or request_id.get()
        if rid:
            line["request_id"] = rid
        if trace_id := spans.trace_id():
            line["trace_id"] = trace_id
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def set_up_logging(service: str, level: str) -> None:
    """JSON lines on standard error for everything that this process logs."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(service))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("nats").setLevel(logging.CRITICAL)  # its errors come through our callback
