"""The rest of the product, played by a test of the HTTP API: the dispatcher, another gateway with the agent, history, the
registry."""

import collections
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import ConsumerInfo

from services.contracts import codec, output, subjects
from services.contracts.agent_details import AgentDetails, AgentsDetails
from services.contracts.connections import Refused as RefusedFrame
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
from services.contracts.file_use import FileUse, GetFileUse
from services.contracts.ids import part_of_space
from services.contracts.output import OutputKind
from services.contracts.reports import Control, DescribeAgents, DisconnectAgent, DrainAgent
from services.contracts.rpc import (
    Agents,
    Chain,
    ConnectedAgent,
    GetAgents,
    GetChain,
    GetQueue,
    GetSpaceQueue,
    LoggedEvent,
    QueuePlace,
    SpaceQueue,
)
from services.runtime import jetstream, rpc
from services.runtime.append import Record, append
from services.runtime.jetstream import Stored
from services.runtime.tail import Tail
from tests.support.bus import Bus
from tests.support.hearing import heard

AGENT_GATEWAY = "gateway-elsewhere"


class Elsewhere:
    """The rest of the product: the dispatcher, another gateway with the agent, history."""

    def __init__(self, bus: Bus, dispatcher: Client, gateway: Client, history: Client) -> None:
        self._bus, self._dispatcher, self._gateway, self.history = bus, dispatcher, gateway, history
        self._operator: Client | None = None
        self._records: collections.Counter[int] = collections.Counter()

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
        await self._append(self._gateway, _succeeded(*await self.last(rid), output))

    async def succeed_unseen(self, stored: Stored) -> None:
        """The same after an assignment that the stream no longer holds."""
        event = _succeeded(codec.requests.decode(stored.data), stored, b"1")
        subject = subjects.request_event(event.rid, "succeeded", event.space, event.gateway, event.origin)
        ack = await jetstream.publish(self._gateway, subject, codec.requests.encode(event), {}, 5.0)
        assert ack.error is None

    async def requeue(self, rid: str) -> None:
        """Take an assigned request back from its agent."""
        before, stored = await self.last(rid)
        common = _common(rid, stored.seq, before.attempt, before.origin)
        event = Requeued(**common, reason="agent_lost", gateway=AGENT_GATEWAY, started=True, detail="the agent was lost")
        await self._append(self._dispatcher, event)

    async def say(self, rid: str, data: Any = "text", kind: OutputKind = "chunk", *, assigned: Stored | None = None) -> int:
        """Store the next output record of a request, by its last assignment or by that given; the sequence of the record."""
        if assigned is None:
            _, assigned = await self.last(rid)
        event = codec.requests.decode(assigned.data)
        assert isinstance(event, Assigned)
        self._records[assigned.seq] += 1
        raw = msgspec.Raw(msgspec.json.encode(data))
        record = output.OutputRecord(
            rid=rid,
            attempt=event.attempt,
            lease=assigned.seq,
            index=self._records[assigned.seq],
            kind=kind,
            data=raw,
            progress=msgspec.json.decode(raw, type=output.Progress) if kind == "progress" else None,
        )
        ack = await jetstream.publish(self._gateway, subjects.output(rid), output.encode(record), {}, 5.0)
        assert ack.error is None
        return ack.seq

    async def consumers(self, stream: str) -> int:
        """How many read the stream right now."""
        return len(await self._consumers(stream))

    async def pending(self, stream: str) -> int:
        """The most messages that one who reads the stream has not been sent yet."""
        return max(info.num_pending or 0 for info in await self._consumers(stream))

    async def _consumers(self, stream: str) -> list[ConsumerInfo]:
        if self._operator is None:
            self._operator = await self._bus.connect("operator")
        return await self._operator.jsm().consumers_info(stream)

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

    async def answer_as_history(
        self, chains: Mapping[str, list[Stored]], refused: Mapping[str, list[RefusedFrame]] | None = None
    ) -> list[str]:
        """Answer queries for chains; returns the list to which each queried id is added."""
        asked: list[str] = []

        async def chain(query: GetChain) -> Chain:
            asked.append(query.rid)
            return Chain(
                events=[
                    LoggedEvent(seq=each.seq, at=each.time_ns, subject=each.subject, data=msgspec.Raw(each.data))
                    for each in chains.get(query.rid, [])
                ],
                refused=[
                    LoggedEvent(seq=n, at=n * 10**9, subject="", data=msgspec.Raw(codec.connections.encode(each)))
                    for n, each in enumerate((refused or {}).get(query.rid, []), 1)
                ],
            )

        operation = rpc.Operation(subjects.history_rpc("chain"), GetChain, chain)
        await rpc.serve(self.history, "history", "a history made of memory", {"chain": operation})
        await heard(self._bus.servers, operation.subject)
        return asked

    async def answer_about_files(self, used: Callable[[str], bool | None]) -> None:
        """Answer whether open requests refer to a file, or be silent about it."""

        async def answer(query: GetFileUse) -> FileUse | None:
            found = used(query.file)
            return None if found is None else FileUse(open=found)

        operation = rpc.Operation(subjects.history_rpc("file_use"), GetFileUse, answer)
        await rpc.serve(self.history, "history", "a history of files alone", {"file_use": operation})
        await heard(self._bus.servers, operation.subject)

    async def answer_as_dispatcher(self, part: int, *places: QueuePlace) -> None:
        """Answer where in the queue a partition's requests are: each place once, the last one for ever."""
        left = list(places)

        async def answer(_: GetQueue) -> QueuePlace:
            return left.pop(0) if len(left) > 1 else left[0]

        operation = rpc.Operation(subjects.dispatcher_rpc(part, "place"), GetQueue, answer)
        await rpc.serve(self._dispatcher, "dispatcher", "a dispatcher of one answer", {"place": operation})
        await heard(self._bus.servers, operation.subject)

    async def answer_about_queue(self, space: str, queue: Callable[[], SpaceQueue | None]) -> None:
        """Answer what waits of a space, or be silent."""

        async def answer(_: GetSpaceQueue) -> SpaceQueue | None:
            return queue()

        operation = rpc.Operation(subjects.dispatcher_rpc(part_of_space(space), "queue"), GetSpaceQueue, answer)
        await rpc.serve(self._dispatcher, "dispatcher", "a queue made of memory", {"queue": operation})
        await heard(self._bus.servers, operation.subject)

    async def answer_as_registry(self, agents: list[ConnectedAgent]) -> None:
        """Answer which agents are connected."""

        async def answer(_: GetAgents) -> Agents:
            return Agents(agents=agents)

        operation = rpc.Operation(subjects.registry_rpc("agents"), GetAgents, answer)
        await rpc.serve(await self._bus.connect("registry"), "registry", "a list", {"agents": operation})
        await heard(self._bus.servers, operation.subject)

    async def answer_as_gateway(
        self, gateway: str, answers: Mapping[str, str], details: Iterable[AgentDetails] = ()
    ) -> list[str]:
        """Answer drains and disconnects on a gateway's control subject, by connection; returns the list to which each one is
        added. Of `details` it tells those that are asked for."""
        asked: list[str] = []

        async def on_message(message: Msg) -> None:
            question = msgspec.json.decode(message.data, type=Control)
            if isinstance(question, DescribeAgents):
                told = AgentsDetails(agents=[each for each in details if each.conn in question.conns])
                await message.respond(msgspec.json.encode(told))
                return
            assert isinstance(question, DrainAgent | DisconnectAgent)
            asked.append(question.conn)
            await message.respond(msgspec.json.encode({"answer": answers[question.conn]}))

        await self._gateway.subscribe(subjects.control(gateway), cb=on_message)
        await self._gateway.flush()
        await heard(self._bus.servers, subjects.control(gateway), msgspec.json.encode(DescribeAgents(conns=[])))
        return asked

    async def _append(self, nc: Client, event: RequestEvent) -> None:
        gateway = agent_gateway(event) or subjects.NO_GATEWAY
        subject = subjects.request_event(event.rid, type_of(event), event.space, gateway, event.origin)
        data = codec.requests.encode(event)
        await append(nc, Record(subjects.REQUESTS, subject, subjects.chain(event.rid), event.prev_seq, event.id, data))


def _succeeded(before: RequestEvent, stored: Stored, result: bytes) -> Succeeded:
    return Succeeded(
        **_common(before.rid, stored.seq, before.attempt, before.origin),
        agent="ada/gpu",
        gateway=AGENT_GATEWAY,
        output=msgspec.Raw(result),
        output_sha256="s",
        started_s=0.01,
        run_s=0.5,
        first_output_s=0.25,
    )


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
