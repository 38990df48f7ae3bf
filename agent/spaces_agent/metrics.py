"""The metrics port of an agent: GET /metrics for Prometheus, only when its owner asks for it."""

from __future__ import annotations

import resource
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from spaces_agent.errors import ConfigError
from spaces_agent.measures import CONTENT_TYPE, Family, gauge, text

PATH = "/metrics"
_STARTED_AT = time.time()

Read = Callable[[], list[Family]]
"""Called in a thread of the server."""


@contextmanager
def serving_metrics(host: str, port: int, read: Read) -> Iterator[int]:
    """Answer /metrics until the end of the block; the port (0 takes any). Raises ConfigError."""
    try:
        server = ThreadingHTTPServer((host, port), _handler(read))
    except (OSError, OverflowError) as error:
        raise ConfigError(f"metrics cannot be served on {host} port {port}: {error}") from error
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def of_spool(directory: Path) -> list[Family]:
    """How much is kept on disk, because no gateway has acknowledged it."""
    sizes = []
    for path in directory.glob("*.json"):
        with suppress(OSError):  # it was acknowledged this moment
            sizes.append(path.stat().st_size)
    return [
        gauge("spaces_agent_spool_files", "Results and output on disk that no gateway has acknowledged", len(sizes)),
        gauge("spaces_agent_spool_bytes", "What the files in the spool take", sum(sizes)),
    ]


def of_process() -> list[Family]:
    """What Prometheus asks of any process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    families = [
        Family("process_cpu_seconds_total", "counter", "CPU time used", [("", used.ru_utime + used.ru_stime)]),
        gauge("process_start_time_seconds", "When it was started, seconds since 1970", _STARTED_AT),
    ]
    with suppress(OSError):  # there is no /proc on macOS
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        families.append(gauge("process_resident_memory_bytes", "Memory in use", pages * resource.getpagesize()))
    return families


def _handler(read: Read) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path.partition("?")[0] == PATH
            body = text([*read(), *of_process()]).encode() if found else b"the metrics are at /metrics\n"
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing of scrapes."""

    return Handler
