"""The asynchronous driver: as `connection`, on asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator, Callable, Iterator
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


class AsyncConnection:
    """One gateway and one key, or none. Tasks of one event loop may share it."""

    def __init__(self, url: str, key: str | None) -> None:
        """Nothing is sent yet. Raises ConfigError when URL or key cannot be one."""
        self._http = transport.opened(httpx.AsyncClient, httpx.AsyncHTTPTransport, url, key)

    async def close(self) -> None:
        """Close the sockets."""
        await self._http.aclose()

    async def perform(self, operation: Operation[T]) -> T:
        """The result of an operation. Raises ClientError."""
        outcome: Any = None
        with closing(performed(operation, transport.world())) as steps:
            while True:
                try:
                    step = steps.send(outcome)
                except StopIteration as end:
                    result: T = end.value
                    return result
                outcome = await self._done(step)

    async def listed(self, listing: Listing[T]) -> AsyncGenerator[T, None]:
        """What is listed, page by page as it is taken. Raises ClientError."""
        while (call := listing.next_page()) is not None:
            for each in listing.received(await self.perform(call)):
                yield each

    async def events(self, path: str, reader: EventReader, waiting: Waiting | None) -> AsyncGenerator[Event, None]:
        """The events at a path until the last one, over as many connections as it takes. Raises ClientError when the
        gateway refuses it."""
        silence = transport.timeout(transport.SILENCE_S)
        while not reader.done:
            try:
                async with self._http.stream("GET", path, headers=reader.headers(), timeout=silence) as response:
                    body = b"" if response.status_code == 200 else await response.aread()
                    reader.opened(response.status_code, response.headers, body)
                    async with contextlib.aclosing(httpx_sse.EventSource(response).aiter_sse()) as stream:
                        while not reader.over and (told := await anext(stream, None)) is not None:
                            for event in reader.received(told.event, told.id, told.data, told.retry):
                                yield event
            except httpx.RequestError as error:
                reader.lost(transport.reason(error))
            if not reader.done:
                reason, delay_s = reader.interruption(entropy=random.random())
                if waiting is not None:
                    waiting(reason, delay_s)
                await asyncio.sleep(delay_s)

    async def _done(self, step: Step) -> Any:
        if isinstance(step, Pause):
            return await asyncio.sleep(step.seconds)
        if isinstance(step, Work):
            return await asyncio.to_thread(step.do)
        return await self._exchanged(step)

    async def _exchanged(self, exchange: Exchange) -> Answer | Lost:
        body = exchange.body
        content = body if body is None or isinstance(body, bytes) else _sent(body, exchange.moved)
        try:
            async with self._http.stream(**transport.arguments(exchange), content=content) as response:
                if exchange.sink is None or not response.is_success:
                    return Answer(response.status_code, response.headers, await response.aread())
                exchange.sink.opened(response.status_code, response.headers)
                async for piece in response.aiter_raw():
                    await asyncio.to_thread(exchange.sink.write, piece)
                    exchange.moved(len(piece))
                return Answer(response.status_code, response.headers, b"")
        except httpx.RequestError as error:
            return transport.lost(error, self._http.base_url)


async def _sent(body: Iterator[bytes], moved: Callable[[int], None]) -> AsyncGenerator[bytes, None]:
    while piece := await asyncio.to_thread(next, body, b""):
        yield piece
        moved(len(piece))
