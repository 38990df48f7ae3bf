"""The agents' side of real gateways, in this process: real NATS with the real permissions, the real registry, real sockets.
The test plays the dispatcher and the agents."""

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from nats.aio.client import Client

from services.contracts import codec, ids, output, subjects
from services.contracts.connections import ConnectionEvent, Disconnected, Refused, agent_identity
from services.contracts.events import Accepted, Assigned, RequestEvent, Requeued, agent_gateway, type_of
from services.contracts.output import OutputRecord
from services.contracts.reports import AgentReport, Control, ControlAnswer, Report
from services.contracts.rpc import Chain, CreateKey, CreateSpace, CreateUser, GetChain, LoggedEvent, Recorded, RevokeKey
from services.registry.attaching import Attaching
from services.registry.gateways import Gateways
from services.registry.reporting import Reporting
from services.registry.service import DirectoryCommands, serve_registry
from services.runtime import rpc
from services.runtime.append import Record, append
from services.runtime.directory import DirectoryFollower
from services.runtime.jetstream import stream_info
from services.runtime.live import Liveness
from services.runtime.tail import Tail
from spaces_agent import frames
from tests.support.bus import Bus, provisioned, until
from tests.support.gateway_sockets import DEADLINE_S, EXCLUSIVE_SPACE, OTHER_SPACE, SPACE, Agent, Gateway, result
from tests.support.hearing import heard
from tests.support.servers import Servers


class Platform:
    """NATS, a registry with one user, three spaces and an agent key for two of them, and a dispatcher's connection."""

    def __init__(self, bus: Bus, dispatcher: Client, gateway: Client, operator: Client) -> None:
        self.bus, self.dispatcher, self._gateway, self._operator = bus, dispatcher, gateway, operator
        self.user, self.key_id, self.secret = "", uuid.uuid4().hex[:16], f"wsa_{uuid.uuid4().hex}"
        self.leases: dict[str, int] = {}
        self.chains: dict[str, list[RequestEvent]] = {}
        self.records: dict[str, list[OutputRecord]] = {}
        self.connections: list[ConnectionEvent] = []
        self.listed: dict[str, AgentReport] = {}
        self.said: list[tuple[str, bool, AgentReport]] = []

    async def command(self, operation: str, message: msgspec.Struct) -> Recorded:
        return await rpc.call(self._operator, subjects.registry_rpc(operation), message, Recorded)

    async def set_up(self) -> None:
        registry = await self.bus.connect("registry")
        follower, liveness = DirectoryFollower(registry), Liveness(registry, "registry", "r1")
        self.bus.spawn(follower.follow())
        self.bus.spawn(liveness.watch())
        await asyncio.gather(follower.caught_up.wait(), liveness.caught_up.wait())
        self._registry = registry
        gateways = Gateways(registry, liveness)
        attaching, reporting = Attaching(registry, follower, gateways), Reporting(registry, liveness, gateways)
        await serve_registry(registry, DirectoryCommands(registry, follower), attaching, reporting)
        await stream_info(registry, subjects.DIRECTORY)  # its answer follows the subscriptions
        await heard(self.bus.servers, subjects.registry_rpc("attach"))
        user = CreateUser(email="owner@example.com", password="correct horse battery")
        self.user = (await self.command("create_user", user)).id
        for space in (SPACE, OTHER_SPACE):
            await self.command("create_space", CreateSpace(space=space, owner=self.user))
        exclusive = CreateSpace(space=EXCLUSIVE_SPACE, owner=self.user, connections="one")
        await self.command("create_space", exclusive)
        await self._create_key()
        self.bus.spawn(self._follow_requests())
        self.bus.spawn(self._follow_output())
        self.bus.spawn(self._follow_connections())
        await self.dispatcher.subscribe(subjects.ALL_REPORTS, cb=self._fold)

    async def _create_key(self) -> None:
        key = CreateKey(
            kind="agent",
            key_id=self.key_id,
            user=self.user,
            key_hash=ids.secret_hash(self.secret),
            name="test",
            spaces=[SPACE, EXCLUSIVE_SPACE],
        )
        await self.command("create_key", key)

    def agent(self, name: str) -> str:
        """The identity of one of the user's agents."""
        return agent_identity(self.user, name)

    async def answer_history(self, events: list[RequestEvent]) -> None:
        """History knows this chain, whatever it is asked for."""
        logged = [
            LoggedEvent(seq=seq, at=0, subject="", data=msgspec.Raw(codec.requests.encode(event)))
            for seq, event in enumerate(events, 2)
        ]

        async def chain(_: GetChain) -> Chain:
            return Chain(events=logged)

        history = await self.bus.connect("history")
        operation = rpc.Operation(subjects.history_rpc("chain"), GetChain, chain)
        await rpc.serve(history, "history", "a chain for tests", {"chain": operation})
        await stream_info(history, subjects.REQUESTS)  # its answer follows the subscriptions
        await heard(self.bus.servers, subjects.history_rpc("chain"))

    async def stop_registry(self) -> None:
        """Nobody answers for it any more."""
        await self._registry.close()

    async def revoke(self) -> None:
        await self.command("revoke_key", RevokeKey(key_id=self.key_id))

    # A dispatcher, by hand

    async def accept(self, **changes: Any) -> Accepted:
        rid = ids.request_id(SPACE, time.time_ns() // 10**6, uuid.uuid4().bytes)
        accepted = Accepted(
            id=uuid.uuid4().hex,
            rid=rid,
            space=SPACE,
            prev_seq=0,
            attempt=0,
            actor=f"user:{self.user}",
            origin="gateway-origin",
            user=self.user,
            key_id="k",
            input=msgspec.Raw(b'{"x": 1}'),
            body_sha256="0" * 64,
            start_timeout_s=60.0,
            execution_timeout_s=60.0,
        )
        return msgspec.structs.replace(accepted, **changes)

    async def assign(self, gateway: str, conn: str, agent: str, **changes: Any) -> tuple[Assigned, int]:
        """A new request, assigned to a connection: the event and its lease."""
        accepted = await self.accept()
        seq = await self.append(self._gateway, accepted)
        assigned = Assigned(
            id=uuid.uuid4().hex,
            rid=accepted.rid,
            space=SPACE,
            prev_seq=seq,
            attempt=1,
            actor="dispatcher:d1",
            origin=accepted.origin,
            agent=agent,
            conn=conn,
            gateway=gateway,
            user=self.user,
            input=accepted.input,
            execution_timeout_s=60.0,
            traceparent="00-" + "a" * 32 + "-" + "b" * 16 + "-01",
        )
        assigned = msgspec.structs.replace(assigned, **changes)
        return assigned, await self.append(self.dispatcher, assigned)

    async def append(self, nc: Client, event: RequestEvent) -> int:
        gateway = agent_gateway(event) or subjects.NO_GATEWAY
        record = Record(
            stream=subjects.REQUESTS,
            subject=subjects.request_event(event.rid, type_of(event), event.space, gateway, event.origin),
            chain=subjects.chain(event.rid),
            prev_seq=event.prev_seq,
            id=event.id,
            data=codec.requests.encode(event),
        )
        return await append(nc, record, 10.0)

    async def requeue(self, assigned: Assigned, lease: int, gateway: str) -> None:
        """The dispatcher gives the lease up."""
        requeued = Requeued(
            id=uuid.uuid4().hex,
            rid=assigned.rid,
            space=assigned.space,
            prev_seq=lease,
            attempt=assigned.attempt,
            actor="dispatcher:d1",
            origin=assigned.origin,
            reason="agent_lost",
            gateway=gateway,
        )
        await self.append(self.dispatcher, requeued)

    async def requeue_last(self, rid: str, gateway: str) -> None:
        """The same for a request by its id, whose chain ends with an assignment."""
        assigned = (await self.chain(rid, "assigned"))[-1]
        assert isinstance(assigned, Assigned)
        await self.requeue(assigned, self.leases[assigned.id], gateway)

    async def serve_one(self, gateway: Gateway, agent: Agent, name: str) -> None:
        """The agent gets a request and its result is recorded."""
        assigned, _ = await self.assign(gateway.id, agent.conn, self.agent(name))
        await agent.send(result(await agent.expect(frames.Assign)))
        assert (await agent.expect(frames.ResultAck)).outcome == "accepted"
        await self.chain(assigned.rid, "succeeded")

    def refused(self, rid: str) -> list[tuple[str, int, str, str]]:
        """The recorded refusals of frames about a request: agent's name, lease, frame, reason."""
        return [
            (event.agent.partition("/")[2], event.lease, event.frame, event.reason)
            for event in self.connections
            if isinstance(event, Refused) and event.rid == rid
        ]

    def ends(self) -> dict[str, int]:
        """The connections whose end is recorded, with their close codes."""
        return {event.conn: event.code for event in self.connections if isinstance(event, Disconnected)}

    async def ask(self, gateway: str, question: Control) -> str:
        reply = await self.dispatcher.request(subjects.control(gateway), msgspec.json.encode(question), timeout=DEADLINE_S)
        return msgspec.json.decode(reply.data, type=ControlAnswer).answer

    async def chain(self, rid: str, last: str) -> list[RequestEvent]:
        """The request's events, once the last is of this type."""

        def there() -> bool:
            return bool(self.chains.get(rid)) and type_of(self.chains[rid][-1]) == last

        try:
            await until(there, f"{last} at the end of the chain", DEADLINE_S)
        except AssertionError:
            raise AssertionError(f"no {last}: {[type_of(e) for e in self.chains.get(rid, [])]}") from None
        return self.chains[rid]

    async def stored(self, rid: str, last_index: int) -> list[OutputRecord]:
        """The request's output records, once there is one of this index."""

        def there() -> bool:
            return bool(self.records.get(rid)) and self.records[rid][-1].index >= last_index

        await until(there, f"output {last_index} is stored", DEADLINE_S)
        return self.records[rid]

    def held(self, conn: str) -> list[int]:
        """The leases that reports list for a connection."""
        return sorted(held.lease for held in self.listed[conn].held) if conn in self.listed else []

    def states(self, conn: str) -> dict[int, str]:
        """The leases that reports list for a connection, with their states."""
        return {held.lease: held.state for held in self.listed[conn].held} if conn in self.listed else {}

    def state(self, conn: str) -> str:
        """What reports say of an agent; empty when they do not list it."""
        return self.listed[conn].state if conn in self.listed else ""

    # What is followed

    async def _follow_requests(self) -> None:
        async for batch in Tail(self.dispatcher, subjects.REQUESTS, [subjects.ALL_REQUESTS]).batches():
            for stored in batch.messages:
                event = codec.requests.decode(stored.data)
                self.leases[event.id] = stored.seq
                self.chains.setdefault(event.rid, []).append(event)

    async def _follow_output(self) -> None:
        async for batch in Tail(self._gateway, subjects.OUTPUT, [subjects.ALL_OUTPUT]).batches():
            for stored in batch.messages:
                record = output.decode(stored.data)
                self.records.setdefault(record.rid, []).append(record)

    async def _follow_connections(self) -> None:
        async for batch in Tail(self._operator, subjects.CONNECTIONS, [subjects.ALL_CONNECTIONS]).batches():
            self.connections.extend(codec.connections.decode(stored.data) for stored in batch.messages)

    async def _fold(self, message: Any) -> None:
        report = msgspec.json.decode(message.data, type=Report)
        for agent in report.agents:
            self.said.append((report.gateway, report.full, agent))
            if agent.gone:
                self.listed.pop(agent.conn, None)
            else:
                self.listed[agent.conn] = agent


@contextlib.asynccontextmanager
async def running_platform(servers: Servers) -> AsyncIterator[Platform]:
    """A `Platform` that is set up, on a server that others have used before."""
    bus = Bus(servers)
    try:
        await provisioned(await bus.connect("provisioner"), servers.settings)
        platform = Platform(bus, *[await bus.connect(service) for service in ("dispatcher", "gateway", "operator")])
        await platform.set_up()
        yield platform
    finally:
        await bus.close()
