"""The dispatcher on a real NATS, with its own permissions; gateways are played by the test."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from services.contracts import codec, ids, subjects
from services.contracts.directory import SpaceCreated, SpaceDeleted, SpaceEdited, SpacePaused, SpaceResumed
from services.contracts.events import Accepted, Assigned, Expired, Limits, RequestEvent, Requeued, Succeeded
from services.contracts.reports import AgentReport, Control, ControlAnswer, Deliver, Held, Report, ReportAll
from services.contracts.rpc import GetQueue, GetSpaceOverview, GetSpaceQueue, QueuePlace, SpaceOverview, SpaceQueue
from services.dispatcher import main
from services.dispatcher.partitions import Partitions
from services.runtime import rpc
from services.runtime.append import append, request_record
from services.runtime.errors import NatsUnavailable
from services.runtime.kv import Bucket, Conflict, Entry
from services.runtime.live import Liveness
from services.runtime.process import Process, new_process_id
from services.runtime.settings import Settings
from services.runtime.tail import Tail
from tests.support.bus import Bus, until
from tests.support.entries import append_entry, last_seq, made
from tests.support.topologies import Topology


class Gateway:
    """Reports agents, remembers what is assigned to them, answers on its control subject as it is told."""

    def __init__(self, nc: Client, id: str) -> None:
        self.nc, self.id = nc, id
        self.agents: dict[str, AgentReport] = {}
        self.answer: Any = "held"
        self.asked: list[Deliver] = []
        self.number = -1
        self.liveness = Liveness(nc, "gateway", id)

    async def start(self, bus: Bus) -> None:
        await self.nc.subscribe(subjects.control(self.id), cb=self._on_control)
        await self.report()
        await self.liveness.announce()
        bus.spawn(self.liveness.keep_announcing())
        bus.spawn(self._keep_reporting())

    async def report(self) -> None:
        self.number += 1
        report = Report(gateway=self.id, number=self.number, full=True, agents=list(self.agents.values()))
        await self.nc.publish(subjects.report(self.id), msgspec.json.encode(report))

    async def set(self, conn: str, *held: Held, **changes: Any) -> None:
        default: dict[str, Any] = {"agent": f"owner/{conn}", "boot_id": f"boot-{conn}", "spaces": ["demo"], "slots": 4}
        self.agents[conn] = AgentReport(**(default | {"conn": conn, "held": list(held)} | changes))
        await self.report()

    async def _keep_reporting(self) -> None:
        while True:
            await asyncio.sleep(0.5)
            await self.report()

    async def _on_control(self, message: Msg) -> None:
        question = msgspec.json.decode(message.data, type=Control)
        if isinstance(question, ReportAll):
            await self.report()
            return
        if isinstance(question, Deliver):
            self.asked.append(question)
        answer: Any = self.answer if isinstance(question, Deliver) else "pong"
        await message.respond(msgspec.json.encode(ControlAnswer(answer=answer)))


class World:
    """A NATS, a client that submits, and everything that was appended."""

    def __init__(self, bus: Bus, nc: Client) -> None:
        self.bus, self.nc = bus, nc
        self.events: list[tuple[int, RequestEvent]] = []
        self.processes: list[Process] = []

    async def follow(self) -> None:
        async for batch in Tail(self.nc, subjects.REQUESTS, [subjects.ALL_REQUESTS]).batches():
            self.events += [(m.seq, codec.requests.decode(m.data)) for m in batch.messages]

    def chain(self, rid: str) -> list[tuple[int, RequestEvent]]:
        return [(seq, event) for seq, event in self.events if event.rid == rid]

    def last(self, rid: str) -> RequestEvent | None:
        chain = self.chain(rid)
        return chain[-1][1] if chain else None

    async def submit(self, space: str = "demo", **changes: Any) -> str:
        rid = ids.request_id(space, time.time_ns() // 1_000_000, os.urandom(10))
        common: dict[str, Any] = {"rid": rid, "space": space, "prev_seq": 0, "attempt": 0, "actor": "user:u"}
        defaults: dict[str, Any] = {"user": "u", "key_id": "k", "start_timeout_s": 60.0, "execution_timeout_s": 30.0}
        event = Accepted(
            id=os.urandom(8).hex(),
            origin="gateway-origin",
            input=msgspec.Raw(b"{}"),
            body_sha256="0" * 64,
            **(common | defaults | changes),
        )
        await append(self.nc, request_record(event))
        return rid

    async def succeed(self, rid: str) -> None:
        seq, assigned = self.chain(rid)[-1]
        assert isinstance(assigned, Assigned)
        event = Succeeded(
            id=os.urandom(8).hex(),
            rid=rid,
            space=assigned.space,
            prev_seq=seq,
            attempt=assigned.attempt,
            actor=f"agent:{assigned.agent}",
            origin=assigned.origin,
            agent=assigned.agent,
            gateway=assigned.gateway,
            output=msgspec.Raw(b"1"),
            output_sha256="0" * 64,
            run_s=2.0,
        )
        await append(self.nc, request_record(event))

    async def dispatcher(self) -> Process:
        id = new_process_id("dispatcher")
        process = Process("dispatcher", Settings(), await self.bus.connect("dispatcher"), id)
        await main.start(process)
        self.processes.append(process)
        return process

    async def gateway(self, id: str = "gateway-1") -> Gateway:
        gateway = Gateway(await self.bus.connect("gateway"), id)
        await gateway.start(self.bus)
        return gateway


@pytest.fixture
async def world(topology: Topology) -> AsyncIterator[World]:
    async with topology.bus() as bus:
        world = World(bus, await bus.connect("gateway"))
        bus.spawn(world.follow())
        yield world
        for process in world.processes:
            process.stopping.set()
            with contextlib.suppress(Exception):
                await process.close()


async def ready(*processes: Process) -> None:
    await until(lambda: all(not process.not_ready() for process in processes), "the dispatchers are ready")


async def assigned(world: World, rid: str) -> Assigned:
    await until(lambda: isinstance(world.last(rid), Assigned), f"{rid} is assigned")
    event = world.last(rid)
    assert isinstance(event, Assigned)
    return event


async def test_a_request_is_assigned_to_an_agent_with_a_free_slot(world: World) -> None:
    gateway = await world.gateway()
    await gateway.set("conn-1")
    await ready(await world.dispatcher())
    event = await assigned(world, await world.submit())
    assert (event.gateway, event.conn, event.attempt) == ("gateway-1", "conn-1", 1)


async def test_requests_of_before_the_dispatcher_started_are_assigned_and_no_agent_gets_more_than_its_slots(
    world: World,
) -> None:
    gateway = await world.gateway()
    await gateway.set("conn-1", slots=2)
    rids = [await world.submit() for _ in range(5)]
    await ready(await world.dispatcher())

    def busy() -> list[str]:
        return [rid for rid in rids if isinstance(world.last(rid), Assigned)]

    await until(lambda: len(busy()) == 2, "two of five are assigned")
    done: list[str] = []
    while len(done) < 5:
        await until(lambda: len(busy()) > 0, "the next is assigned")
        assert len(busy()) <= 2
        rid = busy()[0]
        await world.succeed(rid)
        done.append(rid)
        await until(lambda rid=rid: isinstance(world.last(rid), Succeeded), "the outcome is seen")  # type: ignore[misc]
    assert done == rids, "first come, first served"


async def test_a_request_that_nobody_can_run_expires_and_says_why_it_waits(world: World) -> None:
    await world.gateway()
    await ready(await world.dispatcher())
    rid = await world.submit()
    subject = subjects.dispatcher_rpc(ids.part_of_request(rid), "place")
    places: list[QueuePlace] = []

    async def placed() -> bool:
        with contextlib.suppress(NatsUnavailable):
            places.append(await rpc.call(world.nc, subject, GetQueue(rid=rid), QueuePlace, 0.5))
        return bool(places) and places[-1].position == 1

    await until(placed, "it has a place in the queue")
    assert places[-1].reason == "no_agent_online"
    late = await world.submit(start_timeout_s=0.5)
    await until(lambda: isinstance(world.last(late), Expired), "it expires")


async def test_a_restarted_agent_loses_its_work_at_once_and_another_gets_it(world: World) -> None:
    gateway = await world.gateway()
    await gateway.set("conn-1", slots=1)
    await ready(await world.dispatcher())
    rid = await world.submit()
    await assigned(world, rid)
    await until(lambda: bool(gateway.asked), "the delivery is confirmed")
    del gateway.agents["conn-1"]
    await gateway.set("conn-2", agent="owner/conn-1", boot_id="another", slots=1)
    await until(lambda: len(world.chain(rid)) == 4, "it is requeued and assigned again")
    requeued, again = world.chain(rid)[2][1], world.chain(rid)[3][1]
    assert isinstance(requeued, Requeued)
    assert requeued.reason == "agent_lost"
    assert isinstance(again, Assigned)
    assert (again.conn, again.attempt) == ("conn-2", 2)


async def test_an_assignment_that_never_reached_its_agent_is_requeued(world: World) -> None:
    gateway = await world.gateway()
    await gateway.set("conn-1")
    await ready(await world.dispatcher())
    gateway.answer = "no_connection"
    rid = await world.submit()
    await until(lambda: len(world.chain(rid)) >= 3, "it is requeued")
    requeued = world.chain(rid)[2][1]
    assert isinstance(requeued, Requeued)
    assert requeued.reason == "no_connection"
    assert gateway.asked[0].lease == world.chain(rid)[1][0]


async def test_two_dispatchers_share_the_partitions_and_one_takes_over_from_a_dead_one(world: World) -> None:
    gateway = await world.gateway()
    await gateway.set("conn-1", slots=1000)
    first = await world.dispatcher()
    second = await world.dispatcher()
    await ready(first, second)
    await first.nc.close()  # as a killed process: no release, no more answers
    started = time.monotonic()
    spaces = list({ids.part_of_space(f"space-{n}"): f"space-{n}" for n in range(500)}.values())
    assert len(spaces) == ids.PARTS
    rids = [await world.submit(space) for space in spaces]
    await gateway.set("conn-1", slots=1000, spaces=spaces)
    for rid in rids:
        await assigned(world, rid)
    assert time.monotonic() - started < 10, (
        "takeover within 5 s (docs/architecture.md), and as much again for a slow machine"
    )
    world.processes.remove(first)


async def test_a_dispatcher_that_stops_hands_over_at_once(world: World) -> None:
    gateway = await world.gateway()
    await gateway.set("conn-1")
    first = await world.dispatcher()
    await ready(first)
    second = await world.dispatcher()
    await ready(second)
    first.stopping.set()
    await first.close()
    world.processes.remove(first)
    await assigned(world, await world.submit())


async def test_while_recovery_is_needed_nothing_is_decided(world: World) -> None:
    gateway = await world.gateway()
    await gateway.set("conn-1")
    process = await world.dispatcher()
    await ready(process)
    history = await world.bus.connect("history")
    await Bucket(history, subjects.LIVE).put(subjects.HALTED_KEY, b"{}")
    await until(lambda: process.not_ready() == ["no recovery needed"], "the dispatcher has seen it")
    rid = await world.submit()
    second = await world.submit()
    await until(lambda: len(world.chain(second)) == 1, "both are in the stream")
    assert [type(event) for _, event in world.chain(rid)] == [Accepted]


async def test_nats_may_restart_while_requests_wait(world: World) -> None:
    gateway = await world.gateway()
    await gateway.set("conn-1", slots=1)
    await ready(await world.dispatcher())
    first = await world.submit()
    await assigned(world, first)
    second = await world.submit()
    await world.bus.restart()
    await until(lambda: world.nc.is_connected, "the client is back")
    await world.succeed(first)
    await assigned(world, second)


async def test_what_is_handed_over_is_not_claimed_again_by_a_round_that_was_under_way(world: World) -> None:
    nc = await world.bus.connect("dispatcher")
    liveness = Liveness(nc, "dispatcher", "d1")
    world.bus.spawn(liveness.watch())
    lost: list[int] = []

    async def on_loss(part: int) -> None:
        lost.append(part)

    partitions = Partitions(nc, "d1", liveness, lambda part: None, on_loss)
    world.bus.spawn(partitions.watch())
    world.bus.spawn(partitions.keep())
    await until(lambda: len(partitions.owned) == ids.PARTS, "everything is ours")
    asked = asyncio.Event()

    async def slow_ping(_: Msg) -> None:
        asked.set()  # never answered: the round waits for a second

    await nc.subscribe(subjects.control("d2"), cb=slow_ping)
    await Liveness(nc, "dispatcher", "d2").announce()
    await asyncio.wait_for(asked.wait(), 30)
    await partitions.release_all()
    assert len(lost) == ids.PARTS
    await until(lambda: "d2" in partitions._strikes, "the round has heard that nothing was answered")
    bucket = Bucket(nc, subjects.LEASES)
    for part in range(ids.PARTS):
        assert (await bucket.get(subjects.lease_key(part))).value is None
    assert partitions.owned == set()


async def test_a_lease_that_cannot_be_read_after_a_conflict_stops_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, read, failures = Bucket.set, Bucket.get, ["write", "read"]

    async def conflicting(self: Bucket, key: str, value: bytes, revision: int, ttl_s: float | None = None) -> int:
        if "write" in failures:
            failures.remove("write")
            raise Conflict(key)
        return await write(self, key, value, revision, ttl_s)

    async def unreadable(self: Bucket, key: str, known: int = 0) -> Entry:
        if "read" in failures:
            failures.remove("read")
            raise NatsUnavailable("not now")
        return await read(self, key, known)

    monkeypatch.setattr(Bucket, "set", conflicting)
    monkeypatch.setattr(Bucket, "get", unreadable)
    process = await world.dispatcher()
    await until(lambda: not failures, "a lease was neither written nor read")
    await ready(process)
    assert process.failure is None


async def of_space(world: World, event: type[Any], **fields: Any) -> None:
    """Append to the space `demo` of the directory."""
    nc = await world.bus.connect("registry")
    await append_entry(nc, event(**made(await last_seq(nc, "space", "demo")), space="demo", **fields))


async def reason_becomes(world: World, rid: str, reason: str) -> None:
    subject = subjects.dispatcher_rpc(ids.part_of_request(rid), "place")

    async def says_so() -> bool:
        with contextlib.suppress(NatsUnavailable):
            return (await rpc.call(world.nc, subject, GetQueue(rid=rid), QueuePlace, 0.5)).reason == reason
        return False

    await until(says_so, f"it waits for {reason}")


@pytest.mark.parametrize("event", [SpaceResumed, SpaceDeleted])
async def test_nothing_of_a_paused_space_is_assigned_until_it_is_resumed_or_deleted(world: World, event: type[Any]) -> None:
    await of_space(world, SpaceCreated, owner="u")
    await of_space(world, SpacePaused)
    gateway = await world.gateway()
    await gateway.set("conn-1", spaces=["demo", "other"])
    paused = await world.submit()
    await ready(await world.dispatcher())
    await reason_becomes(world, paused, "space_paused")
    await assigned(world, await world.submit("other"))
    assert len(world.chain(paused)) == 1, "a dispatcher that has just started knows what is paused"
    await of_space(world, event)
    await assigned(world, paused)


async def test_a_space_that_is_paused_while_it_is_served_lets_run_what_runs(world: World) -> None:
    await of_space(world, SpaceCreated, owner="u")
    gateway = await world.gateway()
    await gateway.set("conn-1")
    await ready(await world.dispatcher())
    running = await world.submit()
    await assigned(world, running)
    await of_space(world, SpacePaused)
    await until(lambda: bool(gateway.asked), "the delivery is confirmed")
    waiting = await world.submit()
    await reason_becomes(world, waiting, "space_paused")
    await world.succeed(running)
    await until(lambda: isinstance(world.last(running), Succeeded), "what ran has ended")
    await reason_becomes(world, waiting, "space_paused")
    assert len(world.chain(waiting)) == 1


def running(world: World, rids: list[str]) -> list[str]:
    return [rid for rid in rids if isinstance(world.last(rid), Assigned)]


async def test_who_has_as_many_running_as_may_is_passed_over_also_by_the_dispatcher_that_takes_over(world: World) -> None:
    await of_space(world, SpaceCreated, owner="u", max_in_flight_per_user=2)
    gateway = await world.gateway()
    await gateway.set("conn-1", slots=10)
    first = await world.dispatcher()
    await ready(first)
    greedy = [await world.submit(user="greedy") for _ in range(4)]
    modest = await world.submit(user="modest")
    for rid in (modest, *greedy[:2]):
        await assigned(world, rid)
    assert running(world, greedy) == greedy[:2]
    await until(lambda: len(gateway.asked) == 3, "the deliveries are confirmed")
    first.stopping.set()
    await first.close()
    world.processes.remove(first)
    await ready(await world.dispatcher())
    await reason_becomes(world, greedy[2], "quota")
    await assigned(world, await world.submit(user="other"))
    assert running(world, greedy) == greedy[:2]
    await world.succeed(greedy[0])
    await assigned(world, greedy[2])
    assert running(world, greedy) == greedy[1:3]


async def test_a_limit_of_a_key_holds_beside_that_of_the_space_which_may_be_raised_at_any_time(world: World) -> None:
    await of_space(world, SpaceCreated, owner="u", max_in_flight=2)
    gateway = await world.gateway()
    await gateway.set("conn-1", slots=10)
    await ready(await world.dispatcher())
    limited = [await world.submit(key_id="limited", limits=Limits(max_in_flight=1)) for _ in range(2)]
    free = [await world.submit(key_id="free") for _ in range(2)]
    for rid in (limited[0], free[0]):
        await assigned(world, rid)
    await reason_becomes(world, free[1], "quota")
    assert running(world, limited + free) == [limited[0], free[0]]
    await of_space(world, SpaceEdited, max_in_flight=None)
    await assigned(world, free[1])
    await reason_becomes(world, limited[1], "quota")
    await world.succeed(limited[0])
    await assigned(world, limited[1])


async def test_a_dispatcher_tells_how_many_wait_and_whether_an_agent_is_there(world: World) -> None:
    gateway = await world.gateway()
    await ready(await world.dispatcher())
    for _ in range(3):
        await world.submit()
    subject = subjects.dispatcher_rpc(ids.part_of_space("demo"), "queue")

    async def says(expected: SpaceQueue) -> bool:
        with contextlib.suppress(NatsUnavailable):
            return await rpc.call(world.nc, subject, GetSpaceQueue(space="demo"), SpaceQueue, 0.5) == expected
        return False

    await until(lambda: says(SpaceQueue(waiting=3, online=False)), "three wait for an agent")
    await gateway.set("conn-1", slots=1)
    await until(lambda: says(SpaceQueue(waiting=2, online=True)), "two wait for a slot")


async def test_a_dispatcher_tells_who_is_next_and_when(world: World) -> None:
    gateway = await world.gateway()
    await gateway.set("conn-1", slots=1)
    await ready(await world.dispatcher())
    first = await world.submit()
    await assigned(world, first)
    await until(lambda: bool(gateway.asked), "the delivery is confirmed")
    await world.succeed(first)
    running, second, third = [await world.submit() for _ in range(3)]
    await assigned(world, running)
    subject = subjects.dispatcher_rpc(ids.part_of_space("demo"), "overview")
    seen: list[SpaceOverview] = []

    async def two_wait() -> bool:
        with contextlib.suppress(NatsUnavailable):
            seen.append(await rpc.call(world.nc, subject, GetSpaceOverview(space="demo"), SpaceOverview, 0.5))
        return bool(seen) and (seen[-1].processing, [each.rid for each in seen[-1].next]) == (1, [second, third])

    await until(two_wait, "two wait in their order")
    assert (seen[-1].waiting, seen[-1].delayed, seen[-1].agents) == (2, 0, {"ready": 1})
    assert (seen[-1].slots, seen[-1].free, seen[-1].eta_s) == (1, 0, 6.0)
    assert seen[-1].oldest_s is not None
    assert seen[-1].oldest_s >= 0
