"""What the HTTP side of a gateway counts."""

from prometheus_client import Counter, Gauge

ACCEPTED = Counter("ws_requests_accepted_total", "Requests accepted by this gateway")
RESPONSES = Counter("ws_http_responses_total", "HTTP answers of this gateway", ["code"])
WAITERS = Gauge("ws_waiters", "Clients that wait for the outcome of a request")
STREAMS = Gauge("ws_event_streams", "Readers that follow a request's events")
