"""Reading a stream of events across connections: where to go on, and how long to wait before. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from spaces_client import answers, backoff, events
from spaces_client.errors import InvalidAnswer
from spaces_client.events import Completed, Event

FIRST_DELAY_S = 1.0
"""Until the gateway has said how long to wait before connecting again."""
_LEAST_DELAY_S = 0.01
_UNNAMED = "message"
"""What an event without a name is called (HTML, 9.2.6): here it is a mere `retry` or `id`."""


class Interruption(NamedTuple):
    """Why there is no stream for the moment, and the seconds until the next connection."""

    reason: str
    delay_s: float


class EventReader:
    """What one reader of a request's events knows; any connection and any gateway may carry it on. For each connection:
    `headers`, `opened`, `received` until it is `over`; or `lost`. Then, until all is `done`, an `interruption`."""

    def __init__(self, after: str = "") -> None:
        self._cursor = after
        self._retry_s = FIRST_DELAY_S
        self._failures = 0
        self._reason = ""
        self._asked_s = 0.0
        self.over = False
        """Nothing more is to be read from this connection."""
        self.done = False
        """The last event has come."""

    def headers(self) -> dict[str, str]:
        """What the next connection asks for."""
        self._reason, self._asked_s, self.over = "", 0.0, False
        wanted = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        return wanted | ({"Last-Event-ID": self._cursor} if self._cursor else {})

    def opened(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """A connection was answered; `body` is the whole one, unless the status is 200: then events follow, until it is
        `over`. Raises ClientError when another time will be no better."""
        if status == 200:
            if headers.get("content-type", "").partition(";")[0].strip() != "text/event-stream":
                raise InvalidAnswer("it answered, but not with a stream of events: is the URL right?")
            return
        self.over = True
        if status == 204:
            self.done = True
        elif status < 500:
            answers.check(status, headers, body)
            raise InvalidAnswer(f"it answered {status} where a stream of events was to come")
        else:
            self._reason = str(answers.problem(status, headers, body))
            self._asked_s = answers.retry_after_s(headers)

    def received(self, name: str, id: str, data: str, retry_ms: int | None = None) -> list[Event]:
        """What an event of the connection brings, which may be for this reader only. `id` is the last one that the
        connection has told. Raises InvalidAnswer."""
        if retry_ms is not None:
            self._retry_s = max(retry_ms / 1000, _LEAST_DELAY_S)
        if name == "error":
            self._reason, self.over = answers.detail(data), True
            return []
        self._cursor = id or self._cursor
        if name == _UNNAMED:
            return []
        self._failures = 0
        if name == "ping":
            return []
        event = events.parse(name, self._cursor, data)
        self.over = self.done = isinstance(event, Completed)
        return [event]

    def lost(self, reason: str) -> None:
        """A connection failed, or could not be made."""
        self._reason = reason

    def interruption(self, *, entropy: float) -> Interruption:
        """How it goes on, now that a connection has ended or failed."""
        self._failures += 1
        delay_s = backoff.delay_s(self._failures - 1, first_s=self._retry_s, asked_s=self._asked_s, entropy=entropy)
        return Interruption(self._reason or "the stream ended", delay_s)
