"""Tail: everything, in order, once, whatever becomes of consumers, connections and servers."""

import asyncio
import shutil
from collections.abc import AsyncGenerator
from typing import Any

import msgspec
import pytest
from nats.aio.client import Client

from services.contracts import subjects
from services.local.nats_server import NatsServer
from services.runtime.append import append
from services.runtime.jetstream import Stored, api
from services.runtime.tail import Batch, Tail, TailAhead, TailTooOld, TailTrimmed
from tests.support.bus import Bus, until
from tests.support.chains import purge, record, rid_of
from tests.support.cluster import paused


class Follower:
    """Collects what a tail hands out."""

    def __init__(self, tail: Tail) -> None:
        self.tail = tail
        self.batches: list[Batch] = []

    @property
    def messages(self) -> list[Stored]:
        return [message for batch in self.batches for message in batch.messages]

    @property
    def sequences(self) -> list[int]:
        return [message.seq for message in self.messages]

    async def follow(self) -> None:
        async for batch in self.tail.batches():
            self.batches.append(batch)

    async def until_seq(self, seq: int) -> None:
        await until(lambda: self.tail.next_seq > seq, f"the tail has come to {seq}")


async def following(bus: Bus, from_seq: int = 1, keep_s: float | None = None) -> tuple[Follower, asyncio.Task[None]]:
    tail = Tail(await bus.connect("gateway"), subjects.REQUESTS, [subjects.ALL_REQUESTS], from_seq, keep_s=keep_s)
    follower = Follower(tail)
    return follower, bus.spawn(follower.follow())


async def appended(nc: Client, count: int, at_once: int = 50) -> None:
    slots = asyncio.Semaphore(at_once)

    async def one() -> None:
        async with slots:
            await append(nc, record())

    await asyncio.gather(*(one() for _ in range(count)))


async def consumers(operator: Client) -> list[str]:
    names: list[str] = msgspec.json.decode(await api(operator, f"CONSUMER.NAMES.{subjects.REQUESTS}"))["consumers"] or []
    return names


async def server_of_consumer(bus: Bus) -> NatsServer:
    """The server where the one consumer is."""
    if isinstance(bus.servers.nats, NatsServer):
        return bus.servers.nats
    operator = await bus.connect("operator")
    (name,) = await consumers(operator)
    info = msgspec.json.decode(await api(operator, f"CONSUMER.INFO.{subjects.REQUESTS}.{name}"))
    return bus.servers.nats.named(info["cluster"]["leader"])


async def consumers_deleted(operator: Client, gateway: Client) -> None:
    """Delete the tail's consumer under it; the operator may list consumers, the gateway delete them."""
    names = await consumers(operator)
    assert names, "there is a consumer to delete"
    for name in names:
        await api(gateway, f"CONSUMER.DELETE.{subjects.REQUESTS}.{name}")


async def test_what_is_there_comes_first_and_then_what_is_appended(bus: Bus) -> None:
    nc = await bus.connect("gateway")
    await appended(nc, 700)
    follower, _ = await following(bus)
    await follower.until_seq(700)
    assert follower.batches[-1].pending == 0
    event = record(data=b'{"new":1}')
    seq = await append(nc, event)
    await follower.until_seq(seq)
    assert follower.sequences == list(range(1, 702))
    last = follower.messages[-1]
    assert (last.subject, last.data, last.headers[subjects.MSG_ID]) == (event.subject, b'{"new":1}', event.id)


async def test_the_end_of_an_empty_stream_is_told(bus: Bus) -> None:
    follower, _ = await following(bus)
    await until(lambda: follower.batches == [Batch([], 0)], "the tail says that it is caught up")


async def test_it_starts_where_it_is_told_to(bus: Bus) -> None:
    await appended(await bus.connect("gateway"), 10)
    follower, _ = await following(bus, from_seq=8)
    await follower.until_seq(10)
    assert follower.sequences == [8, 9, 10]


async def test_no_more_is_held_for_a_slow_reader_than_one_pull(bus: Bus) -> None:
    nc = await bus.connect("gateway")
    await appended(nc, 100)
    sizes = []
    async for batch in Tail(nc, subjects.REQUESTS, [subjects.ALL_REQUESTS], pull=16).batches():
        sizes.append(len(batch.messages))
        await nc.flush()  # whatever the server has sent by now has arrived
        if sum(sizes) == 100:
            break
    assert max(sizes) <= 16


async def test_only_what_the_filters_match_is_handed_out(bus: Bus) -> None:
    nc = await bus.connect("gateway")
    accepted = record()
    first = await append(nc, accepted)
    await append(nc, record())
    second = await append(nc, record(rid_of(accepted), first, "canceled"))
    tail = Tail(nc, subjects.REQUESTS, [accepted.chain])
    follower = Follower(tail)
    bus.spawn(follower.follow())
    await follower.until_seq(second)
    assert follower.sequences == [first, second]


async def test_the_servers_time_comes_with_each_message(bus: Bus) -> None:
    nc = await bus.connect("gateway")
    await appended(nc, 3, at_once=1)
    follower, _ = await following(bus)
    await follower.until_seq(3)
    times = [message.time_ns for message in follower.messages]
    assert times == sorted(times)
    assert times[0] > 1_600_000_000 * 10**9


async def test_it_survives_the_deletion_of_its_consumer(bus: Bus) -> None:
    nc, operator = await bus.connect("gateway"), await bus.connect("operator")
    follower, _ = await following(bus)
    await appended(nc, 20)
    await follower.until_seq(20)
    await consumers_deleted(operator, nc)
    await appended(nc, 20)
    await until(lambda: follower.tail.recreations > 0, "the consumer is made again")
    await follower.until_seq(40)
    before = follower.tail.recreations
    await consumers_deleted(operator, nc)
    await appended(nc, 20)
    await until(lambda: follower.tail.recreations > before, "the consumer is made once more")
    await follower.until_seq(60)
    assert follower.sequences == list(range(1, 61))


async def test_it_survives_a_restart_of_the_server(bus: Bus) -> None:
    nc = await bus.connect("gateway")
    follower, _ = await following(bus)
    await appended(nc, 20)
    await follower.until_seq(20)
    await bus.restart()
    await appended(nc, 20)
    await follower.until_seq(40)
    assert follower.sequences == list(range(1, 41))


async def test_it_notices_a_server_that_hangs(bus: Bus) -> None:
    nc = await bus.connect("gateway")
    follower, _ = await following(bus)
    await appended(nc, 5)
    await follower.until_seq(5)
    with paused(await server_of_consumer(bus)):
        await until(lambda: follower.tail.recreations > 0, "missing heartbeats are noticed")
    await appended(nc, 5)
    await follower.until_seq(10)
    assert follower.sequences == list(range(1, 11))


async def test_no_gap_and_no_repeat_under_five_thousand_concurrent_appends(bus: Bus) -> None:
    clients = [await bus.connect("gateway") for _ in range(3)]
    operator = await bus.connect("operator")
    early, _ = await following(bus)
    writing = asyncio.gather(*(appended(nc, 5000 // 4, at_once=40) for nc in (*clients, clients[0])))
    await early.until_seq(1000)
    await consumers_deleted(operator, clients[0])
    late, _ = await following(bus, from_seq=500)
    await writing
    await early.until_seq(5000)
    await late.until_seq(5000)
    assert early.sequences == list(range(1, 5001))
    assert late.sequences == list(range(500, 5001))


async def test_a_consumer_is_not_left_behind(bus: Bus) -> None:
    operator = await bus.connect("operator")
    follower, task = await following(bus)
    await until(lambda: bool(follower.batches), "the tail has begun")
    assert len(await consumers(operator)) == 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    async def none_left() -> bool:
        return await consumers(operator) == []

    await until(none_left, "the consumer is deleted", 20.0)  # sooner than the server forgets it


async def test_what_was_trimmed_cannot_be_followed(bus: Bus) -> None:
    nc, history = await bus.connect("gateway"), await bus.connect("history")
    await appended(nc, 10)
    await purge(history, subjects.ALL_REQUESTS, below=6)
    _, task = await following(bus, from_seq=3)
    with pytest.raises(TailTrimmed) as error:
        await task
    assert (error.value.stream, error.value.wanted, error.value.first) == (subjects.REQUESTS, 3, 6)
    follower, _ = await following(bus, from_seq=6)
    await follower.until_seq(10)
    assert follower.sequences == [6, 7, 8, 9, 10]


async def test_what_was_trimmed_while_the_tail_was_away_is_noticed(bus: Bus) -> None:
    nc, history = await bus.connect("gateway"), await bus.connect("history")
    mine = await bus.connect("gateway")
    follower = Follower(Tail(mine, subjects.REQUESTS, [subjects.ALL_REQUESTS]))
    task = bus.spawn(follower.follow())
    await appended(nc, 5)
    await follower.until_seq(5)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await appended(nc, 5)
    await purge(history, subjects.ALL_REQUESTS, below=9)
    with pytest.raises(TailTrimmed):
        await bus.spawn(follower.follow())


async def test_a_tail_that_was_cut_off_for_too_long_says_so(bus: Bus) -> None:
    follower, task = await following(bus, keep_s=2.0)
    await until(lambda: bool(follower.batches), "the tail has begun")
    await bus.stop()
    with pytest.raises(TailTooOld):
        await asyncio.wait_for(task, 60)


async def test_a_stream_that_has_lost_its_end_is_noticed(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.runtime.tail.BEHIND_S", 2.0)
    store, backup = bus.servers.nats.directory, bus.servers.directory / "backup"
    nc = await bus.connect("gateway")
    await appended(nc, 5)
    await bus.stop()
    await asyncio.to_thread(shutil.copytree, store, backup)
    await bus.start()
    follower, task = await following(bus)
    await until(lambda: nc.is_connected, "the client is back")
    await appended(nc, 5)
    await follower.until_seq(10)
    await bus.stop()
    await asyncio.to_thread(shutil.rmtree, store)
    await asyncio.to_thread(shutil.copytree, backup, store)
    await bus.start()
    with pytest.raises(TailAhead) as error:
        await asyncio.wait_for(task, 30)
    assert (error.value.wanted, error.value.first) == (11, 6)


async def test_a_tail_that_is_never_idle_is_not_taken_for_one_that_was_cut_off(bus: Bus) -> None:
    nc = await bus.connect("gateway")
    tail = Tail(nc, subjects.REQUESTS, [subjects.ALL_REQUESTS], keep_s=1.0)

    def arrived() -> int:
        return sum(bool(message.reply) for message in tail._arrived)  # the others are heartbeats

    batches = tail.batches()
    await anext(batches)
    await appended(nc, 1)
    await anext(batches)
    before = tail._contact
    await appended(nc, 3)
    await until(lambda: arrived() == 3, "all have arrived before anybody waits")
    assert (await anext(batches)).messages
    assert tail._contact > before
    assert isinstance(batches, AsyncGenerator)
    await batches.aclose()


async def test_who_gives_up_while_the_consumer_is_being_made_leaves_none_behind(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    nc, operator = await bus.connect("gateway"), await bus.connect("operator")
    making = asyncio.Event()

    async def noticed(nc: Client, operation: str, body: Any = None) -> bytes:
        if operation.startswith("CONSUMER.CREATE"):
            making.set()
        return await api(nc, operation, body)

    async def nobody_reads() -> bool:
        return await operator.jsm().consumers_info(subjects.REQUESTS) == []

    monkeypatch.setattr("services.runtime.tail.api", noticed)
    for turns in range(12):
        making.clear()
        task = asyncio.create_task(Follower(Tail(nc, subjects.REQUESTS, [subjects.ALL_REQUESTS])).follow())
        await making.wait()
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
    await until(nobody_reads, "no consumer is left", 20.0)
