"""What the history service shows to Prometheus."""

from prometheus_client import Counter, Gauge, Histogram

from services.contracts.problems import PROBLEMS
from services.contracts.requests import RequestState
from services.runtime.metrics import bounded

_SPANS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3600.0)

LAG = Gauge("ws_history_lag_events", "Events in the stream that are not yet recorded", ["stream"])
RECORDED = Counter("ws_history_recorded_total", "Events recorded", ["stream"])
CONFLICTS = Counter("ws_history_conflicts_total", "Events that contradict the log or cannot be decoded", ["stream"])
LOST = Counter("ws_history_lost_total", "Sequences that left the stream before they were recorded", ["stream"])
BATCH_SECONDS = Histogram(
    "ws_history_batch_seconds", "Time to record one batch", ["stream"], buckets=(0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10)
)
TRIMMED = Counter("ws_history_trimmed_total", "Messages purged from REQUESTS after they were recorded")
EXPIRED = Counter("ws_history_expired_data_total", "Requests that were erased because their retention had passed")
FILES = Gauge("ws_history_files", "Files that are not deleted; of the replica that leads")
FILES_BYTES = Gauge("ws_history_files_bytes", "What the files take that are not deleted; of the replica that leads")
FILES_DELETED = Counter("ws_history_files_deleted_total", "Files deleted, by the reason", ["reason"])
FILES_DELETED_BYTES = Counter("ws_history_files_deleted_bytes_total", "What the deleted files took")
FILES_LEFT = Counter("ws_history_files_left_total", "Files whose bytes were there still, or again, without a record")
ENDED = Counter("ws_requests_ended_total", "Requests that have ended, counted once, as they are recorded", ["status"])
FAILED = Counter("ws_requests_failed_total", "Requests that failed, by the code of the problem", ["code"])
WAIT_SECONDS = Histogram(
    "ws_request_wait_seconds", "From acceptance to the last assignment, of requests that have ended", buckets=_SPANS
)
RUN_SECONDS = Histogram("ws_request_run_seconds", "In the handler, of requests that succeeded or failed", buckets=_SPANS)
TOTAL_SECONDS = Histogram("ws_request_total_seconds", "From acceptance to the end", buckets=_SPANS)
LEADING = Gauge("ws_history_leading", "1 while this replica records and trims")
HALTED = Gauge("ws_history_halted", "1 while stream and log contradict each other: recovery is needed", ["stream"])


def count_end(state: RequestState) -> None:
    """A request's end is recorded."""
    ENDED.labels(state.status).inc()
    TOTAL_SECONDS.observe(max(state.completed_at - state.accepted_at, 0) / 1e9)
    if state.assigned_at:
        WAIT_SECONDS.observe(max(state.assigned_at - state.accepted_at, 0) / 1e9)
    if state.status in {"succeeded", "failed"} and state.run_s > 0:
        RUN_SECONDS.observe(state.run_s)
    if state.error is not None:
        FAILED.labels(bounded(state.error.code, PROBLEMS)).inc()
