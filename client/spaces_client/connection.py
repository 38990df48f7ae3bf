"""The blocking driver: exchanges and streams over HTTP. What it decides is in the pure modules beside it."""

from __future__ import annotations

import random
import time
from collections.abc import Generator, Iterator
from typing import TypeVar

import httpx
import httpx_sse

from spaces_client import transport
from spaces_client.call import Operation
from spaces_client.events import Event
from spaces_client.lists import Listing
from spaces_client.reading import EventReader
from spaces_client.sending import Answer, Outcome, Pause, Step, performed
from spaces_client.transport import Waiting

T = TypeVar("T")


class Connection:
    """One gateway and one key, or none. Threads may share it."""

    def __init__(self, url: str, key: str | None) -> None:
        """Nothing is sent yet. Raises ConfigError when URL or key cannot be one."""
        self._http = httpx.Client(**transport.options(url, key))

    def close(self) -> None:
        """Close the sockets."""
        self._http.close()

    def perform(self, operation: Operation[T]) -> T:
        """The result of an operation. Raises ClientError."""
        steps = performed(operation, transport.world())
        outcome: Outcome = None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as end:
                result: T = end.value
                return result
            outcome = self._done(step)

    def listed(self, listing: Listing[T]) -> Iterator[T]:
        """What is listed, page by page as it is taken. Raises ClientError."""
        while (call := listing.next_page()) is not None:
            yield from listing.received(self.perform(call))

    def events(self, path: str, reader: EventReader, waiting: Waiting | None) -> Generator[Event, None, None]:
        """The events at a path until the last one, over as many connections as it takes. Raises ClientError when the
        gateway refuses it."""
        silence = transport.timeout(transport.SILENCE_S)
        while not reader.done:
            try:
                with self._http.stream("GET", path, headers=reader.headers(), timeout=silence) as response:
                    body = b"" if response.status_code == 200 else response.read()
                    reader.opened(response.status_code, response.headers, body)
                    stream = httpx_sse.EventSource(response).iter_sse()
                    while not reader.over and (told := next(stream, None)) is not None:
                        yield from reader.received(told.event, told.id, told.data, told.retry)
            except httpx.RequestError as error:
                reader.lost(transport.reason(error))
            if not reader.done:
                reason, delay_s = reader.interruption(entropy=random.random())
                if waiting is not None:
                    waiting(reason, delay_s)
                time.sleep(delay_s)

    def _done(self, step: Step) -> Outcome:
        if isinstance(step, Pause):
            time.sleep(step.seconds)
            return None
        try:
            response = self._http.request(**transport.arguments(step))
            return Answer(response.status_code, response.headers, response.content)
        except httpx.RequestError as error:
            return transport.lost(error, self._http.base_url)
