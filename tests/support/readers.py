"""Readers of a request's stream of events, as browsers and programs read it: from any gateway, again and again, each time
from where they were."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

import msgspec

OUTPUT = ("output", "progress", "log")
DEADLINE_S = 60.0
_STREAM_BYTES = 4096
"""What asyncio may hold of a stream before it stops reading from the socket."""

End = Literal["completed", "enough", "ended", "nothing"]
"""Why a connection has ended: after the last event, as the test wanted, from the other side (also at once, by 503), or it
was `204 No Content`."""


class Seen(NamedTuple):
    """One event of a stream."""

    id: str
    event: str
    data: dict[str, Any]


class Refused(AssertionError):
    """The answer is no stream."""


class Reader:
    """One reader of one request. `seen` has the events of all its connections."""

    def __init__(self, urls: list[str], key: str, rid: str, *, receive_bytes: int | None = None) -> None:
        self._urls, self._key, self._rid = urls, key, rid
        self._receive_bytes = receive_bytes
        self.seen: list[Seen] = []
        self.last_id = ""
        """What a browser sends as `Last-Event-ID`."""
        self.connections = 0
        self.retry_ms: int | None = None
        self._following: asyncio.Task[None] | None = None
        self.bytes_per_s: float | None = None
        """How fast it reads; None: as fast as it can."""

    async def read(self, gateway: int = 0, enough: Callable[[Seen], bool] | None = None) -> End:
        """One connection, to its end or until an event is enough. Raises Refused, OSError."""
        reader, writer = await self._open(self._urls[gateway])
        self.connections += 1
        try:
            status = await self._status(reader)
            if status != 200:
                return "nothing" if status == 204 else "ended"
            async for seen in self._events(_chunks(reader, self._pace)):
                self.seen.append(seen)
                self.last_id = seen.id or self.last_id
                if seen.event == "completed":
                    return "completed"
                if seen.event == "error":
                    return "ended"
                if enough is not None and enough(seen):
                    return "enough"
        except asyncio.IncompleteReadError:
            return "ended"
        finally:
            writer.transport.abort()
        return "ended"

    async def follow(
        self, gateway: int = 0, enough: Callable[[Seen], bool] | None = None, for_s: float | None = None
    ) -> None:
        """Read to the last event, however many connections that takes: each at the next gateway, each for `for_s` seconds
        at most, or until an event is enough."""
        while True:
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(for_s):
                    end = await self.read(gateway % len(self._urls), enough)
                assert end != "nothing", "there is nothing more, but the last event was not seen"
                if end == "completed":
                    return
                if end == "ended":
                    await asyncio.sleep(0.05)
            gateway += 1

    async def heard_more(self, records: int = 5) -> None:
        """Wait for so many more records of output."""
        before = len(self.of(*OUTPUT))
        await self._until(lambda: len(self.of(*OUTPUT)) >= before + records, "it hears more output")

    async def to_the_end(self) -> None:
        """Wait for the last event, and fail as the reading failed."""
        await self._until(lambda: self._following is not None and self._following.done(), "the stream ends")

    async def _until(self, condition: Callable[[], bool], what: str) -> None:
        following = self._following
        assert following is not None, "nobody listens"
        end = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < end, f"{what}: not within {DEADLINE_S:g} s, but {self.seen[-3:]}"
            if following.done():
                break
            await asyncio.sleep(0.02)
        if following.done():
            following.result()
        assert condition(), f"{what}: the stream has ended"

    def of(self, *events: str) -> list[Seen]:
        """What was seen of these kinds."""
        return [seen for seen in self.seen if seen.event in events]

    async def _open(self, url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        at = urlsplit(url)
        sock = socket.socket()
        sock.setblocking(False)
        try:
            if self._receive_bytes is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_bytes)
            await asyncio.get_running_loop().sock_connect(sock, (at.hostname, at.port))
            reader, writer = await asyncio.open_connection(sock=sock, limit=_STREAM_BYTES)
        except BaseException:
            sock.close()
            raise
        lines = [f"GET /v1/requests/{self._rid}/events HTTP/1.1", f"Host: {at.netloc}", f"Authorization: Bearer {self._key}"]
        lines += ["Accept: text/event-stream", *([f"Last-Event-ID: {self.last_id}"] if self.last_id else [])]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        return reader, writer

    async def _status(self, reader: asyncio.StreamReader) -> int:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        status = int(head.split(" ", 2)[1])
        if status in (204, 503):
            return status
        if status != 200 or "\r\ncontent-type: text/event-stream" not in head:
            raise Refused(head + (await reader.read(2000)).decode(errors="replace"))
        assert "\r\ntransfer-encoding: chunked" in head, head
        return status

    async def _pace(self, size: int) -> None:
        if self.bytes_per_s is not None:
            await asyncio.sleep(size / self.bytes_per_s)

    async def _events(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[Seen]:
        fields: dict[str, str] = {}
        async for line in _lines(chunks):
            if not line:
                if "data" in fields:
                    yield Seen(fields.get("id", ""), fields["event"], msgspec.json.decode(fields["data"]))
                fields = {}
                continue
            name, _, value = line.partition(":")
            if name == "retry":
                self.retry_ms = int(value)
            elif name:
                assert name not in fields, f"{name} twice in one event"
                fields[name] = value.removeprefix(" ")


@contextlib.asynccontextmanager
async def listening(
    reader: Reader, gateway: int = 0, enough: Callable[[Seen], bool] | None = None, for_s: float | None = None
) -> AsyncIterator[Reader]:
    """The reader follows its request while the block runs."""
    reader._following = asyncio.create_task(reader.follow(gateway, enough, for_s))
    try:
        yield reader
    finally:
        reader._following.cancel()
        await asyncio.gather(reader._following, return_exceptions=True)


async def _chunks(reader: asyncio.StreamReader, pace: Callable[[int], Any]) -> AsyncIterator[bytes]:
    """The body of a chunked answer."""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        while size:
            piece = await reader.read(min(size, 1024))
            if not piece:
                raise asyncio.IncompleteReadError(b"", size)
            size -= len(piece)
            yield piece
            await pace(len(piece))
        await reader.readexactly(2)


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[str]:
    rest = bytearray()
    async for chunk in chunks:
        *ends, beginning = chunk.split(b"\n")
        for end in ends:
            yield (rest + end).removesuffix(b"\r").decode()
            rest.clear()
        rest += beginning


def joined(values: list[Any]) -> Any:
    """The output that a generator's values make: texts that follow each other are one; one text alone is the output."""
    parts: list[Any] = []
    for value in values:
        if isinstance(value, str) and parts and isinstance(parts[-1], str):
            parts[-1] += value
        else:
            parts.append(value)
    return parts[0] if len(parts) == 1 and isinstance(parts[0], str) else parts


def shown(seen: list[Seen]) -> Any:
    """The output as a reader knows it at the end, by joining what it was shown."""
    values: list[Any] = []
    for one in seen:
        if one.event == "output_reset":
            values = []
        elif one.event == "output":
            values += [one.data["data"]] if isinstance(one.data["data"], str) else one.data["data"]
    return joined(values)


def check_whole(seen: list[Seen]) -> dict[str, Any]:
    """Nothing is missing, nothing came twice, all of it in order; the request as the last event shows it."""
    ids = [one.id for one in seen if one.id]
    assert len(ids) == len(set(ids)), "an event came twice"
    assert [one.event for one in seen].count("completed") == 1
    assert seen[-1].event == "completed"
    indexes: dict[int, list[int]] = {}
    for one in seen:
        if one.event in OUTPUT:
            indexes.setdefault(one.data["attempt"], []).append(one.data["index"])
    for attempt, found in indexes.items():
        assert found == list(range(1, len(found) + 1)), f"attempt {attempt}: {found}"
    assert list(indexes) == sorted(indexes)
    return seen[-1].data
