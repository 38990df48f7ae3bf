"""What every service shows to Prometheus; `docs/metrics.md` has all metrics.

Label values come from closed sets of this code, never from what users or agents send: whoever sends much must not be able to
make many time series.
"""

import asyncio
import time
from collections.abc import Collection

from prometheus_client import Counter, Gauge, Histogram

OTHER = "other"
"""The label value of whatever is in no closed set."""
FAST = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 60.0)
"""Buckets, in seconds, of what takes milliseconds when all is well."""
LOOK_S = 0.25

BUILD = Gauge("ws_build_info", "1; the labels say which service of which version this is", ["component", "version"])
READY = Gauge("ws_ready", "1 while this condition of the process's readiness holds", ["condition"])
LOOP_LAG = Histogram("ws_event_loop_lag_seconds", "How late the event loop woke who had slept", buckets=FAST)
RECONNECTS = Counter("ws_nats_reconnects_total", "Times that the connection to NATS came back")
RPC_REQUESTS = Counter("ws_rpc_requests_total", "Questions of other services answered", ["operation", "result"])
RPC_SECONDS = Histogram("ws_rpc_request_seconds", "Time to answer a question", ["operation"], buckets=FAST)
RPC_UNANSWERED = Counter("ws_rpc_unanswered_total", "Questions that nobody answered in time, by who was asked", ["asked"])
TAIL_PENDING = Gauge("ws_tail_pending_messages", "Messages that wait for who follows the stream", ["stream", "tail"])
TAIL_RECREATIONS = Counter("ws_tail_recreations_total", "Consumers that had to be made again", ["stream"])

_SERVICES = frozenset({"dispatcher", "history", "registry"})
_PLAIN = frozenset({"invalid", "unavailable"})


def bounded(value: str, known: Collection[str]) -> str:
    """The value as a label: itself when it is known, else `other`."""
    return value if value in known else OTHER


def answered(subject: str, code: str, took_s: float) -> None:
    """A question on the subject that an operation was declared with was answered: with an error of this `code`, with an
    answer (empty), or not, since another process is to do that (`not_mine`)."""
    operation = subject.removeprefix("ws.rpc.").replace(".*.", ".")
    result = "ok" if not code else code if code in _PLAIN or code == "not_mine" else "refused"
    RPC_REQUESTS.labels(operation, result).inc()
    RPC_SECONDS.labels(operation).observe(took_s)


def unanswered(subject: str) -> None:
    """Nobody answered a question on this subject."""
    named = subject.split(".", 3)
    RPC_UNANSWERED.labels(bounded(named[2] if len(named) > 2 else "", _SERVICES)).inc()


async def watch_loop() -> None:
    """Look how late the event loop is, for ever."""
    while True:
        due = time.monotonic() + LOOK_S
        await asyncio.sleep(LOOK_S)
        LOOP_LAG.observe(max(0.0, time.monotonic() - due))
