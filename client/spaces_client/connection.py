"""The blocking driver: exchanges and streams over HTTP. What it decides is in the pure modules beside it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from typing import Any, TypeVar

import httpx
import httpx_sse

from spaces_client import transport
from spaces_client.call import Operation
from spaces_client.events import Event
from spaces_client.lists import Listing
from spaces_client.reading import EventReader
from spaces_client.sending import performed
from spaces_client.steps import Answer, Exchange, Lost, Pause, Step, Work
from spaces_client.transport import Waiting

T = TypeVar("T")


class Connection:
    """One gateway and one key, or none. Threads may share it."""

    def __init__(self, url: str, key: str | None) -> None:
        """Nothing is sent yet. Raises ConfigError when URL or key cannot be one."""
        self._http = transport.opened(httpx.Client, httpx.HTTPTransport, url, key)

    def close(self) -> None:
        """Close the sockets."""
        self._http.close()

    def perform(self, operation: Operation[T]) -> T:
        """The result of an operation. Raises ClientError."""
        outcome: Any = None
        with closing(performed(operation, transport.world())) as steps:
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

    def _done(self, step: Step) -> Any:
        if isinstance(step, Pause):
            return time.sleep(step.seconds)
        if isinstance(step, Work):
            return step.do()
        return self._exchanged(step)

    def _exchanged(self, exchange: Exchange) -> Answer | Lost:
        body = exchange.body
        content = body if body is None or isinstance(body, bytes) else _sent(body, exchange.moved)
        try:
            with self._http.stream(**transport.arguments(exchange), content=content) as response:
                if exchange.sink is None or not response.is_success:
                    return Answer(response.status_code, response.headers, response.read())
                exchange.sink.opened(response.status_code, response.headers)
                for piece in response.iter_raw():
                    exchange.sink.write(piece)
                    exchange.moved(len(piece))
                return Answer(response.status_code, response.headers, b"")
        except httpx.RequestError as error:
            return transport.lost(error, self._http.base_url)


def _sent(body: Iterator[bytes], moved: Callable[[int], None]) -> Iterator[bytes]:
    for piece in body:
        yield piece
        moved(len(piece))
