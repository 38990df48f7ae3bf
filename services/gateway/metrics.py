"""What a gateway shows to Prometheus of its two sides, HTTP and the agents' sockets."""

from prometheus_client import Counter, Gauge, Histogram

from services.gateway.decisions import CLOSE_NORMAL, CLOSE_NOT_TEXT, CLOSE_VIOLATION
from services.gateway.endings import CLOSE_SLOW_CONSUMER, CLOSE_TOO_LARGE
from services.runtime.metrics import OTHER
from spaces_agent import frames

ACCEPTED = Counter("ws_requests_accepted_total", "Requests accepted by this gateway")
RESPONSES = Counter("ws_http_responses_total", "HTTP answers of this gateway", ["method", "route", "code"])
RESPONSE_SECONDS = Histogram(
    "ws_http_response_seconds",
    "Time until an HTTP answer began; what a client wanted to wait for a request's end is in it",
    ["method", "route"],
    buckets=(0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 60.0),
)
IN_PROGRESS = Gauge("ws_http_requests_in_progress", "HTTP requests whose answer has not ended")
ADMITTING = Gauge("ws_admission_open", "1 while new requests are admitted")
WAITERS = Gauge("ws_waiters", "Clients that wait for the outcome of a request")
STREAMS = Gauge("ws_event_streams", "Readers that follow a request's events")
STREAM_BYTES = Gauge("ws_stream_bytes", "What a stream takes of its storage", ["stream"])
STREAM_MAX_BYTES = Gauge("ws_stream_max_bytes", "What a stream may take; 0: no limit of its own", ["stream"])
STREAM_MISSING = Gauge("ws_stream_replicas_missing", "Replicas of a stream that are away or behind", ["stream"])
FRAMES = Counter("ws_agent_frames_total", "Frames that came from agents; `bad` were none", ["frame"])
SOCKETS = Gauge("ws_agent_sockets", "Sockets of agents, also of those that have not joined yet")
SLOTS = Gauge("ws_agent_slots", "Slots of the agents that are connected here", ["state"])
CLOSED = Counter("ws_agent_connections_closed_total", "Agent connections that have ended", ["code"])
VETTING_RETRIES = Counter("ws_vetting_retries_total", "Looks at the files of an outcome that had to be tried again")

CLOSE_CODES = frozenset(
    {
        *(0, CLOSE_NORMAL, 1001, CLOSE_NOT_TEXT, 1005, 1006, CLOSE_VIOLATION, CLOSE_TOO_LARGE, 1011, 1012),
        CLOSE_SLOW_CONSUMER,
        *(value for name, value in vars(frames).items() if name.startswith("CLOSE_")),
    }
)
"""Those that somebody means something by. A peer may name any other."""


def close_code(code: int) -> str:
    """A close code as a label."""
    return str(code) if code in CLOSE_CODES else OTHER
