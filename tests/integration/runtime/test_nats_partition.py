"""A NATS server that is cut off from the other two takes itself for the leader for a while: what it says decides nothing."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from nats.aio.client import Client

from services.contracts import subjects
from services.history.positions import Position
from services.history.recorder import Recorder
from services.local.nats_server import NatsServer
from services.runtime.append import Record, Undecided, append
from services.runtime.errors import NatsUnavailable
from services.runtime.jetstream import Behind, api, get
from services.runtime.kv import Bucket
from services.runtime.loops import cancel
from services.runtime.settings import Settings
from services.runtime.tail import Tail
from services.runtime.topology import KEYS_STREAM
from tests.support.bus import Bus, running_bus, until
from tests.support.chains import record, rid_of
from tests.support.cluster import SIZE
from tests.support.partition import Network, running_network

EPISODES = 3
CONSUMERS = 40
"""So many that some are on each of three servers: the cluster chooses by chance."""
KEY = subjects.idempotency_key("a" * 64)


@dataclass
class Apart:
    """A moment in which one server does not know yet that it leads nothing any more. `here` is a gateway's connection to it.
    The others have stored `accepted` at `seq`, and the key at `revision`."""

    here: Client
    accepted: Record
    seq: int
    revision: int


class Follower:
    """What a tail has handed out, and `then`, when it said for the first time that this is all."""

    def __init__(self, bus: Bus, nc: Client, chain: str) -> None:
        self._tail = Tail(nc, subjects.REQUESTS, [chain])
        self.sequences: list[int] = []
        self.then: list[int] | None = None
        self.task = bus.spawn(self._follow())

    async def _follow(self) -> None:
        async for batch in self._tail.batches():
            self.sequences += [message.seq for message in batch.messages]
            if batch.pending == 0 and self.then is None:
                self.then = list(self.sequences)


@pytest.fixture
async def network() -> AsyncIterator[Network]:
    async with running_network() as here:
        yield here


@pytest.fixture
async def bus(network: Network) -> AsyncIterator[Bus]:
    async with running_bus(Settings(replicas=SIZE), cluster=network.cluster) as here:
        yield here


@pytest.fixture
async def apart(network: Network, bus: Bus) -> Apart:
    """Cut off the server that leads everything, and let the others go on without it."""
    cluster = network.cluster
    for _ in range(EPISODES):
        chief = await network.chief()
        for stream in (subjects.REQUESTS, KEYS_STREAM):
            await cluster.step_down(stream, chief)
        here = await bus.connect("gateway", chief)
        there = await bus.connect("gateway", *(server for server in cluster.servers if server is not chief))
        await network.isolate(chief)
        accepted = record()
        seq, revision = await asyncio.gather(append(there, accepted), put(Bucket(there, subjects.KEYS)))
        with contextlib.suppress(NatsUnavailable):  # it knows already that it leads nothing
            if await get(here, subjects.REQUESTS, last=accepted.chain) is None:
                return Apart(here, accepted, seq, revision)
        await network.restore()
        await cluster.healthy()
    raise AssertionError("the others were never quick enough")


async def put(bucket: Bucket) -> int:
    """Write the key as soon as that can be done; its revision."""
    while True:
        try:
            return await bucket.put(KEY, b"1")
        except NatsUnavailable:
            await asyncio.sleep(0.1)


async def test_a_tail_is_caught_up_with_the_leader_wherever_its_consumer_is(network: Network, bus: Bus) -> None:
    """The cluster puts a consumer on any server that has the stream, also on one that has not got all of it yet."""
    for _ in range(EPISODES):
        followers, last, left_out = await followed_while_one_is_late(network, bus)
        if left_out:
            break
        await cancel([follower.task for follower in followers])
        await network.restore()
    else:
        raise AssertionError("the late server never was late for long enough")
    # Or more: sooner or later one of the two becomes the leader that the late server hears.
    others = CONSUMERS - left_out
    await until(lambda: sum(follower.then is not None for follower in followers) >= others, "the others are caught up")
    await network.restore()
    await until(lambda: all(follower.then is not None for follower in followers), "all are caught up")
    assert all(follower.then == follower.sequences == [last] for follower in followers)


async def followed_while_one_is_late(network: Network, bus: Bus) -> tuple[list[Follower], int, int]:
    """Many that follow an event which one server has not got; the event's sequence; and how many of them were there without
    it when all followed. None were when the cluster has got over the broken network meanwhile."""
    cluster, chief = network.cluster, await network.chief()
    leader, late = (server for server in cluster.servers if server is not chief)
    await cluster.step_down(subjects.REQUESTS, leader)
    nc, operator = await bus.connect("gateway", chief), await bus.connect("operator", chief)
    await append(nc, record())
    await cluster.healthy()
    await network.part(leader, late)
    accepted = record()
    last = await append(nc, accepted)
    followers = [Follower(bus, nc, accepted.chain) for _ in range(CONSUMERS)]
    return followers, last, await consumers_left_out(operator, late)


async def consumers_left_out(operator: Client, server: NatsServer) -> int:
    """How many of the consumers are on this server and have got nothing there, once all have been made."""
    found: list[Any] = []

    async def made() -> bool:
        answer = msgspec.json.decode(await api(operator, f"CONSUMER.LIST.{subjects.REQUESTS}"))
        found[:] = answer["consumers"] or []
        return len(found) == CONSUMERS

    await until(made, "all consumers are made")
    there = [consumer for consumer in found if consumer["cluster"]["leader"] == server.name]
    return sum(not consumer["num_pending"] and not consumer["delivered"]["consumer_seq"] for consumer in there)


async def test_what_it_says_decides_nothing_until_it_is_back(network: Network, apart: Apart) -> None:
    canceled = record(rid_of(apart.accepted), apart.seq, "canceled")
    follower = Tail(apart.here, subjects.REQUESTS, [subjects.ALL_REQUESTS], apart.seq + 1)
    arrived: list[int] = []

    async def follow() -> None:
        async for batch in follower.batches():
            arrived.extend(message.seq for message in batch.messages)

    async def nothing_is_missing() -> None:
        with pytest.raises(Behind):
            await get(apart.here, subjects.REQUESTS, last=apart.accepted.chain, known=apart.seq)

    async def no_chain_is_closed() -> None:
        with pytest.raises(Undecided):
            await append(apart.here, canceled, 1.0)

    async def nobody_was_first() -> None:
        with pytest.raises(NatsUnavailable):
            await Bucket(apart.here, subjects.KEYS).set(KEY, b"2", apart.revision)

    following = asyncio.create_task(follow())
    recording = asyncio.create_task(Recorder(apart.here, None, subjects.REQUESTS)._info(Position(1, 1, apart.seq)))  # type: ignore[arg-type]
    try:
        await asyncio.gather(nothing_is_missing(), no_chain_is_closed(), nobody_was_first())
        deciding = asyncio.create_task(append(apart.here, canceled))
        assert not following.done()
        assert not recording.done()
        await network.restore()
        last = await deciding
        await until(lambda: arrived == [last], "the tail goes on where it was")
        assert (await recording).state.last_seq >= apart.seq
    finally:
        for task in (following, recording):
            task.cancel()
        await asyncio.gather(following, recording, return_exceptions=True)
