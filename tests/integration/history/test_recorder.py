"""The recorder on a real stream and a real PostgreSQL."""

import asyncio
import random
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from services.contracts import codec, subjects
from services.contracts.events import Succeeded
from services.contracts.rpc import GetChain
from services.history.leader import Leadership
from services.history.migrations import is_recorded, migrate
from services.history.queries import Queries
from services.history.recorder import Recorder
from services.history.statements import MIGRATIONS
from services.runtime.kv import Bucket
from services.runtime.loops import cancel
from tests.support.bus import until
from tests.support.history import ACK_S, Request, World
from tests.support.servers import Servers
from tests.support.topologies import Topology


@pytest.fixture(scope="module")
def servers(topology: Topology) -> Iterator[Servers]:
    with topology.servers() as servers:
        yield servers


async def log_of(world: World) -> list[tuple[int, int, str]]:
    rows = await world.fetch("SELECT seq, at, subject FROM event_log WHERE stream = 'REQUESTS' ORDER BY seq")
    return [tuple(row) for row in rows]


async def stream_of(world: World) -> list[tuple[int, int, str]]:
    return [(stored.seq, stored.time_ns, stored.subject) for stored in await world.stored()]


async def test_events_are_recorded_in_order_with_their_position(world: World) -> None:
    world.record()
    await world.live(30)
    await world.recorded()
    assert await log_of(world) == await stream_of(world)
    assert await world.value("SELECT count(*) FROM requests") == 30


async def test_no_index_has_a_column_that_changes_while_a_request_is_open(world: World) -> None:
    indexed = await world.fetch(
        "SELECT DISTINCT attname FROM pg_index JOIN pg_depend ON objid = indexrelid AND refobjid = indrelid"
        " JOIN pg_attribute ON attrelid = indrelid AND attnum = refobjsubid WHERE indrelid = 'requests'::regclass"
    )
    names = {row["attname"] for row in indexed}
    assert {"rid", "completed_at", "outcome"} <= names
    assert not names & {"status", "attempt", "last_seq", "state"}


async def test_the_chain_that_history_answers_is_byte_for_byte_the_stream_s(world: World) -> None:
    world.record()
    request = await world.request().accept(b'{"image":"' + b"A" * 100_000 + b'"}', metadata={"input": "sha256:x", "n": 1})
    await request.assign()
    await request.succeed('{"label":"é\\u0000"}'.encode())
    await world.refuse(request.rid)
    await world.recorded()
    await world.recorded(subjects.CONNECTIONS)
    chain = await Queries(world.pool).chain(GetChain(rid=request.rid))
    assert [(e.seq, e.at, e.subject, bytes(e.data)) for e in chain.events] == [
        (stored.seq, stored.time_ns, stored.subject, stored.data) for stored in await world.stored()
    ]
    assert [event.subject for event in chain.refused] == ["ws.conn.c1.refused"]
    assert await world.value("SELECT max(octet_length(data)) FROM event_log") < 2000
    assert await world.value("SELECT count(*) FROM payloads") == 2


async def test_two_recorders_at_once_neither_skip_nor_repeat(world: World) -> None:
    world.record(subjects.REQUESTS)
    world.record(subjects.REQUESTS)
    await world.live(100)
    await world.recorded()
    assert await log_of(world) == await stream_of(world)
    assert await world.value("SELECT count(*) FROM event_conflicts") == 0


async def test_a_recorder_killed_in_the_middle_of_a_batch_is_continued_exactly(world: World) -> None:
    chance = random.Random(7)
    async with world.living():
        for _ in range(25):
            recorder = asyncio.create_task(Recorder(world.history, world.pool, subjects.REQUESTS).run())
            await asyncio.wait([recorder], timeout=chance.uniform(0.005, 0.1))
            await cancel([recorder])
    world.record(subjects.REQUESTS)
    await world.recorded()
    assert await log_of(world) == await stream_of(world)
    assert await world.value("SELECT count(*) FROM event_conflicts") == 0


async def test_after_postgresql_was_away_the_log_is_complete(world: World) -> None:
    leadership = world.lead()
    await world.live(20)
    await world.recorded()
    await asyncio.to_thread(world.servers.postgres.stop)
    await world.live(20)
    await until(lambda: not leadership.reachable, "the loss is noticed")
    await asyncio.to_thread(world.servers.postgres.start)
    await world.live(20)
    await world.recorded()
    assert await log_of(world) == await stream_of(world)


async def test_after_nats_was_away_the_log_is_complete(world: World) -> None:
    world.lead()
    await world.live(20)
    await asyncio.to_thread(world.servers.nats.stop)
    await asyncio.to_thread(world.servers.nats.start)
    await world.live(20)
    await world.recorded()
    assert await log_of(world) == await stream_of(world)


async def test_one_replica_leads_and_the_other_takes_over_when_its_lock_is_gone(world: World) -> None:
    one, other = (Leadership(world.servers.database_url) for _ in range(2))
    work = [Recorder(world.history, world.pool, subjects.REQUESTS).run]
    first = world.spawn(one.run(work))
    await until(lambda: one.leading, "the first leads")
    world.spawn(other.run(work))
    await until(lambda: other.reachable, "the second stands by")
    assert not other.leading
    await cancel([first])
    await until(lambda: other.leading, "the second leads")


def forged(request: Request) -> Succeeded:
    run: dict[str, Any] = {"agent": "mallory/box", "gateway": "gateway-2", "output_sha256": "0"}
    return Succeeded(**request.common(), **run, output=msgspec.Raw(b'"forged"'))


async def test_a_second_outcome_goes_to_the_conflicts_and_blocks_nothing(world: World) -> None:
    world.record(subjects.REQUESTS)
    request = await world.request().accept()
    await request.assign()
    await request.succeed()
    await world.forge(forged(request))
    await world.live(6)
    await world.recorded()
    conflicts = await world.fetch("SELECT seq, data, reason FROM event_conflicts")
    assert [(row["seq"], row["reason"]) for row in conflicts] == [(4, "succeeded cannot follow succeeded")]
    assert b'"output":"forged"' in conflicts[0]["data"]
    assert await world.value("SELECT count(*) FROM requests") == 7


async def test_what_only_the_log_s_own_constraints_can_refuse_goes_to_the_conflicts_too(world: World) -> None:
    request = await world.request().accept()
    await request.assign()
    await request.succeed()
    insert = (
        "INSERT INTO event_log (stream, epoch, seq, at, subject, rid, type, prev_seq, data)"
        " VALUES ('REQUESTS', 1, 99, 1, 'ws.req.x', $1, 'failed', 77, '{}')"
    )
    await world.execute(insert, request.rid)
    world.record(subjects.REQUESTS)
    await world.live(6)
    await world.recorded()
    conflicts = await world.fetch("SELECT seq, reason FROM event_conflicts")
    assert [tuple(row) for row in conflicts] == [(3, "another event has its place in the log")]
    assert await world.value("SELECT status FROM requests WHERE rid = $1", request.rid) == "processing"


async def test_bytes_that_are_no_event_and_cut_chains_go_to_the_conflicts(world: World) -> None:
    world.record(subjects.REQUESTS)
    stranger = world.request()
    stranger.seq = 5
    await world.forge(forged(stranger))
    await world.forge(forged(stranger), b'{"type":"succeeded"}')
    await world.forge(forged(stranger), b"\xff\x00")
    await world.forge(forged(world.request()), codec.requests.encode(forged(stranger)))
    await world.live(3)
    await world.recorded()
    reasons = [row["reason"] for row in await world.fetch("SELECT reason FROM event_conflicts ORDER BY seq")]
    assert "begins no chain" in reasons[0]
    assert "undecodable" in reasons[1]
    assert "undecodable" in reasons[2]
    assert "name different events" in reasons[3]
    assert await world.value("SELECT count(*) FROM requests") == 3


async def test_a_read_row_that_was_damaged_does_not_keep_events_out_of_the_log(world: World) -> None:
    world.record(subjects.REQUESTS)
    request = await world.request().accept()
    await request.assign()
    await world.recorded()
    await world.execute("DELETE FROM requests")
    await request.succeed()
    await world.recorded()
    assert await world.value("SELECT count(*) FROM event_log WHERE stream = 'REQUESTS'") == 3
    assert await world.value("SELECT status FROM requests") == "succeeded"


async def halted(world: World) -> bool:
    return (await Bucket(world.history, subjects.LIVE).get(subjects.HALTED_KEY)).value is not None


async def replace_nats(world: World) -> None:
    """A NATS server without its data, and new streams on it."""
    await asyncio.to_thread(world.servers.nats.stop)
    await asyncio.to_thread(world.forget_nats)
    await asyncio.to_thread(world.servers.nats.start)
    await until(lambda: all(nc.is_connected for nc in world.clients.values()), "all are connected again")
    await world.provision()


async def test_a_stream_that_ends_before_the_log_halts_everything(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.history.recorder.BEHIND_S", 2.0)
    world.lead()
    await world.live(20)
    await world.recorded()
    before = await log_of(world)
    assert not await halted(world)
    await replace_nats(world)
    await world.live(3)
    await until(lambda: halted(world), "halted")
    assert await log_of(world) == before


async def test_a_stream_with_another_event_at_the_position_halts_everything(world: World) -> None:
    world.lead()
    await world.live(3)
    await world.recorded()
    before = await log_of(world)
    await replace_nats(world)
    await world.live(20)
    await until(lambda: halted(world), "halted")
    assert await log_of(world) == before


async def test_what_left_the_stream_unrecorded_is_skipped_aloud(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.record(subjects.REQUESTS)
    await world.live(3)
    await world.recorded()
    await cancel(world.tasks)
    await world.live(6)
    last = (await world.stored())[-1].seq
    await world.history.request("$JS.API.STREAM.PURGE.REQUESTS", b'{"seq":%d}' % last, ACK_S)
    world.record(subjects.REQUESTS)
    await world.live(3)
    await world.recorded()
    assert (await log_of(world))[-1] == (await stream_of(world))[-1]
    assert any("left the stream before they were recorded" in line for line in caplog.messages)


async def test_the_directory_is_recorded_without_read_tables(world: World) -> None:
    world.record(subjects.DIRECTORY)
    data = (
        b'{"type":"space_created","id":"e1","prev_seq":0,"actor":"system","space":"demo","owner":"u1"}',
        b'{"type":"key_revoked","id":"e2","prev_seq":0,"actor":"system","key_id":"k1"}',
        b"no event",
    )
    for subject, event in zip(("space.demo.space_created", "key.k1.key_revoked", "key.k2.key_revoked"), data, strict=True):
        await world.clients["registry"].request(f"ws.dir.{subject}", event, ACK_S)
    await world.recorded(subjects.DIRECTORY)
    rows = await world.fetch("SELECT seq, type, data FROM event_log WHERE stream = 'DIRECTORY' ORDER BY seq")
    assert [tuple(row) for row in rows] == [(1, "space_created", data[0]), (2, "key_revoked", data[1])]
    assert await world.value("SELECT seq FROM event_conflicts") == 3


async def test_migrations_are_applied_once_by_whoever_comes_first(world: World) -> None:
    await world.servers.empty_database()
    url = world.servers.database_url
    assert not await is_recorded(url)
    applied = await asyncio.gather(*(migrate(url) for _ in range(4)))
    assert sorted(len(names) for names in applied) == [0, 0, 0, len(list(MIGRATIONS.iterdir()))]
    assert not await is_recorded(url)
