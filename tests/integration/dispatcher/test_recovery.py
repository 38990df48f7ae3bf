"""The owner of a partition gets the same state back from history's log and from the stream alone."""

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import pytest

from services.contracts import codec, ids, subjects
from services.contracts.rpc import GetOpen, OpenPage
from services.dispatcher import recovery
from services.dispatcher.fleet import Fleet
from services.dispatcher.recovery import RecoveryNeeded, recover
from services.dispatcher.state import Partition
from services.history.queries import Queries
from services.runtime.clock import ServerClock
from services.runtime.jetstream import stream_info
from services.runtime.rpc import Operation, serve
from services.runtime.tail import Tail
from tests.support.hearing import heard
from tests.support.history import World, world_on
from tests.support.servers import Servers
from tests.support.topologies import Topology

SPACES = ("demo", "digits", "echo", "llama", "whisper")


@pytest.fixture(scope="module")
def servers(topology: Topology) -> Iterator[Servers]:
    with topology.servers() as servers:
        yield servers


@pytest.fixture
async def world(servers: Servers) -> AsyncIterator[World]:
    async with world_on(servers) as world:
        yield world


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody answers for history, do not ask a second time; where somebody does, wait for the answer."""
    monkeypatch.setattr(recovery, "RETRY_S", 0.0)
    monkeypatch.setattr(recovery, "PAGE_S", 30.0)


async def answering(world: World, operations: Mapping[str, Operation]) -> None:
    """Answer for history."""
    await serve(world.history, "history", "for this test", operations)
    await heard(world.servers, subjects.history_rpc("open"))


async def rebuilt(world: World, part: int) -> tuple[Partition, int]:
    """A partition as a new owner builds it, folded up to the end of the stream, and the sequence it tailed from."""
    partition, clock, nc = Partition(part, Fleet()), ServerClock(), world.clients["dispatcher"]
    from_seq = await recover(nc, partition, clock)
    async for batch in Tail(nc, subjects.REQUESTS, [subjects.partition(part)], from_seq).batches():
        for message in batch.messages:
            partition.apply(codec.requests.decode(message.data), message.seq, message.time_ns, clock.now_ns())
        if batch.pending == 0:
            break
    return partition, from_seq


def seen(partition: Partition) -> dict[str, Any]:
    """What two owners must agree on."""
    return {
        "requests": partition.requests,
        "queues": {space: list(queue.in_order()) for space, queue in partition.queues.items()},
        "leases": {rid: (lease.lease, lease.conn) for rid, lease in partition.leases.items()},
        "pending": partition.pending,
    }


async def all_parts(world: World) -> tuple[dict[int, dict[str, Any]], list[int]]:
    states, starts = {}, []
    for part in range(ids.PARTS):
        partition, from_seq = await rebuilt(world, part)
        states[part] = seen(partition)
        starts.append(from_seq)
    return states, starts


async def test_recovery_from_the_log_and_from_the_stream_give_equal_state(world: World) -> None:
    waiting = [await world.request(space).accept(user=f"u{n % 3}") for n, space in enumerate(SPACES * 4)]
    for request in waiting[::4]:
        await request.assign()
        await request.requeue()
    await world.live(60, SPACES)
    from_stream, starts = await all_parts(world)
    assert set(starts) == {1}, "history is silent: the whole stream was replayed"

    recorders = world.record(subjects.REQUESTS)
    await world.recorded()
    for recorder in recorders:
        recorder.cancel()  # what comes now is in the stream only: the log ends before it
    await world.live(60, SPACES)
    await answering(world, Queries(world.pool).operations())
    from_log, starts = await all_parts(world)
    assert min(starts) > 1, "the log was read"
    after = (await stream_info(world.history, subjects.REQUESTS)).state.last_seq
    assert max(starts) <= after, "and the stream's tail was folded on top of it"

    await world.clients["history"].drain()
    again, starts = await all_parts(world)
    assert set(starts) == {1}
    assert from_log == again
    assert sum(len(state["requests"]) for state in again.values()) >= len(waiting) + 20
    assert any(state["leases"] for state in again.values())
    assert from_stream != again, "the second load changed something"


async def test_a_log_that_the_stream_contradicts_is_not_believed(world: World) -> None:
    world.record(subjects.REQUESTS)
    await world.live(6)
    await world.recorded()
    await answering(world, Queries(world.pool).operations())
    await world.execute("UPDATE log_position SET seq = seq + 1000 WHERE stream = $1", subjects.REQUESTS)
    with pytest.raises(RecoveryNeeded, match="the stream ends at"):
        await rebuilt(world, 0)
    await world.execute("UPDATE log_position SET seq = seq - 1000, epoch = 7 WHERE stream = $1", subjects.REQUESTS)
    with pytest.raises(RecoveryNeeded, match="epoch 7"):
        await rebuilt(world, 0)


async def test_what_is_recorded_while_the_log_is_asked_contradicts_nothing(world: World) -> None:
    world.record(subjects.REQUESTS)
    first = await world.request().accept()
    queries = Queries(world.pool)

    async def open_after_more_has_come(query: GetOpen) -> OpenPage:
        await world.request().accept()
        await world.recorded()
        return await queries.open(query)

    slow = {"open": Operation(subjects.history_rpc("open"), GetOpen, open_after_more_has_come)}
    await answering(world, queries.operations() | slow)
    partition, from_seq = await rebuilt(world, ids.part_of_request(first.rid))
    assert from_seq == 3
    assert len(partition.requests) == 2


async def test_an_event_of_a_newer_version_in_the_log_does_not_keep_its_partition_from_being_served(world: World) -> None:
    world.record(subjects.REQUESTS)
    newer, known = await world.request().accept(), await world.request().accept()
    await world.recorded()
    await answering(world, Queries(world.pool).operations())
    await world.execute("UPDATE event_log SET data = $1 WHERE rid = $2", b'{"type":"accepted","schema":99}', newer.rid)
    partition, from_seq = await rebuilt(world, ids.part_of_request(known.rid))
    assert from_seq == 3
    assert set(partition.requests) == {known.rid}
