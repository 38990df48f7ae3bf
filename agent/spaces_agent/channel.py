"""Messages over the socket pair between the two processes of an agent: each with its length in four bytes before it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any, cast

from spaces_agent import messages

_LENGTH_BYTES = 4


class Channel(asyncio.Protocol):
    """One end of the pair. `on_message` is called for each message, `on_end` once when the other process is gone."""

    def __init__(self, receives: Any, on_message: Callable[[Any], None], on_end: Callable[[], None]) -> None:
        self._decode = messages.decoder(receives).decode
        self._on_message = on_message
        self._on_end = on_end
        self._received = bytearray()
        self._to_write = bytearray()
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()

    @classmethod
    async def open(
        cls, sock: socket.socket, receives: Any, on_message: Callable[[Any], None], on_end: Callable[[], None]
    ) -> Channel:
        """Speak over `sock`, which from now on belongs to the channel."""
        loop = asyncio.get_running_loop()
        _, channel = await loop.create_connection(lambda: cls(receives, on_message, on_end), sock=sock)
        return channel

    def send(self, message: messages.Message) -> None:
        """Queue a message. All messages of one turn of the event loop leave in one write. A message to a process that
        is gone is dropped: `on_end` tells of that."""
        data = messages.encode(message)
        if not self._to_write:
            self._loop.call_soon(self.flush)
        self._to_write += len(data).to_bytes(_LENGTH_BYTES, "big")
        self._to_write += data

    def flush(self) -> None:
        """Hand everything queued to the kernel, as far as it takes it."""
        if self._to_write and self._transport is not None and not self._transport.is_closing():
            self._transport.write(bytes(self._to_write))
        self._to_write.clear()

    def close(self) -> None:
        """Write what is queued, then close."""
        self.flush()
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        start = 0
        while len(self._received) - start >= _LENGTH_BYTES:
            end = start + _LENGTH_BYTES + int.from_bytes(self._received[start : start + _LENGTH_BYTES], "big")
            if len(self._received) < end:
                break
            message = self._decode(memoryview(self._received)[start + _LENGTH_BYTES : end].tobytes())
            start = end
            self._on_message(message)
        del self._received[:start]

    def connection_lost(self, error: Exception | None) -> None:
        self._on_end()
