"""Files that nobody needs any more are deleted, and no others, whoever does what at the same time."""

import asyncio
import contextlib
from collections.abc import Iterator

import msgspec
import pytest

from services.contracts import files, subjects
from services.contracts.directory import SpaceEdited
from services.contracts.files import File, FileMeta
from services.history import collector, stray_bytes
from services.history.collector import Collector
from services.history.rebuild import rebuild
from services.runtime import jetstream
from services.runtime.clock import ServerClock
from services.runtime.file_store import End, FileGone, JetStreamFiles
from services.runtime.kv import Conflict
from tests.support.bus import Bus, until
from tests.support.collecting import DAY_S, HOUR_S, KEEP_S, Collecting, Shelf
from tests.support.history import Request, World, world_on
from tests.support.http_gateway import change_space
from tests.support.listing import gateway_in
from tests.support.recovery import clean
from tests.support.servers import Servers
from tests.support.topologies import Topology


@pytest.fixture(scope="module")
def servers(topology: Topology) -> Iterator[Servers]:
    with topology.servers() as servers:
        yield servers


@pytest.fixture
async def collecting(world: World) -> Collecting:
    return Collecting(world)


async def ended(world: World, *inputs: File) -> Request:
    """A request of ada's that refers to files and has succeeded."""
    request = await world.request().accept(user="ada", files=tuple(file.id for file in inputs))
    await request.assign()
    await request.succeed()
    return request


async def erase(world: World, request: Request) -> None:
    """As its user does."""
    async with gateway_in(world) as gateway:
        await world.recorded()
        assert (await gateway.call("DELETE", f"/v1/requests/{request.rid}/data")).status == 200


async def test_a_store_that_is_not_there_stops_nobody_else(servers: Servers, caplog: pytest.LogCaptureFixture) -> None:
    async with world_on(servers) as world:
        await asyncio.to_thread(servers.empty_nats)
        running = Collector(world.history, world.pool, ServerClock(), lambda: False, KEEP_S, every_s=0.05)
        collecting = world.spawn(running.run())

        async def tried_again() -> bool:
            return caplog.text.count("not collecting files") > 1

        await until(tried_again, "it has tried again")
        assert not collecting.done()


# Each rule


async def test_an_upload_that_is_not_gone_on_with_goes(shelf: Shelf, collecting: Collecting) -> None:
    file = await shelf.begun()
    assert await collecting.passes_at(HOUR_S - 60) == {}
    assert await shelf.there(file)
    assert await collecting.passes_at(HOUR_S + 60) == {"unfinished": 1}
    assert not await shelf.there(file)
    with pytest.raises(Conflict):
        await shelf.touched(file, HOUR_S)


async def test_what_no_request_refers_to_goes_when_it_has_expired(shelf: Shelf, collecting: Collecting) -> None:
    file = await shelf.stored(keep_s=DAY_S)
    assert await collecting.passes_at(DAY_S - 60) == {}
    assert await collecting.passes_at(DAY_S + 60) == {"unused": 1}
    assert not await shelf.there(file)


async def test_what_an_open_request_refers_to_is_kept_and_then_for_a_week(
    world: World, shelf: Shelf, collecting: Collecting
) -> None:
    file, whole = await shelf.stored(keep_s=60), await shelf.stored(keep_s=60)
    request = await world.request().accept(files=(file.id,), input_file=whole.id)
    assert await collecting.passes_at(30 * DAY_S) == {}
    lease = await request.assign()
    output, result = await shelf.stored(request, lease), await shelf.stored(request, lease, kind="result")
    assert await collecting.passes_at(30 * DAY_S) == {}
    await request.succeed(files=(output.id,), output_file=result.id)
    everything = (file, whole, output, result)
    assert await collecting.passes_at(KEEP_S - 60) == {}
    assert [await shelf.there(each) for each in everything] == [True] * 4
    assert await collecting.passes_at(KEEP_S + 60) == {"retention": 4}
    assert [await shelf.there(each) for each in everything] == [False] * 4


async def test_a_space_with_a_retention_of_its_own_keeps_files_for_so_long(
    world: World, shelf: Shelf, collecting: Collecting
) -> None:
    async with gateway_in(world):
        bus = Bus(world.servers)
        await change_space(bus, SpaceEdited, "demo", retention_s=HOUR_S)
        await bus.close()
    file = await shelf.stored(keep_s=KEEP_S)
    await ended(world, file)
    assert await collecting.passes_at(HOUR_S - 60) == {}
    assert await collecting.passes_at(HOUR_S + 60) == {"retention": 1}
    assert not await shelf.there(file)


async def test_what_attempts_have_made_that_came_to_nothing_goes_an_hour_after_the_end(
    world: World, shelf: Shelf, collecting: Collecting
) -> None:
    request = await world.request().accept()
    first = await shelf.stored(request, await request.assign())
    await request.requeue()
    second = await shelf.stored(request, await request.assign())
    await request.succeed(files=(second.id,))
    failed = await world.request().accept()
    third = await shelf.stored(failed, await failed.assign())
    await failed.fail()
    assert await collecting.passes_at(HOUR_S - 60) == {}
    assert await collecting.passes_at(HOUR_S + 60) == {"lost_attempt": 2}
    assert [await shelf.there(each) for each in (first, second, third)] == [False, True, False]


async def test_what_is_for_a_request_that_never_came_goes_after_an_hour(
    world: World, shelf: Shelf, collecting: Collecting
) -> None:
    file = await shelf.stored(world.request())
    assert await collecting.passes_at(HOUR_S - 60) == {}
    assert await collecting.passes_at(HOUR_S + 60) == {"unknown_request": 1}
    assert not await shelf.there(file)


async def test_what_is_erased_goes_with_its_files_but_for_those_that_others_need(
    world: World, shelf: Shelf, collecting: Collecting
) -> None:
    own, shared, whole = [await shelf.stored() for _ in range(3)]
    other = await world.request().accept(files=(shared.id,))
    request = await world.request().accept(user="ada", files=(own.id, shared.id), input_file=whole.id)
    lease = await request.assign()
    output, result = await shelf.stored(request, lease), await shelf.stored(request, lease, kind="result")
    await request.succeed(files=(output.id,), output_file=result.id)
    await erase(world, request)
    assert await collecting.passes_at() == {"erased": 4}
    assert [await shelf.there(each) for each in (own, shared, whole, output, result)] == [False, True, *[False] * 3]
    await other.cancel()
    assert await collecting.passes_at() == {}
    await world.recorded()
    await clean(world)
    referred = await world.fetch("SELECT file FROM request_files WHERE rid = $1", request.rid)
    assert {row["file"] for row in referred} == {each.id for each in (own, shared, whole, output, result)}


async def test_who_erases_a_request_is_rid_of_its_files_while_the_collector_runs(world: World, shelf: Shelf) -> None:
    running = Collector(world.history, world.pool, ServerClock(), lambda: False, KEEP_S, every_s=0.1)
    world.spawn(running.run())
    file = await shelf.stored()
    request = await ended(world, file)
    await erase(world, request)

    async def gone() -> bool:
        record = await shelf.store.get(file.id)
        with contextlib.suppress(FileGone):
            await shelf.store.end(file.nuid)
            return False
        return record is not None and record.state == "deleted"

    await until(gone, "the file is gone")
    await world.recorded()
    await clean(world)


# What nothing may be concluded from


async def test_while_it_is_not_all_recorded_nothing_is_deleted(
    world: World, shelf: Shelf, collecting: Collecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collector, "RECORDED_S", 0.3)
    file = await shelf.stored(keep_s=60)
    await world.recorded()
    for recorder in world.tasks[: len(collector_streams())]:
        recorder.cancel()
    await asyncio.wait(world.tasks[: len(collector_streams())])
    del world.tasks[: len(collector_streams())]
    await world.request().accept(files=(file.id,))
    assert (await collecting.pass_at(DAY_S, recorded=False)).deleted == {}
    world.record()
    assert await collecting.passes_at(DAY_S) == {}
    assert await shelf.there(file)


def collector_streams() -> tuple[str, ...]:
    """Those whose recorders the fixture has started."""
    return (subjects.REQUESTS, subjects.CONNECTIONS, subjects.DIRECTORY)


async def test_while_recovery_is_needed_nothing_is_deleted(world: World, shelf: Shelf) -> None:
    file = await shelf.stored(keep_s=60)
    assert await Collecting(world, halted=True).passes_at(DAY_S) == {}
    assert await shelf.there(file)


@pytest.mark.parametrize("table", ["requests", "request_files"])
async def test_while_rows_are_missing_nothing_is_deleted(
    world: World, shelf: Shelf, collecting: Collecting, table: str
) -> None:
    file = await shelf.stored(keep_s=60)
    await world.request().accept(files=(file.id,))
    await world.recorded()
    await world.execute(f"DELETE FROM {table}")
    assert await collecting.passes_at(DAY_S) == {}
    await rebuild(world.servers.database_url)
    assert await collecting.passes_at(DAY_S) == {}
    assert await shelf.there(file)


# At the same time


class Interposed(JetStreamFiles):
    """The store, in which something happens right before a file is deleted."""

    def __init__(self, world: World, shelf: Shelf, file: File) -> None:
        super().__init__(world.history)
        self._shelf, self._file = shelf, file

    async def delete(self, file: File) -> File:
        await self._shelf.touched(self._file, HOUR_S)
        return await super().delete(file)


async def test_a_file_that_is_taken_up_before_it_is_deleted_stays(
    world: World, shelf: Shelf, collecting: Collecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = await shelf.stored(keep_s=0)
    monkeypatch.setattr(collecting.collector, "_store", Interposed(world, shelf, file))
    done = await collecting.pass_at(1)
    assert (dict(done.deleted), done.changed) == ({}, False)
    assert await shelf.there(file)
    assert await collecting.passes_at(HOUR_S - 60) == {}


async def test_who_takes_up_a_file_after_it_is_deleted_is_told(shelf: Shelf, collecting: Collecting) -> None:
    file = await shelf.stored(keep_s=0)
    assert await collecting.passes_at(1) == {"unused": 1}
    with pytest.raises(Conflict):
        await shelf.touched(file, HOUR_S)
    assert not await shelf.there(file)


async def test_of_many_files_each_is_either_taken_up_or_deleted(shelf: Shelf, collecting: Collecting) -> None:
    all_files = [await shelf.stored(keep_s=0) for _ in range(40)]

    async def take_up() -> set[str]:
        taken = set()
        for file in reversed(all_files):
            with contextlib.suppress(Conflict):
                taken.add((await shelf.touched(file, HOUR_S)).id)
        return taken

    done, taken = await asyncio.gather(collecting.pass_at(1), take_up())
    assert done.deleted.total() + len(taken) == len(all_files)
    assert {file.id for file in all_files if await shelf.there(file)} == taken


async def test_a_request_that_takes_up_what_an_erased_one_has_left_finds_it(
    world: World, shelf: Shelf, collecting: Collecting
) -> None:
    file = await shelf.stored(keep_s=DAY_S)
    await erase(world, await ended(world, file))
    assert (await collecting.pass_at()).expiring == 1
    newest = await shelf.store.get(file.id)
    assert newest is not None
    assert newest.index == file.index, "it can be read still"
    await shelf.touched(newest, HOUR_S)
    assert (await collecting.pass_at(11)).deleted == {}, "somebody may be about to refer to it"
    await world.request().accept(files=(file.id,))
    assert await collecting.passes_at(DAY_S) == {}
    assert await shelf.there(file)


async def test_two_collectors_at_once_do_what_one_does(world: World, shelf: Shelf) -> None:
    unused, kept = [await shelf.stored(keep_s=0) for _ in range(20)], await shelf.stored()
    erased = [await shelf.stored() for _ in range(20)]
    await erase(world, await ended(world, *erased))
    both = [Collecting(world) for _ in range(2)]
    for later_s in (1, 30):  # one may begin some seconds after the other
        done = await asyncio.gather(*(each.pass_at(later_s) for each in both))
        assert sum(each.deleted.total() for each in done) >= 20
    assert not any([await shelf.there(file) for file in (*unused, *erased)])
    assert await shelf.there(kept)
    assert [(await each.pass_at(60)).changed for each in both] == [False, False]


# Cut off


async def test_a_collector_that_dies_between_the_record_and_the_bytes_is_finished_by_the_next(
    world: World, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = await shelf.stored(keep_s=0)
    marked, dying = asyncio.Event(), Collecting(world)

    async def hang(nuid: str) -> None:
        marked.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(dying.collector._store, "discard", hang)
    death = asyncio.create_task(dying.pass_at(1))
    await asyncio.wait_for(marked.wait(), 10)
    death.cancel()
    await asyncio.wait([death])
    assert (await shelf.store.end(file.nuid)).size > 0, "the bytes are there still"
    done = await Collecting(world).pass_at(2)
    assert done.left == 1
    assert not await shelf.there(file)


async def test_bytes_that_no_record_has_go_when_they_are_old(
    world: World, shelf: Shelf, collecting: Collecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stray_bytes, "EVERY_NS", 0)
    kept, ended_upload = await shelf.stored(keep_s=DAY_S), await shelf.begun()
    await shelf.store.append(End("n1"), b"of nobody", "w1")
    meta = FileMeta(name="mine", bucket=files.BUCKET, nuid="n2")
    await shelf.store.append(End("n2"), b"of somebody else", "w1")
    await world.clients["gateway"].jetstream().publish("$O.ws_files.M.bWluZQ==", msgspec.json.encode(meta))
    assert (await collecting.pass_at(HOUR_S - 60)).left == 0
    done = await collecting.pass_at(HOUR_S + 60)
    assert (done.left, dict(done.deleted)) == (1, {"unfinished": 1})
    with pytest.raises(FileGone):
        await shelf.store.end("n1")
    assert (await shelf.store.end("n2")).size > 0
    assert [await shelf.there(file) for file in (kept, ended_upload)] == [True, False]
    assert (await collecting.pass_at(HOUR_S + 120)).left == 0


async def test_a_pass_is_bounded_and_the_next_ones_go_on(
    shelf: Shelf, collecting: Collecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"PAGE": 2, "PAGES": 2, "CHANGED": 3}.items():
        monkeypatch.setattr(collector, name, value)
    all_files = [await shelf.stored(keep_s=0) for _ in range(7)]
    done = [await collecting.pass_at(1) for _ in range(4)]
    assert [each.deleted.total() for each in done] == [3, 3, 1, 0]
    assert [each.more for each in done] == [True, True, False, False]
    assert not any([await shelf.there(file) for file in all_files])


async def test_of_what_is_deleted_only_that_stays_which_refuses_late_writers(
    world: World, shelf: Shelf, collecting: Collecting
) -> None:
    for _ in range(5):
        await shelf.stored(keep_s=0)
    assert await collecting.passes_at(1) == {"unused": 5}
    info = await jetstream.stream_info(world.history, subjects.FILES)
    assert info.state.messages == 10, "a record and an empty piece of each"
