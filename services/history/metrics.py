"""What the history service shows to Prometheus."""

from prometheus_client import Counter, Gauge, Histogram

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
FILES_BYTES = Gauge("ws_history_files_bytes", "What these take; of the replica that leads")
FILES_DELETED = Counter("ws_history_files_deleted_total", "Files deleted, by the reason", ["reason"])
FILES_DELETED_BYTES = Counter("ws_history_files_deleted_bytes_total", "What these took")
FILES_LEFT = Counter("ws_history_files_left_total", "Files whose bytes were there still, or again, without a record")
LEADING = Gauge("ws_history_leading", "1 while this replica records and trims")
HALTED = Gauge("ws_history_halted", "1 while stream and log contradict each other: recovery is needed", ["stream"])
