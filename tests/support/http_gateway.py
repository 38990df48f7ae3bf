"""A gateway in this process on a real nats-server, with a directory, and tests that play dispatcher, agent and history."""

import contextlib
import os
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import msgspec
from nats.aio.client import Client

from services.contracts import codec, ids, subjects
from services.contracts.directory import (
    AgentKeyCreated,
    ApiKeyCreated,
    DirectoryEvent,
    SpaceCreated,
    UserCreated,
    entry_of,
)
from services.contracts.events import (
    Accepted,
    Assigned,
    Failed,
    Problem,
    RequestEvent,
    Requeued,
    Succeeded,
    agent_gateway,
    type_of,
)
from services.contracts.rpc import Chain, GetChain, GetQueue, LoggedEvent, QueuePlace
from services.gateway.api.server import listen
from services.gateway.main import start_on
from services.runtime import jetstream, rpc
from services.runtime.append import Record, append
from services.runtime.jetstream import Stored
from services.runtime.process import Process, new_process_id
from services.runtime.settings import Settings
from services.runtime.tail import Tail
from tests.support.bus import Bus, until

ADA, BOB, ADMIN, ONLY_OTHER, AGENT = "wsk_ada", "wsk_bob", "wsk_admin", "wsk_only_other", "wsa_agent"
AGENT_GATEWAY = "gateway-elsewhere"
Body = bytes | AsyncIterator[bytes] | None


async def fill_directory(bus: Bus) -> None:
    """Users ada, bob and the admin root; spaces demo and other; a key of each kind."""
    nc = await bus.connect("registry")
    for user, role in (("ada", "member"), ("bob", "member"), ("root", "admin")):
        email = f"{user}@example.org"
        await _append_entry(nc, UserCreated(**_new(), user=user, email=email, role=role, password_hash="x"))  # type: ignore[arg-type]
    for space in ("demo", "other"):
        await _append_entry(nc, SpaceCreated(**_new(), space=space, owner="root", max_attempts=2))
    keys = [(ADA, "ada", []), (BOB, "bob", []), (ADMIN, "root", []), (ONLY_OTHER, "ada", ["other"])]
    for secret, user, spaces in keys:
        key = ApiKeyCreated(**_new(), key_id=secret, user=user, key_hash=ids.secret_hash(secret), name=secret, spaces=spaces)
        await _append_entry(nc, key)
    hashed = ids.secret_hash(AGENT)
    await _append_entry(nc, AgentKeyCreated(**_new(), key_id=AGENT, user="ada", key_hash=hashed, name="a", spaces=["demo"]))


def _new() -> dict[str, Any]:
    return {"id": os.urandom(8).hex(), "prev_seq": 0, "actor": "system"}


async def _append_entry(nc: Client, event: DirectoryEvent) -> None:
    kind, id = entry_of(event)
    subject = subjects.directory_event(kind, id, str(event.__struct_config__.tag))
    data = codec.directory.encode(event)
    await append(nc, Record(subjects.DIRECTORY, subject, subjects.directory_chain(kind, id), 0, event.id, data))


class Gateway:
    """A running gateway and an HTTP client of it. Without `key` in a call, ada's key is sent."""

    def __init__(self, process: Process, url: str, http: aiohttp.ClientSession) -> None:
        self.process, self.url, self.http = process, url, http

    async def call(self, method: str, path: str, body: Body = None, *, key: str = ADA, **headers: str) -> "HttpAnswer":
        """One HTTP request; header names with underscores. An empty key: no Authorization."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if key:
            sent["Authorization"] = f"Bearer {key}"
        async with self.http.request(method, self.url + path, data=body, headers=sent) as answer:
            return HttpAnswer(answer.status, answer.headers, await answer.read())

    async def submit(
        self, body: Body = b'{"input":{"n":1}}', *, space: str = "demo", key: str = ADA, **headers: str
    ) -> "HttpAnswer":
        """Submit to a space."""
        return await self.call("POST", f"/v1/spaces/{space}/requests", body, key=key, **headers)

    async def read(self, rid: str, *, key: str = ADA) -> "HttpAnswer":
        """Read a request."""
        return await self.call("GET", f"/v1/requests/{rid}", key=key)


class HttpAnswer(msgspec.Struct, frozen=True):
    """Status, headers and body of an answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return msgspec.json.decode(self.body)


@contextlib.asynccontextmanager
async def running_gateway(bus: Bus) -> AsyncIterator[Gateway]:
    """A gateway as `main` wires it, ready."""
    nc = await bus.connect("gateway")
    process = Process("gateway", Settings(), nc, new_process_id("gateway"))
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    try:
        await start_on(process, listener)
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(60)) as http:
            gateway = Gateway(process, f"http://127.0.0.1:{port}", http)
            await until(lambda: not process.not_ready(), "the gateway is ready")
            yield gateway
        assert process.failure is None
    finally:
        process.stopping.set()
        await process.close()


class Elsewhere:
    """The rest of the product: the dispatcher, another gateway with the agent, history."""

    def __init__(self, bus: Bus, dispatcher: Client, gateway: Client, history: Client) -> None:
        self._bus, self._dispatcher, self._gateway, self.history = bus, dispatcher, gateway, history

    @classmethod
    async def connect(cls, bus: Bus) -> "Elsewhere":
        """With a connection of each service."""
        return cls(bus, await bus.connect("dispatcher"), await bus.connect("gateway"), await bus.connect("history"))

    async def last(self, rid: str) -> tuple[RequestEvent, Stored]:
        """The last event of a request."""
        stored = await jetstream.get(self._gateway, subjects.REQUESTS, last=subjects.chain(rid))
        assert stored is not None
        return codec.requests.decode(stored.data), stored

    async def at(self, seq: int) -> Stored:
        """The event at a sequence."""
        stored = await jetstream.get(self._gateway, subjects.REQUESTS, seq=seq)
        assert stored is not None
        return stored

    async def chain(self, rid: str) -> list[Stored]:
        """All events of a request that the stream holds."""
        found: list[Stored] = []
        seq = 1
        while (
            stored := await jetstream.get(self._gateway, subjects.REQUESTS, seq=seq, following=subjects.chain(rid))
        ) is not None:
            found.append(stored)
            seq = stored.seq + 1
        return found

    async def accept(self, rid: str, user: str = "ada", body_sha256: str = "") -> None:
        """Accept a request as another gateway would."""
        event = Accepted(
            **_common(rid, 0, 0, AGENT_GATEWAY),
            user=user,
            key_id="k",
            input=msgspec.Raw(b"{}"),
            body_sha256=body_sha256,
            start_timeout_s=60,
            execution_timeout_s=60,
        )
        await self._append(self._gateway, event)

    async def assign(self, rid: str) -> None:
        """Assign a queued request. Raises Superseded or AssertionError when it is not queued any more."""
        before, stored = await self.last(rid)
        assert isinstance(before, Accepted | Requeued), "a dispatcher assigns what is queued"
        await self._assign_after(rid, before, stored)

    async def forge_assignment(self, rid: str) -> None:
        """Assign a request whatever its chain ends with."""
        await self._assign_after(rid, *await self.last(rid))

    async def _assign_after(self, rid: str, before: RequestEvent, stored: Stored) -> None:
        event = Assigned(
            **_common(rid, stored.seq, before.attempt + 1, before.origin),
            agent="ada/gpu",
            conn="c1",
            gateway=AGENT_GATEWAY,
            user="ada",
            input=msgspec.Raw(b"{}"),
            execution_timeout_s=60,
        )
        await self._append(self._dispatcher, event)

    async def succeed(self, rid: str, output: bytes = b'{"answer":42}') -> None:
        """Record the output of an assigned request."""
        before, stored = await self.last(rid)
        event = Succeeded(
            **_common(rid, stored.seq, before.attempt, before.origin),
            agent="ada/gpu",
            gateway=AGENT_GATEWAY,
            output=msgspec.Raw(output),
            output_sha256="s",
            started_s=0.01,
            run_s=0.5,
        )
        await self._append(self._gateway, event)

    async def fail(self, rid: str) -> None:
        """Record that the handler of an assigned request raised."""
        before, stored = await self.last(rid)
        event = Failed(
            **_common(rid, stored.seq, before.attempt, before.origin),
            error=Problem(code="handler_error", message="boom"),
            agent="ada/gpu",
            gateway=AGENT_GATEWAY,
        )
        await self._append(self._gateway, event)

    async def run_everything(self) -> None:
        """Run whatever is accepted, for ever."""
        tail = Tail(self._dispatcher, subjects.REQUESTS, ["ws.req.*.*.accepted.*.*.*"])
        async for batch in tail.batches():
            for stored in batch.messages:
                rid = subjects.parse_request_event(stored.subject).rid
                await self.assign(rid)
                await self.succeed(rid)

    async def trim(self, rid: str, keep: int) -> list[Stored]:
        """Purge a chain from the stream but for its last `keep` events; return the whole chain as it was."""
        chain = await self.chain(rid)
        body = {"filter": subjects.chain(rid), "seq": chain[-keep].seq if keep else chain[-1].seq + 1}
        await jetstream.api(self.history, f"STREAM.PURGE.{subjects.REQUESTS}", body)
        assert len(await self.chain(rid)) == keep
        return chain

    async def answer_as_history(self, chains: Mapping[str, list[Stored]]) -> list[str]:
        """Answer queries for chains; returns the list to which each queried id is added."""
        asked: list[str] = []

        async def chain(query: GetChain) -> Chain:
            asked.append(query.rid)
            return Chain(
                events=[
                    LoggedEvent(seq=each.seq, at=each.time_ns, subject=each.subject, data=msgspec.Raw(each.data))
                    for each in chains.get(query.rid, [])
                ]
            )

        operation = rpc.Operation(subjects.history_rpc("chain"), GetChain, chain)
        await rpc.serve(self.history, "history", "a history made of memory", {"chain": operation})
        return asked

    async def answer_as_dispatcher(self, part: int, place: QueuePlace) -> None:
        """Answer where in the queue a partition's requests are."""

        async def answer(_: GetQueue) -> QueuePlace:
            return place

        operation = rpc.Operation(subjects.dispatcher_rpc(part, "place"), GetQueue, answer)
        await rpc.serve(self._dispatcher, "dispatcher", "a dispatcher of one answer", {"place": operation})

    async def _append(self, nc: Client, event: RequestEvent) -> None:
        gateway = agent_gateway(event) or subjects.NO_GATEWAY
        subject = subjects.request_event(event.rid, type_of(event), event.space, gateway, event.origin)
        data = codec.requests.encode(event)
        await append(nc, Record(subjects.REQUESTS, subject, subjects.chain(event.rid), event.prev_seq, event.id, data))


def _common(rid: str, prev_seq: int, attempt: int, origin: str) -> dict[str, Any]:
    return {
        "id": os.urandom(8).hex(),
        "rid": rid,
        "space": "demo",
        "prev_seq": prev_seq,
        "attempt": attempt,
        "actor": "test",
        "origin": origin,
    }
