"""One address for two servers: connections for files go to the one, all others to the other. Those for files can be cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from spaces_agent import frames

_PIECE_BYTES = 64 * 1024


@dataclass
class Cut:
    """End a connection for files when so many bytes have gone to the server or come from it; `stall`: rather than end it,
    let nothing more through."""

    sent: int | None = None
    came: int | None = None
    stall: bool = False


class Front:
    """Each connection for files takes the next of `cuts`, as long as there is one."""

    def __init__(self, files: int, others: int = 0) -> None:
        self.cuts: list[Cut] = []
        self.stalled = asyncio.Event()
        self.connections = 0
        """How many there were for files."""
        self.url = ""
        self._files, self._others = files, others

    @property
    def address(self) -> str:
        """As an agent knows it."""
        return f"ws{self.url.removeprefix('http')}{frames.CONNECT_PATH}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            for_files = f" {frames.FILES_PATH}".encode() in head.partition(b"\r\n")[0]
            cut = self.cuts.pop(0) if for_files and self.cuts else Cut()
            self.connections += for_files
            target, port = None, self._files if for_files else self._others
            try:
                answers, target = await asyncio.open_connection("127.0.0.1", port)
                target.write(head)
                ways = [
                    asyncio.ensure_future(self._pass(reader, target, cut.sent, cut.stall)),
                    asyncio.ensure_future(self._pass(answers, writer, cut.came, cut.stall)),
                ]
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
            finally:
                writer.transport.abort() if cut.sent or cut.came else writer.close()
                if target is not None:
                    target.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, most: int | None, stall: bool) -> None:
        left = most
        while left is None or left > 0:
            piece = await reader.read(_PIECE_BYTES if left is None else min(left, _PIECE_BYTES))
            if not piece:
                return
            writer.write(piece)
            await writer.drain()
            left = None if left is None else left - len(piece)
        if stall:
            self.stalled.set()
            await asyncio.Event().wait()


@asynccontextmanager
async def front(files: int, others: str = "") -> AsyncIterator[Front]:
    """In front of a server of files at this port, and of another one at this URL."""
    one = Front(files, urlsplit(others).port or 0)
    async with await asyncio.start_server(one.serve, "127.0.0.1", 0) as server:
        one.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield one
