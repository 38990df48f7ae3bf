"""Pages of open requests, and trimming the stream, both against what the stream says."""

import asyncio
from collections.abc import Iterator

import pytest

from services.contracts import codec, subjects
from services.contracts.events import RequestEvent
from services.contracts.ids import PARTS, part_of_space
from services.contracts.requests import RequestState, evolve, fold
from services.contracts.rpc import GetChain, GetOpen, GetPositions, OpenPage, Positions
from services.history import queries, trim
from services.history.queries import Queries
from services.history.rebuild import rebuild
from services.history.trim import Trimmer
from services.history.trim_plan import STUCK_NS
from services.runtime import rpc
from services.runtime.clock import ServerClock
from services.runtime.errors import NatsUnavailable
from services.runtime.jetstream import purge
from services.runtime.loops import cancel
from services.runtime.tail import Tail
from tests.support.bus import until
from tests.support.hearing import heard
from tests.support.history import World
from tests.support.servers import Servers
from tests.support.topologies import Topology

KEEP_S = 3600.0
KEEP_NS = int(KEEP_S * 1e9)


@pytest.fixture(scope="module")
def servers(topology: Topology) -> Iterator[Servers]:
    with topology.servers() as servers:
        yield servers


def fold_page(page: OpenPage, states: dict[str, RequestState]) -> None:
    """Fold the chains of a page."""
    for chain in page.chains:
        events = [(codec.requests.decode(bytes(event.data)), event.seq, event.at) for event in chain.events]
        state = fold(events)
        assert state is not None
        states[state.rid] = state


async def follow(world: World, after: int, states: dict[str, RequestState]) -> None:
    """Fold what the stream holds after a position, ignoring what is folded already."""
    async for batch in Tail(world.history, subjects.REQUESTS, [subjects.ALL_REQUESTS], after + 1).batches():
        for stored in batch.messages:
            event: RequestEvent = codec.requests.decode(stored.data)
            state = states.get(event.rid)
            if state is None or stored.seq > state.seq:
                states[event.rid] = evolve(state, event, stored.seq, stored.time_ns)
        if batch.pending == 0:
            return


async def test_open_pages_and_the_tail_fold_to_the_same_state_as_the_whole_stream(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "PAGE_REQUESTS", 3)
    world.record(subjects.REQUESTS)
    await world.live(90)
    await world.recorded()
    living = world.spawn(world.live(90))
    states: dict[str, RequestState] = {}
    begins: list[int] = []
    pages = 0
    for part in range(PARTS):
        after = ""
        while True:
            page = await Queries(world.pool).open(GetOpen(part=part, after=after))
            assert page.epoch == 1
            assert len(page.chains) <= 3
            fold_page(page, states)
            begins.append(page.seq)
            pages += 1
            after = page.next
            if not after:
                break
    await living
    assert pages > PARTS
    await follow(world, min(begins), states)
    whole = await world.states()
    still_open = {rid for rid, state in whole.items() if state.open}
    assert still_open
    assert {rid: states.get(rid) for rid in still_open} == {rid: whole[rid] for rid in still_open}
    assert {rid: whole[rid] for rid in states} == states


async def test_a_page_ends_when_it_is_large_and_leaves_out_what_accepted_says(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "PAGE_BYTES", 20_000)
    world.record(subjects.REQUESTS)
    input = b'"' + b"x" * 12_000 + b'"'
    for _ in range(5):
        request = await world.request().accept(input)
        await request.assign()
    await world.recorded()
    part, after, sizes, states = part_of_space("demo"), "", [], dict[str, RequestState]()
    while True:
        page = await Queries(world.pool).open(GetOpen(part=part, after=after))
        sizes.append(len(page.chains))
        fold_page(page, states)
        assert all(bytes(event.data).count(b"x" * 100) < 200 for chain in page.chains for event in chain.events)
        after = page.next
        if not after:
            break
    assert sizes == [2, 2, 1]
    assert states == await world.states()
    assert {bytes(state.input) for state in states.values()} == {input}


async def test_every_replica_answers_over_nats(world: World) -> None:
    await rpc.serve(world.history, "history", "test", Queries(world.pool).operations())
    await heard(world.servers, subjects.history_rpc("open"))
    dispatcher = world.clients["dispatcher"]
    subject = subjects.history_rpc("open")
    with pytest.raises(NatsUnavailable, match="nothing is recorded yet"):
        await rpc.call(dispatcher, subject, GetOpen(part=part_of_space("demo")), OpenPage)
    world.record()
    request = await world.request().accept()
    await world.recorded()
    page = await rpc.call(dispatcher, subject, GetOpen(part=part_of_space("demo")), OpenPage)
    assert [len(chain.events) for chain in page.chains] == [1]
    assert (page.seq, page.next) == (request.seq, "")
    positions = await rpc.call(world.clients["gateway"], subjects.history_rpc("positions"), GetPositions(), Positions)
    assert {position.stream: position.seq for position in positions.positions}["REQUESTS"] == request.seq


@pytest.mark.parametrize("wiping", ["TRUNCATE requests", "DELETE FROM requests"])
async def test_while_rows_are_missing_nothing_is_listed_nor_trimmed(world: World, wiping: str) -> None:
    world.record()
    request = await world.request().accept()
    for _ in range(3):
        await (await world.request().accept()).expire()
    await world.recorded()
    trim, query = Trim(world), GetOpen(part=part_of_space("demo"))
    await world.execute(wiping)
    with pytest.raises(rpc.Refused, match="has to be rebuilt"):
        await Queries(world.pool).open(query)
    assert await trim.after(5.0) == ["accepted"] + ["accepted", "expired"] * 3
    assert (await rebuild(world.servers.database_url)).replaced == 4
    assert [chain.events[0].seq for chain in (await Queries(world.pool).open(query)).chains] == [request.seq]
    later = await world.request("other").accept()
    await later.expire()
    await world.recorded()
    assert "accepted" in await trim.after(10.0), "the open request and what came after it stay"


async def test_without_postgresql_the_answer_is_unavailable(world: World) -> None:
    await rpc.serve(world.history, "history", "test", Queries(world.pool).operations())
    await heard(world.servers, subjects.history_rpc("open"))
    await asyncio.to_thread(world.servers.postgres.stop)
    try:
        with pytest.raises(NatsUnavailable, match="PostgreSQL does not answer"):
            await rpc.call(world.clients["gateway"], subjects.history_rpc("positions"), GetPositions(), Positions)
    finally:
        await asyncio.to_thread(world.servers.postgres.start)


class Trim:
    """A trimmer whose clock the test moves."""

    def __init__(self, world: World) -> None:
        self.halted = False
        self._trimmer = Trimmer(world.history, world.pool, ServerClock(), KEEP_S, lambda: self.halted)
        self._world = world

    async def after(self, seconds: float) -> list[str]:
        """Trim as if it were so much later than the keeping time; types left in the stream."""
        now = (await self._world.stored())[-1].time_ns
        await self._trimmer.trim(now + KEEP_NS + int(seconds * 1e9))
        return [stored.subject.split(".")[4] for stored in await self._world.stored()]


async def test_closed_requests_leave_the_stream_once_they_are_old_and_history_still_has_them(world: World) -> None:
    world.record()
    request = await world.request().accept()
    await request.assign()
    await request.succeed()
    await world.recorded()
    before = [(stored.seq, stored.data) for stored in await world.stored()]
    trim = Trim(world)
    assert await trim.after(-10) == ["accepted", "assigned", "succeeded"]
    assert await trim.after(10) == []
    chain = await Queries(world.pool).chain(GetChain(rid=request.rid))
    assert [(event.seq, bytes(event.data)) for event in chain.events] == before


async def trimmed_types(world: World, seconds: float) -> list[str]:
    return await Trim(world).after(seconds)


async def test_open_requests_and_all_that_came_after_them_stay(world: World) -> None:
    world.record()
    early = await world.request().accept()
    await early.fail()
    waiting = await world.request().accept()
    late = await world.request().accept()
    await late.fail()
    await world.recorded()
    assert await trimmed_types(world, 10) == ["accepted", "accepted", "failed"]
    await waiting.fail()
    await world.recorded()
    assert await trimmed_types(world, 10) == []


async def test_one_partition_s_open_request_holds_no_other_partition(world: World) -> None:
    spaces = ("demo", "digits")
    assert part_of_space(spaces[0]) != part_of_space(spaces[1])
    world.record()
    await world.request(spaces[0]).accept()
    other = await world.request(spaces[1]).accept()
    await other.fail()
    await world.recorded()
    assert await trimmed_types(world, 10) == ["accepted"]


async def test_closed_chains_behind_a_long_open_one_go_one_by_one(world: World) -> None:
    world.record()
    waiting = await world.request().accept()
    closed = [await world.request().accept() for _ in range(4)]
    for request in closed[:3]:
        await request.fail()
    await world.recorded()
    trim = Trim(world)
    assert len(await trim.after(10)) == 8
    assert await trim.after(STUCK_NS / 1e9 + 10) == ["accepted", "accepted"]
    assert {state.rid for state in (await world.states()).values()} == {waiting.rid, closed[3].rid}


async def test_a_trim_goes_on_behind_chains_that_one_killed_before_it_has_purged(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trim, "SWEEP_LIMIT", 2)
    world.record()
    await world.request().accept()
    closed = [await world.request().accept() for _ in range(3)]
    for request in closed:
        await request.fail()
    await world.recorded()
    for request in closed[:2]:
        await purge(world.history, subjects.REQUESTS, subjects.chain(request.rid))
    trimmer = Trim(world)
    await trimmer.after(STUCK_NS / 1e9 + 10)
    assert await trimmer.after(STUCK_NS / 1e9 + 15) == ["accepted"]


async def test_what_is_not_recorded_stays(world: World) -> None:
    tasks = world.record(subjects.REQUESTS)
    request = await world.request().accept()
    await request.fail()
    await world.recorded()
    tasks[0].cancel()
    late = await world.request().accept()
    await late.fail()
    assert await trimmed_types(world, 10) == ["accepted", "failed"]
    assert {state.rid for state in (await world.states()).values()} == {late.rid}


async def test_a_halted_recorder_purges_nothing(world: World) -> None:
    world.record(subjects.REQUESTS)
    request = await world.request().accept()
    await request.fail()
    await world.recorded()
    trim = Trim(world)
    trim.halted = True
    assert len(await trim.after(10)) == 2


async def test_of_a_stream_that_is_another_one_nothing_is_purged_although_nobody_has_been_halted_yet(world: World) -> None:
    recorders = world.record(subjects.REQUESTS)
    for _ in range(3):
        await (await world.request().accept()).fail()
    await world.recorded()
    await cancel(recorders)
    await asyncio.to_thread(world.servers.empty_nats)
    await until(lambda: all(nc.is_connected for nc in world.clients.values()), "all are connected again")
    await world.provision()
    await world.request().accept()
    assert await trimmed_types(world, 10) == ["accepted"]


async def test_recording_goes_on_after_a_trim(world: World) -> None:
    world.record()
    await world.live(60)
    await world.recorded()
    left = await trimmed_types(world, STUCK_NS / 1e9 + 10)
    assert sorted(set(left)) == ["accepted", "assigned"]
    await world.live(12)
    await world.recorded()
    assert await world.value("SELECT count(*) FROM requests") == 72
    assert await world.value("SELECT count(*) FROM event_conflicts") == 0
