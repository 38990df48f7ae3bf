"""One open WebSocket to a gateway: reads frames, and writes what there is to send."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from spaces_agent import frames
from spaces_agent.dial import close_reason

_CLOSES_WITHIN_S = 3.0
"""Longer than a closing handshake may take (see dial.py)."""
_LAST_WORDS_S = 2.0


class Connection:
    """Hands what arrives to `receive`, and writes what `take` gives whenever it is woken."""

    def __init__(
        self,
        websocket: ClientConnection,
        take: Callable[[], Iterable[frames.AgentFrame]],
        receive: Callable[[frames.GatewayFrame], None],
    ) -> None:
        self._websocket = websocket
        self._take = take
        self._receive = receive
        self._outgoing = asyncio.Event()
        self._outgoing.set()
        self._given_up: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._finishing = False

    def wake(self) -> None:
        """There may be something to write."""
        self._outgoing.set()

    def give_up(self, reason: str) -> None:
        """Close now."""
        if not self._given_up.done():
            self._given_up.set_result(reason)

    def finish(self) -> None:
        """Write what there is to send, as far as that is soon done, then close."""
        self._finishing = True
        self._outgoing.set()
        asyncio.get_running_loop().call_later(_LAST_WORDS_S, self.give_up, "leaving")

    async def serve(self) -> tuple[str, int | None]:
        """Read and write to the end of the socket: why it ended, and the close code if the gateway sent one."""
        reading = asyncio.create_task(self._read())
        writing = asyncio.create_task(self._write())
        try:
            await asyncio.wait({reading, writing, self._given_up}, return_when=asyncio.FIRST_COMPLETED)
            if self._given_up.done():
                return self._given_up.result(), None
            return (reading if reading.done() else writing).result(), None
        except ConnectionClosed as error:
            return close_reason(error)
        finally:
            reading.cancel()
            writing.cancel()
            await asyncio.gather(reading, writing, return_exceptions=True)
            await self._close()

    async def _close(self) -> None:
        # The limit of the closing handshake begins when the close frame is written. Where the network is gone and the
        # buffers are full that would take as long as TCP tries: many minutes.
        try:
            async with asyncio.timeout(_CLOSES_WITHIN_S):
                await self._websocket.close()
        except TimeoutError:
            self._websocket.transport.abort()
            await self._websocket.wait_closed()

    async def _read(self) -> str:
        while True:
            data = await self._websocket.recv(decode=False)
            try:
                frame = frames.decode_gateway_frame(data)
            except frames.BadFrame as error:
                return f"the gateway sent something that is no frame of this protocol: {error}"
            self._receive(frame)

    async def _write(self) -> str:
        while True:
            await self._outgoing.wait()
            self._outgoing.clear()
            last = self._finishing
            for frame in self._take():
                await self._websocket.send(frames.encode(frame), text=True)
            if last:
                return "leaving"
