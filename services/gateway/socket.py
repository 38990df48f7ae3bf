"""One agent's WebSocket: reads frames into the session, writes what the session wants sent. Each socket has its own writer,
so that an agent which does not read stalls nobody but itself."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from starlette.websockets import WebSocket, WebSocketDisconnect

from services.contracts.accounts import Key
from services.contracts.events import type_of
from services.gateway.decisions import CLOSE_NOT_TEXT
from services.gateway.endings import CLOSE_SLOW_CONSUMER
from services.gateway.metrics import FRAMES
from services.gateway.round_trips import RoundTrip
from services.gateway.session import GatewaySession
from spaces_agent import frames

MAX_UNSENT = 2048
"""Frames that may wait for an agent; above it the agent is not reading."""
TURN_FRAMES = 64
"""After so many frames in a row everybody else has a turn, this socket's own writer too: those that have come already are
handed out without any waiting."""
SEND_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 5.0
ABNORMAL = 1006
"""What a connection's end is recorded with when there was no close frame (RFC 6455, 7.4.1)."""

Step = Callable[["Connection"], Awaitable[None]]


class Connection:
    """A socket with its session and the key that opened it."""

    def __init__(self, websocket: WebSocket, session: GatewaySession, key: Key, opened_at_ns: int) -> None:
        """`opened_at_ns`: nanoseconds since 1970."""
        self.session, self.key, self.opened_at_ns = session, key, opened_at_ns
        self.opened_at = time.monotonic()
        self.address = websocket.client.host if websocket.client else ""
        self.round_trip = RoundTrip(websocket.scope.get("state", {}).get("ping"))
        self._websocket = websocket
        self._wake = asyncio.Event()
        self._close: tuple[int, str] | None = None
        self._sending_since: float | None = None
        self._reader: asyncio.Task[int] | None = None

    async def serve(self, step: Step) -> int:
        """Read and write until the socket is closed; `step` is awaited after each frame. The close code."""
        self._reader = reader = asyncio.create_task(self._read(step))
        writer = asyncio.create_task(self._write())
        try:
            done, _ = await asyncio.wait({reader, writer}, return_when=asyncio.FIRST_COMPLETED)
            if writer in done or self._close is not None:
                await asyncio.wait({reader, writer}, timeout=CLOSE_TIMEOUT_S)
        finally:
            reader.cancel()
            writer.cancel()
            outcomes = await asyncio.gather(reader, writer, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome
        if self._close is not None:
            return self._close[0]
        return outcomes[0] if isinstance(outcomes[0], int) else ABNORMAL

    def wake(self) -> None:
        """The session may have something to send."""
        if self.session.unsent > MAX_UNSENT:
            self.session.close(CLOSE_SLOW_CONSUMER, "the agent does not read")
        if self.session.unsent:
            self._wake.set()

    def close(self, code: int, reason: str) -> None:
        """Close after the frames that still wait. It need not be ticked any more."""
        if self._close is None:
            self._close = (code, reason[:120])
            self._wake.set()
            if self._reader is not None:  # a peer that does not read cannot be told, and need not say anything either
                asyncio.get_running_loop().call_later(CLOSE_TIMEOUT_S, self._reader.cancel)

    def tick(self, now: float) -> None:
        """Time has passed: give up a peer that does not read."""
        if self._sending_since is not None and now - self._sending_since > SEND_TIMEOUT_S:
            self.session.close(CLOSE_SLOW_CONSUMER, "the agent does not read")

    async def _read(self, step: Step) -> int:
        frames_read = 0
        while self._close is None:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                return int(message.get("code") or ABNORMAL)
            self._receive(message.get("text"))
            await step(self)
            frames_read += 1
            if frames_read % TURN_FRAMES == 0:
                await asyncio.sleep(0)
        return self._close[0]

    def _receive(self, text: str | None) -> None:
        if text is None:
            self.session.refuse("not_text", "frames are text", CLOSE_NOT_TEXT)
            return
        try:
            frame = frames.decode_agent_frame(text)
        except frames.BadFrame as error:
            FRAMES.labels("bad").inc()
            self.session.receive_garbage(str(error), time.monotonic())
        else:
            FRAMES.labels(type_of(frame)).inc()
            self.session.receive(frame, time.monotonic())

    async def _write(self) -> None:
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                closing = self._close  # before the frames are taken, so that none is left behind
                for frame in self.session.frames_to_send():
                    self._sending_since = time.monotonic()
                    await self._websocket.send({"type": "websocket.send", "text": frames.encode(frame).decode()})
                self._sending_since = None
                if closing is not None:
                    await self._websocket.close(*closing)
                    return
        except (WebSocketDisconnect, RuntimeError):
            return  # the socket is closed (the server says so by either): the reader learns how
