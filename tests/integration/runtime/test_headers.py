"""Our quicker reader of headers is the one that the client library uses, and reads what the server really sends."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from nats.aio.msg import Msg

from services.contracts import subjects
from services.runtime import bus as connection
from services.runtime.append import append
from services.runtime.tail import Tail
from tests.support.bus import Bus, running_bus, until
from tests.support.chains import record


@pytest.fixture
async def bus() -> AsyncIterator[Bus]:
    async with running_bus() as here:
        yield here


async def test_the_client_reads_headers_with_our_reader(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    # A library that has renamed it would quietly go back to its own.
    ours, read = connection._Client._parse_header_lines, []

    def counted(raw: bytes) -> dict[str, str]:
        read.append(raw)
        return ours(raw)

    monkeypatch.setattr(connection._Client, "_parse_header_lines", staticmethod(counted))
    nc = await bus.connect("gateway")
    stored = record(id="an-id")
    await append(nc, stored)
    async for batch in Tail(nc, subjects.REQUESTS, [subjects.ALL_REQUESTS]).batches():
        if batch.messages:
            break
    assert batch.messages[0].headers[subjects.MSG_ID] == "an-id"
    assert any(b"an-id" in raw for raw in read)


async def test_headers_beside_a_status_are_read(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    nc = await bus.connect("gateway")
    seen: list[Any] = []
    on_message = Tail._on_message

    async def remembered(self: Tail, message: Msg) -> None:
        seen.append(message.headers)
        await on_message(self, message)

    monkeypatch.setattr(Tail, "_on_message", remembered)
    tail = Tail(nc, subjects.REQUESTS, [subjects.ALL_REQUESTS])

    async def follow() -> None:
        async for _ in tail.batches():
            pass

    await append(nc, record())
    task = bus.spawn(follow())
    await until(lambda: any(headers and headers.get("Status") == "100" for headers in seen), "a heartbeat has come")
    (heartbeat, *_) = [headers for headers in seen if headers and headers.get("Status") == "100"]
    assert heartbeat["Description"] == "Idle Heartbeat"
    assert (heartbeat["Nats-Last-Consumer"], heartbeat["Nats-Last-Stream"]) == ("1", "1")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
