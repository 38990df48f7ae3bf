"""Reads along what passes between an agent and a gateway: the frames of their WebSocket. Sans-I/O."""

from collections.abc import Generator
from typing import Any

import msgspec
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Tap:
    """One direction of one connection, from its first byte on. `by_agent`: the one in which the agent sends, masked
    (RFC 6455, 5.3)."""

    def __init__(self, by_agent: bool) -> None:
        self._by_agent = by_agent
        self._head = b""
        self._upgraded = False
        self._reader = StreamReader()
        self._parsing: Generator[None, None, Frame] | None = None

    def receive(self, data: bytes) -> list[dict[str, Any]]:
        """The frames that these bytes complete."""
        if not self._upgraded:
            self._head += data
            _, end, data = self._head.partition(b"\r\n\r\n")
            if not end:
                return []
            self._upgraded = True
        self._reader.feed_data(data)
        return list(self._frames())

    def _frames(self) -> Generator[dict[str, Any], None, None]:
        while True:
            if self._parsing is None:
                self._parsing = Frame.parse(self._reader.read_exact, mask=self._by_agent, max_size=None)
            try:
                next(self._parsing)
            except StopIteration as complete:
                self._parsing = None
                frame: Frame = complete.value
                if frame.opcode is Opcode.TEXT:
                    yield _decode(bytes(frame.data))
            else:
                return
