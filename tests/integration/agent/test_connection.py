"""One WebSocket of an agent whose network does not take what is written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

from spaces_agent import frames
from spaces_agent.connection import Connection
from spaces_agent.dial import dial

DEADLINE_S = 60.0


@pytest.fixture
async def stuck() -> AsyncIterator[Connection]:
    """A connection that has written more than the buffers of both sides take, to a gateway that never reads."""
    over = asyncio.Event()

    async def never_read(connection: ServerConnection) -> None:
        connection.transport.pause_reading()
        await over.wait()
        connection.transport.abort()

    kind = frames.Output(
        request_id="0" * 34, attempt=1, lease=1, index=1, kind="chunk", data=msgspec.Raw(b'"' + b"x" * 500_000 + b'"')
    )
    async with serve(never_read, "127.0.0.1", 0, subprotocols=[Subprotocol(frames.SUBPROTOCOL)]) as server:
        port = server.sockets[0].getsockname()[1]
        websocket = await dial(f"ws://127.0.0.1:{port}", "wsa_test")
        yield Connection(websocket, lambda: [kind] * 100, lambda frame: None)
        over.set()


@pytest.mark.parametrize("how", ["given up", "finished"])
async def test_a_socket_that_takes_nothing_can_be_left(stuck: Connection, how: str) -> None:
    serving = asyncio.create_task(stuck.serve())
    buffer = stuck._websocket.transport.get_write_buffer_size
    async with asyncio.timeout(DEADLINE_S):
        while not buffer():
            await asyncio.sleep(0.01)
        if how == "given up":
            stuck.give_up("nothing heard")
        else:
            stuck.finish()
        assert await serving == ("nothing heard" if how == "given up" else "leaving", None)
