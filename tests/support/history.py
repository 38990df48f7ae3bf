"""The history service's surroundings: empty streams, an empty database, and requests whose events are appended at will."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import asyncpg
import msgspec
from nats.aio.client import Client

from services.contracts import codec, ids, subjects
from services.contracts.connections import ConnectionEvent, Refused
from services.contracts.events import (
    Accepted,
    Assigned,
    Canceled,
    Expired,
    Failed,
    Problem,
    RequestEvent,
    Requeued,
    Succeeded,
)
from services.contracts.requests import RequestState, fold
from services.history.database import Pool, create_pool
from services.history.leader import Leadership
from services.history.migrations import migrate
from services.history.recorder import FILTERS, Recorder
from services.runtime import bus, jetstream
from services.runtime.append import append, request_record
from services.runtime.errors import NatsUnavailable
from services.runtime.jetstream import Stored, stream_info
from services.runtime.loops import cancel
from services.runtime.tail import Tail
from tests.support.bus import provisioned, until
from tests.support.servers import Servers

GATEWAY, AGENT = "gateway-1", "alice/box"
ACK_S = 30.0
"""How long to wait for what JetStream says: the client's own half a second is too short for a busy machine."""


class Request:
    """One request; each method appends the event of its name and remembers its sequence."""

    def __init__(self, clients: dict[str, Client], space: str = "demo") -> None:
        self._clients, self.space = clients, space
        self.rid = ids.request_id(space, time.time_ns() // 1_000_000, os.urandom(10))
        self.seq, self.attempt = 0, 0
        self.input = msgspec.Raw(b'{"text":"hello"}')

    def common(self) -> dict[str, Any]:
        """What all events carry."""
        return {
            "id": os.urandom(16).hex(),
            "rid": self.rid,
            "space": self.space,
            "prev_seq": self.seq,
            "attempt": self.attempt,
            "actor": "system",
            "origin": GATEWAY,
        }

    async def write(self, event: RequestEvent) -> int:
        """Append an event, as the service that may."""
        writer = "dispatcher" if isinstance(event, Assigned | Requeued | Expired) else "gateway"
        self.seq = await append(self._clients[writer], request_record(event))
        return self.seq

    async def accept(self, input: bytes = b'{"text":"hello"}', **more: Any) -> "Request":
        """accepted"""
        await self.write(self.acceptance(input, **more))
        return self

    def acceptance(self, input: bytes = b'{"text":"hello"}', **more: Any) -> Accepted:
        """The event `accepted`, not appended yet."""
        self.input = msgspec.Raw(input)
        fields: dict[str, Any] = {
            "user": "u1",
            "key_id": "k1",
            "body_sha256": "0",
            "start_timeout_s": 60.0,
            "execution_timeout_s": 60.0,
        }
        return Accepted(**self.common(), input=self.input, **(fields | more))

    async def assign(self) -> int:
        """assigned"""
        self.attempt += 1
        run: dict[str, Any] = {"agent": AGENT, "conn": "c1", "gateway": GATEWAY, "user": "u1", "execution_timeout_s": 60.0}
        return await self.write(Assigned(**self.common(), **run, input=self.input))

    async def requeue(self) -> int:
        """requeued"""
        return await self.write(Requeued(**self.common(), reason="agent_lost", gateway=GATEWAY, started=True))

    async def succeed(self, output: bytes = b'{"label":7}', **more: Any) -> int:
        """succeeded"""
        result: dict[str, Any] = {"output": msgspec.Raw(output), "output_sha256": "0", "run_s": 0.5, "log_tail": "done"}
        return await self.write(Succeeded(**self.common(), agent=AGENT, gateway=GATEWAY, **(result | more)))

    async def fail(self) -> int:
        """failed"""
        return await self.write(Failed(**self.common(), error=Problem(code="handler_error", message="no")))

    async def cancel(self) -> int:
        """canceled"""
        return await self.write(Canceled(**self.common()))

    async def expire(self) -> int:
        """expired"""
        return await self.write(Expired(**self.common()))

    async def live(self, number: int) -> None:
        """A whole life, or part of one: which, the number says."""
        refers = {"files": (f"u1.{number:032x}", "u1." + "f" * 32)} if number % 2 else {}
        await self.accept(b'{"number":%d}' % number, metadata={"n": number}, **refers)
        match number % 6:
            case 0:
                await self.expire()
            case 1:
                await self.assign()
                await self.requeue()
                await self.assign()
                await self.succeed(b'{"twice":%d}' % number)
            case 2:
                await self.assign()
                await self.fail()
            case 3:
                await self.cancel()
            case 4:
                await self.assign()
            case _:
                lease = await self.assign()
                await self.succeed(b'{"square":%d}' % (number * number), files=(f"{self.rid}.{lease}.{number:032x}",))


class World:
    """Empty streams, an empty migrated database, and connections to both; loops end with the test."""

    def __init__(self, servers: Servers, clients: dict[str, Client], pool: Pool) -> None:
        self.servers, self.clients, self.pool = servers, clients, pool
        self.history = clients["history"]
        self.tasks: list[asyncio.Task[Any]] = []

    def spawn(self, loop: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a loop until the end of the test."""
        task = asyncio.create_task(loop)
        self.tasks.append(task)
        return task

    def record(self, *streams: str) -> list[asyncio.Task[Any]]:
        """Start one recorder of each stream (all by default)."""
        return [self.spawn(Recorder(self.history, self.pool, stream).run()) for stream in streams or FILTERS]

    def request(self, space: str = "demo") -> Request:
        """A request of which nothing has happened yet."""
        return Request(self.clients, space)

    async def live(self, count: int, spaces: tuple[str, ...] = ("demo", "digits", "echo")) -> None:
        """That many lives, some at a time."""
        some = asyncio.Semaphore(16)

        async def one(number: int) -> None:
            async with some:
                await self.request(spaces[number % len(spaces)]).live(number)

        await asyncio.gather(*(one(number) for number in range(count)))

    @contextlib.asynccontextmanager
    async def living(self) -> AsyncIterator[None]:
        """Lives go on in the background until the end of the block; then all of them are whole."""
        enough = asyncio.Event()

        async def go_on() -> None:
            while not enough.is_set():
                await self.live(24)

        lives = self.spawn(go_on())
        yield
        enough.set()
        await lives

    def lead(self) -> Leadership:
        """Start recorders of all streams as the service does: they come back whatever happens."""
        leadership = Leadership(self.servers.database_url)
        recorders = [Recorder(self.history, self.pool, stream) for stream in FILTERS]
        self.spawn(leadership.run([recorder.run for recorder in recorders]))
        return leadership

    async def refuse(self, rid: str) -> None:
        """A refused frame that concerns a request."""
        event = Refused(
            id=os.urandom(16).hex(),
            conn="c1",
            agent=AGENT,
            gateway=GATEWAY,
            rid=rid,
            lease=1,
            frame="RESULT",
            reason="stale_lease",
        )
        headers = {subjects.MSG_ID: event.id}
        subject = subjects.connection_event("c1", "refused")
        await self.clients["gateway"].request(subject, codec.connections.encode(event), ACK_S, headers=headers)

    async def forge(self, event: RequestEvent, data: bytes | None = None) -> None:
        """Store an event (or other bytes under its subject) without any expectation."""
        record = request_record(event)
        await self.clients["gateway"].request(record.subject, record.data if data is None else data, ACK_S)

    async def recorded(self, stream: str = subjects.REQUESTS) -> None:
        """Wait until the whole stream is recorded."""

        async def caught_up() -> bool:
            for task in self.tasks:
                if task.done() and not task.cancelled():
                    task.result()  # a recorder that failed: say why
            with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError, NatsUnavailable):
                last = (await stream_info(self.history, stream)).state.last_seq
                return bool(await self.value("SELECT seq FROM log_position WHERE stream = $1", stream) == last)
            return False

        await until(caught_up, f"{stream} is recorded")

    async def stored(self, stream: str = subjects.REQUESTS) -> list[Stored]:
        """Everything that a stream holds."""
        messages: list[Stored] = []
        async for batch in Tail(self.history, stream, [FILTERS[stream]]).batches():
            messages += batch.messages
            if batch.pending == 0:
                break
        return messages

    async def states(self) -> dict[str, RequestState]:
        """The fold of every chain in the stream."""
        chains: dict[str, list[tuple[RequestEvent, int, int]]] = {}
        for message in await self.stored():
            event = codec.requests.decode(message.data)
            chains.setdefault(event.rid, []).append((event, message.seq, message.time_ns))
        return {rid: state for rid, chain in chains.items() if (state := fold(chain)) is not None}

    async def fetch(self, query: str, *values: Any) -> list[asyncpg.Record]:
        """Rows of a query."""
        async with self.pool.acquire() as connection:
            return await connection.fetch(query, *values)

    async def value(self, query: str, *values: Any) -> Any:
        """The one value of a query."""
        async with self.pool.acquire() as connection:
            return await connection.fetchval(query, *values)

    async def execute(self, query: str, *values: Any) -> None:
        """Run a statement."""
        async with self.pool.acquire() as connection:
            await connection.execute(query, *values)

    async def provision(self) -> None:
        """Declare all streams."""
        await provisioned(self.clients["provisioner"], self.servers.settings)

    def forget_nats(self) -> None:
        """Delete all that NATS has stored; only while it is stopped."""
        self.servers.forget_nats()

    async def close(self) -> None:
        """End the loops, then the connections."""
        await cancel(self.tasks)
        for nc in self.clients.values():
            await nc.close()
        self.pool.terminate()


@contextlib.asynccontextmanager
async def world_on(servers: Servers) -> AsyncIterator[World]:
    """A `World` on servers that earlier tests may have used."""
    await asyncio.to_thread(servers.empty_nats)
    await servers.empty_database()
    await migrate(servers.database_url)
    clients = {
        user: await bus.connect(servers.nats_url(user), user, f"test-{user}")
        for user in ("provisioner", "gateway", "dispatcher", "registry", "history")
    }
    world = World(servers, clients, await create_pool(servers.database_url))
    try:
        await world.provision()
        yield world
    finally:
        await world.close()


async def write_connection(world: World, event: ConnectionEvent) -> None:
    """What the registry records of a connection."""
    subject = subjects.connection_event(event.conn, str(event.__struct_config__.tag))
    ack = await jetstream.publish(world.clients["registry"], subject, codec.connections.encode(event), {}, 5.0)
    assert ack.error is None
