"""Reading a stream of events across connections: where to go on, and how long to wait before. Pure."""

from __future__ import annotations

from spaces_client import answers, backoff, events
from spaces_client.events import Event

FIRST_DELAY_S = 1.0
"""Until the gateway has said how long to wait before connecting again."""
_LEAST_DELAY_S = 0.01
_UNNAMED = "message"
"""What an event without a name is called (HTML, 9.2.6): here it is a mere `retry` or `id`."""


class EventReader:
    """What one reader of a request's events knows; any connection and any gateway may carry it on."""

    def __init__(self, after: str = "") -> None:
        self._cursor = after
        self._retry_s = FIRST_DELAY_S
        self._failures = 0
        self.broken_off = ""
        """Why the gateway broke the stream off (the detail of its `error` event); empty when it did not say."""

    def headers(self) -> dict[str, str]:
        """What the next connection asks for."""
        self.broken_off = ""
        wanted = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        return wanted | ({"Last-Event-ID": self._cursor} if self._cursor else {})

    def receive(self, name: str, id: str, data: str, retry_ms: int | None = None) -> Event | None:
        """The next event of the connection, unless it is for this reader only. `id` is the last one that the connection has
        told. Raises InvalidAnswer."""
        if retry_ms is not None:
            self._retry_s = max(retry_ms / 1000, _LEAST_DELAY_S)
        if name == "error":
            self.broken_off = answers.detail(data)
            return None
        self._cursor = id or self._cursor
        if name == _UNNAMED:
            return None
        self._failures = 0
        return None if name == "ping" else events.parse(name, self._cursor, data)

    def delay_s(self, *, asked_s: float = 0.0, entropy: float) -> float:
        """The seconds until the next connection, now that one has ended or failed."""
        self._failures += 1
        return backoff.delay_s(self._failures - 1, first_s=self._retry_s, asked_s=asked_s, entropy=entropy)
