"""A collector of OpenTelemetry in the test's process: takes spans by OTLP over HTTP, or misbehaves when it is told to."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

WAIT_S = 30.0
Mode = Literal["takes", "busy", "hangs", "endless", "garbage"]


@dataclass(frozen=True)
class Span:
    """What was exported; ids in hexadecimal, `service` and `instance` of its resource."""

    name: str
    kind: int
    trace: str
    id: str
    parent: str
    state: str
    service: str
    instance: str
    attributes: dict[str, Any]
    links: frozenset[tuple[str, str]]
    failed: bool


class Collector:
    """Listens on a free port of the loopback interface."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.mode: Mode = "takes"
        self.asked = 0
        collector, self._over = self, threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                with contextlib.suppress(OSError):
                    collector._answer(self)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """End it, with all answers that hang."""
        self._over.set()
        self._server.shutdown()
        self._server.server_close()

    def named(self, trace: str) -> dict[str, list[Span]]:
        """The spans of a trace by their names, in the order in which they came."""
        found: dict[str, list[Span]] = {}
        for span in list(self.spans):
            if span.trace == trace:
                found.setdefault(span.name, []).append(span)
        return found

    def until(self, condition: Callable[[], Any], what: str) -> Any:
        """The first true value of the condition."""
        end = time.monotonic() + WAIT_S
        while not (value := condition()):
            assert time.monotonic() < end, (
                f"{what}: not within {WAIT_S:g} s; the last are {[(s.trace, s.name) for s in self.spans[-20:]]}"
            )
            time.sleep(0.05)
        return value

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers["Content-Length"]))
        self.asked += 1
        if self.mode == "hangs":
            self._over.wait()
        elif self.mode == "busy":
            request.send_response(503)
            request.send_header("Retry-After", "86400")
            request.end_headers()
        elif self.mode == "garbage":
            request.connection.sendall(b"\x00\xff no HTTP at all\r\n\r\n")
            request.connection.shutdown(socket.SHUT_RDWR)
        else:
            self.spans += _spans(body)
            request.send_response(200)
            request.end_headers()
            while self.mode == "endless" and not self._over.is_set():
                request.wfile.write(b"x" * 65536)


@contextlib.contextmanager
def collecting() -> Iterator[Collector]:
    """A collector until the end of the block."""
    collector = Collector()
    try:
        yield collector
    finally:
        collector.close()


def _spans(body: bytes) -> Iterator[Span]:
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        names = _attributes(resource.resource.attributes)
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Span(
                    name=span.name,
                    kind=span.kind,
                    trace=span.trace_id.hex(),
                    id=span.span_id.hex(),
                    parent=span.parent_span_id.hex(),
                    state=span.trace_state,
                    service=names["service.name"],
                    instance=names.get("service.instance.id", ""),
                    attributes=_attributes(span.attributes),
                    links=frozenset((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
                    failed=span.status.code == 2,
                )


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}
