"""A network between two programs that the test can break: a TCP proxy on a free port, in the test's own event loop."""

import asyncio
import contextlib
import enum
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from urllib.parse import urlsplit

_PIECE_BYTES = 64 * 1024
_SLICE_S = 0.02
"""A throttled way passes what fits into this time, then the next piece."""


class Way(enum.Enum):
    """One of the two directions of a connection."""

    TO_SERVER = "to_server"
    TO_CLIENT = "to_client"


BOTH = (Way.TO_SERVER, Way.TO_CLIENT)

Send = Callable[[bytes], Awaitable[None]]
Watch = Callable[[int, Way, bytes, Send], Awaitable[None]]
"""Is given the number of a connection, the way, and the bytes that are about to get through, in order; what is to get
through it sends itself."""


class Proxy:
    """Forwards connections to a server until told to do worse. `url` is where clients connect instead."""

    def __init__(self, url: str, target: tuple[str, int], watch: Watch | None = None) -> None:
        self.url, self._target, self._watch = url, target, watch
        self.port = urlsplit(url).port or 0
        self.passed = {way: bytearray() for way in BOTH}
        """All that has got through, of all connections; nothing when somebody watches."""
        self._numbers = itertools.count(1)
        self.swallowed = dict.fromkeys(BOTH, 0)
        """How many bytes were lost."""
        self._refusing = False
        self._losing: set[Way] = set()
        self._speed: dict[Way, float] = {}
        self._changed = asyncio.Condition()
        self._connections: set[_Connection] = set()

    def cut(self) -> None:
        """Reset all connections, and refuse new ones until `restore`."""
        self._refusing = True
        for connection in list(self._connections):
            connection.reset()

    def reset(self, number: int) -> None:
        """Reset the connection of this number: what it carried and has not been let through is lost."""
        for connection in self._connections:
            if connection.number == number:
                connection.reset()

    def lose(self, *ways: Way) -> None:
        """Swallow every byte of these ways (both) without closing anything, as a network does that has forgotten a
        connection. What lost a byte stays so until its ends give it up; connections made after `restore` are whole."""
        self._losing = set(ways or BOTH)
        for connection in self._connections:
            connection.lost |= self._losing

    async def throttle(self, way: Way, bytes_per_s: float) -> None:
        """Pass no more than so many bytes a second this way: 0 holds them, and loses none."""
        async with self._changed:
            self._speed[way] = bytes_per_s
            self._changed.notify_all()

    async def restore(self) -> None:
        """Be a good network again. A connection that has lost bytes is beyond help."""
        self._refusing, self._losing = False, set()
        async with self._changed:
            self._speed.clear()
            self._changed.notify_all()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client's connection, to its end."""
        connection = _Connection(next(self._numbers), writer, set(self._losing))
        self._connections.add(connection)
        whole = False
        try:
            if not self._refusing:
                await self._pass(connection, reader, writer)
                whole = True
        except* OSError:
            pass  # one end is gone, and with it the other
        finally:
            self._connections.discard(connection)
            connection.close() if whole else connection.reset()

    async def _pass(self, connection: "_Connection", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, server = await asyncio.open_connection(*self._target)
        connection.writers.append(server)
        async with asyncio.TaskGroup() as ways:
            ways.create_task(self._forward(connection, Way.TO_SERVER, reader, server))
            ways.create_task(self._forward(connection, Way.TO_CLIENT, there, writer))

    async def _forward(
        self, connection: "_Connection", way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            while data := await reader.read(await self._piece(way)):
                await self._piece(way)  # it may be held meanwhile
                if way in connection.lost:
                    self.swallowed[way] += len(data)
                    continue
                await self._let_through(connection, way, data, writer)
                if speed := self._speed.get(way):
                    await asyncio.sleep(len(data) / speed)
        except OSError:
            if way not in connection.lost:
                raise
        if way in connection.lost:
            await asyncio.Event().wait()  # the other end never hears of it
        writer.write_eof()

    async def _let_through(self, connection: "_Connection", way: Way, data: bytes, writer: asyncio.StreamWriter) -> None:
        async def send(piece: bytes) -> None:
            writer.write(piece)
            await writer.drain()

        if self._watch is not None:
            await self._watch(connection.number, way, data, send)
            return
        self.passed[way] += data
        await send(data)

    async def _piece(self, way: Way) -> int:
        """How much to pass at once, as soon as anything may pass."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._speed.get(way, 1.0) > 0)
            speed = self._speed.get(way)
        return _PIECE_BYTES if speed is None else max(1, int(speed * _SLICE_S))


class _Connection:
    def __init__(self, number: int, client: asyncio.StreamWriter, lost: set[Way]) -> None:
        self.number, self.writers, self.lost = number, [client], lost

    def close(self) -> None:
        for writer in self.writers:
            writer.close()

    def reset(self) -> None:
        for writer in self.writers:
            writer.transport.abort()


@contextlib.asynccontextmanager
async def proxy(url: str, watch: Watch | None = None) -> AsyncIterator[Proxy]:
    """A proxy in front of the server at this URL."""
    target = urlsplit(url)
    assert target.hostname is not None
    assert target.port is not None
    connections: set[asyncio.Task[None]] = set()

    def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(between.serve(reader, writer))
        connections.add(task)
        task.add_done_callback(connections.discard)

    server = await asyncio.start_server(accepted, "127.0.0.1", 0)
    between = Proxy(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", (target.hostname, target.port), watch)
    try:
        yield between
    finally:
        server.close()
        for task in list(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
