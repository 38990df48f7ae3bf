"""Recovery from the loss of NATS's data, on a real nats-server with the real permissions and a real PostgreSQL."""

import asyncio
import contextlib
import functools
import random
from typing import Any

import msgspec
import pytest

from services.contracts import codec, ids, subjects
from services.contracts.epochs import MARGIN
from services.contracts.events import Restored, type_of
from services.contracts.idempotency import KeyRecord
from services.contracts.requests import RequestState, fold
from services.contracts.rpc import GetChain
from services.dispatcher import recovery as dispatcher_recovery
from services.history import recorder as recorder_module
from services.history import recover as recover_module
from services.history import recovery_log, recovery_streams, refilling
from services.history.queries import Queries
from services.history.rebuild import rebuild
from services.history.recorder import Recorder, StreamReplaced, record_rest
from services.history.recovery_streams import Streams
from services.history.trim import Trimmer
from services.history.verify import verify
from services.provision import provision_all
from services.runtime.append import Superseded, Undecided, append, request_record
from services.runtime.clock import ServerClock
from services.runtime.errors import NatsUnavailable
from services.runtime.fence import take_down_fence
from services.runtime.jetstream import get, stream_info
from services.runtime.kv import Bucket
from services.runtime.rpc import serve
from services.runtime.settings import Settings
from services.runtime.topology import KEYS_STREAM, RecoveryNeeded, info_of
from tests.integration.dispatcher.test_recovery import rebuilt, seen
from tests.support.bus import until
from tests.support.history import World
from tests.support.recovery import (
    Fuse,
    Killed,
    People,
    bring_back,
    clean,
    delete_streams,
    directory_of,
    epoch_of,
    halted,
    look,
    lose_nats,
    photograph,
    recover,
    recovery,
)

ALL = {subjects.REQUESTS, subjects.CONNECTIONS, subjects.DIRECTORY}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody answers for history, do not ask a second time."""
    monkeypatch.setattr(dispatcher_recovery, "RETRY_S", 0.0)


def settings_of(world: World) -> Settings:
    """As `spaces provision` has them."""
    return Settings(nats_url=world.servers.nats_url("provisioner"), database_url=world.servers.database_url)


async def recorded(world: World) -> None:
    for stream in ALL:
        await world.recorded(stream)


async def stop_recording(world: World, recorders: list[asyncio.Task[Any]]) -> None:
    await recorded(world)
    for recorder in recorders:
        recorder.cancel()
    await asyncio.wait(recorders)


def past(state: RequestState) -> tuple[Any, ...]:
    """What a restored request must still know; instants to the microsecond."""
    told = (state.rid, state.space, state.user, bytes(state.input), state.metadata, state.key_digest, state.max_attempts)
    return (*told, state.attempt, state.failures, state.losses, state.accepted_at // 1000)


async def some_life(world: World) -> dict[str, RequestState]:
    """Users, requests in every state, refused frames; all recorded. The states of the requests."""
    recorders = world.record()
    people = People(world.clients["registry"])
    for name in ("ada", "bob"):
        await people.arrive(name)
    await world.live(48)
    for number in range(6):
        await world.request().accept(key_digest=f"key{number}", body_sha256=f"body{number}", max_attempts=3)
    await world.refuse(world.request().rid)
    states = await world.states()
    await stop_recording(world, recorders)
    return states


async def check_recovered(world: World, before: dict[str, RequestState], epoch: int = 2) -> None:
    """Every open request waits with its past, and no other is there."""
    after = await world.states()
    assert after.keys() == {rid for rid, state in before.items() if state.open}
    for rid, state in after.items():
        assert past(state) == past(before[rid])
        assert state.status == "queued"
        assert (state.waiting_since // 1000 == before[rid].waiting_since // 1000) == (before[rid].status == "queued")
    assert [type(codec.requests.decode(m.data)) for m in await world.stored()] == [Restored] * len(after)
    assert {await epoch_of(world, stream) for stream in ALL} == {epoch}
    assert not await halted(world)
    await recorded(world)
    await clean(world)


async def test_after_a_total_loss_everything_that_the_log_knows_is_there_again(world: World) -> None:
    before = await some_life(world)
    last = (await stream_info(world.history, subjects.REQUESTS)).state.last_seq
    directory, follows = directory_of(await world.stored(subjects.DIRECTORY))
    await lose_nats(world)

    outlook = await look(world)
    assert outlook.anew is not None
    assert (set(outlook.anew.streams), outlook.left, outlook.keys) == (ALL, {}, 6)
    done = await recover(world)
    assert done is not None
    opened = sum(state.open for state in before.values())
    assert (outlook.requests, done.requests, outlook.directory, done.directory) == (opened, opened, 10, 10)
    assert (done.keys, done.outcomes, done.lost) == (6, 0, 0)

    await check_recovered(world, before)
    after = await world.states()
    order = sorted(after, key=lambda rid: before[rid].accepted_seq)
    assert sorted(after, key=lambda rid: after[rid].seq) == order, "first come, first served as before"
    assert (await world.stored())[0].seq == last + MARGIN
    found, again = directory_of(await world.stored(subjects.DIRECTORY))
    assert (found.users, found.spaces, found.keys) == (directory.users, directory.spaces, directory.keys)
    assert again == follows, "the same events, each after the same one"
    assert await recover(world) is None, "nothing is left to do"


async def test_idempotency_keys_map_to_their_requests_and_die_when_they_would_have(world: World) -> None:
    before = await some_life(world)
    await lose_nats(world)
    await recover(world)
    bucket = Bucket(world.clients["gateway"], subjects.KEYS)
    for number in range(6):
        entry = await bucket.get(f"key{number}")
        record = msgspec.json.decode(entry.value or b"", type=KeyRecord)
        assert (record.body_sha256, before[record.rid].key_digest) == (f"body{number}", f"key{number}")
        assert entry.revision > 10**12, "over all that there ever was"
    stored = await get(world.clients["gateway"], KEYS_STREAM, last="$KV.ws_keys.key0")
    assert stored is not None
    assert 24 * 3600 - 120 < int(stored.headers[subjects.TTL].removesuffix("s")) <= 24 * 3600


async def die_at_every_step(world: World, record: bool = False) -> int:
    """Run the recovery again and again, each time a step further, until it comes to its end; how often it has died.
    `record`: each time what it has appended is recorded before the next one."""
    died = 0
    while True:
        async with recovery(world, Fuse(died + 1)) as here:
            try:
                await here.run(alone=True)
            except Killed:
                died += 1
            else:
                return died
        if await world.value("SELECT count(*) FROM recoveries WHERE completed_at IS NULL"):
            assert await halted(world), "nothing is admitted or decided before the end"
            if record and await info_of(world.history, subjects.REQUESTS) and await epoch_of(world) == 2:
                async with world.pool.acquire() as connection:
                    await record_rest(world.history, connection, subjects.REQUESTS)


@pytest.mark.timeout(600)  # more than a hundred recoveries
async def test_killed_at_any_step_and_run_again_it_finishes_right(world: World) -> None:
    before = await some_life(world)
    await lose_nats(world)
    assert await die_at_every_step(world) > 100
    assert await epoch_of(world) == 2, "it is one recovery all the time"
    await check_recovered(world, before)
    await clean(world)


async def test_killed_while_it_lets_everybody_in_again_it_finishes_right(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At any of the fences that it takes down, and between the last steps."""
    before = await some_life(world)
    await lose_nats(world)
    for last in range(1, 9):
        with monkeypatch.context() as patch:
            fuse = Fuse(last + 1)
            patch.setattr(recovery_streams, "take_down_fence", functools.partial(fuse.call, take_down_fence))
            with pytest.raises(Killed):
                await recover(world)
        assert await halted(world) == (last > 1)
    steps: list[tuple[object, str]] = [(recovery_log, "complete"), (Streams, "lift_halt")]
    for where, step in steps:
        with monkeypatch.context() as patch:
            patch.setattr(where, step, functools.partial(Fuse(1).call, None))
            with pytest.raises(Killed):
                await recover(world)
        assert await halted(world)
    await recover(world)
    await check_recovered(world, before)


@pytest.mark.timeout(600)  # more than a hundred recoveries
async def test_killed_at_any_step_it_keeps_what_only_the_replaced_stream_knows(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refilling, "AT_ONCE", 1)  # each append is a step
    recorders = world.record()
    kept = await world.request().accept()
    await kept.assign()
    await stop_recording(world, recorders)
    aside = await photograph(world)
    recorders = world.record()
    await world.live(12)
    await stop_recording(world, recorders)
    await bring_back(world, aside)
    fresh, done = await world.request().accept(), await world.request().accept()
    await done.assign()
    for request in (kept, done):
        await request.succeed()
    await die_at_every_step(world, record=True)
    after = await world.states()
    assert {after[request.rid].status for request in (kept, done)} == {"succeeded"}
    assert after[fresh.rid].status == "queued"
    await clean(world)


async def test_when_nats_is_lost_again_and_again_meanwhile_it_still_finishes_right(world: World) -> None:
    before = await some_life(world)
    chance = random.Random(11)
    for _ in range(5):
        await lose_nats(world)
        with contextlib.suppress(Killed):
            async with recovery(world, Fuse(chance.randrange(60, 200))) as here:
                await here.run(alone=True)
    await lose_nats(world)
    done = await recover(world)
    assert done is not None
    assert done.epoch > 2, "of what was recorded in an epoch that is lost, nothing comes a second time"
    await check_recovered(world, before, done.epoch)


async def test_provisioning_waits_for_a_recovery_that_has_begun(world: World) -> None:
    await some_life(world)
    await lose_nats(world)
    with pytest.raises(RecoveryNeeded, match="REQUESTS, CONNECTIONS, DIRECTORY, KV_ws_keys are gone"):
        await provision_all(settings_of(world))
    for at in (40, 90):
        async with recovery(world, Fuse(at)) as here:
            with pytest.raises(Killed):
                await here.run(alone=True)
    with pytest.raises(RecoveryNeeded, match="has begun epoch 2"):
        await provision_all(settings_of(world))
    assert "unfinished recovery: of epoch 2" in (await verify(world.servers.database_url)).findings
    await recover(world)
    assert await provision_all(settings_of(world)) == []
    assert await epoch_of(world) == 2


async def test_two_recoveries_at_once_are_one(world: World) -> None:
    await some_life(world)
    await lose_nats(world)
    async with recovery(world) as one, recovery(world) as other:
        done = await asyncio.gather(one.run(alone=True), other.run(alone=True), return_exceptions=True)
    assert sorted(type(result).__name__ for result in done) == ["Recovered", "RecoveryRunning"]


async def test_until_it_is_complete_nobody_else_can_write(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gateways, registries and dispatchers may run, and may not have heard that they are to stop."""
    await some_life(world)
    lost = world.request()
    await lost.accept()  # accepted, and never recorded
    closed = next(rid for rid, state in (await world.states()).items() if not state.open)
    await lose_nats(world)

    async def dead(_: Streams) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Streams, "open_all", dead)
        with pytest.raises(Killed):
            await recover(world)
    again = world.request()
    again.rid = closed
    for request in (world.request(), again):
        with pytest.raises(Undecided):
            await append(world.clients["gateway"], request_record(request.acceptance()), 0.5)
    with pytest.raises(NatsUnavailable):
        await Bucket(world.clients["gateway"], subjects.KEYS).create("key9", b"{}")
    with pytest.raises(Undecided):
        await People(world.clients["registry"]).arrive("eve")
    await recover(world)
    await world.request().accept()
    await People(world.clients["registry"]).arrive("eve")
    await Bucket(world.clients["gateway"], subjects.KEYS).create("key9", b"{}")


async def test_with_services_running_it_waits_until_nobody_tries_appends_of_before(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recover_module, "SETTLE_S", 3.0)
    await some_life(world)
    last = max(message.time_ns for message in await world.stored())
    await lose_nats(world)
    await recover(world, alone=False)
    request = await world.request().accept()
    (opened,) = [message for message in await world.stored() if message.seq == request.seq]
    assert opened.time_ns - last >= 3e9


async def test_an_append_that_is_repeated_after_it_finds_the_restored_request(world: World) -> None:
    recorders = world.record()
    request = world.request()
    accepted = request.acceptance()
    await request.write(accepted)
    await stop_recording(world, recorders)
    await lose_nats(world)
    await recover(world)
    with pytest.raises(Superseded) as found:
        await append(world.clients["gateway"], request_record(accepted))
    assert ".restored." in found.value.by.subject


# Streams that are there, and are not those of the log


async def test_what_only_the_replaced_stream_knows_is_kept(world: World) -> None:
    """The log has recorded events that the stream has lost, and the stream has gone on without them."""
    recorders = world.record()
    kept, closed = await world.request().accept(), await world.request().accept()
    await kept.assign()
    await stop_recording(world, recorders)
    aside = await photograph(world)
    recorders = world.record()
    for _ in range(5):
        await world.request().accept()
    await closed.assign()
    await closed.fail()
    await stop_recording(world, recorders)
    before = await world.states()
    await bring_back(world, aside)

    fresh, other, done = [await world.request().accept(key_digest=key) for key in ("fresh", "other", "done")]
    await done.assign()
    await done.succeed(b'{"seen":true}')
    await kept.succeed(b'{"late":true}')
    closed.seq = 2
    await closed.cancel()
    outlook = await look(world)
    assert outlook.anew is not None
    assert "of another instant" in outlook.anew.streams[subjects.REQUESTS]
    assert outlook.left[subjects.REQUESTS] == 7

    recovered = await recover(world)
    assert recovered is not None
    assert (recovered.requests, recovered.outcomes, recovered.lost) == (7, 2, 0)
    after = await world.states()
    assert after[fresh.rid].status == "queued"
    assert bytes(after[done.rid].output) == b'{"seen":true}'
    assert bytes(after[kept.rid].output) == b'{"late":true}'
    assert after.keys() == {rid for rid, state in before.items() if state.open} | {fresh.rid, other.rid, done.rid}
    assert closed.rid not in after, "what the log knows to have ended has ended"
    assert (await Bucket(world.clients["gateway"], subjects.KEYS).get("fresh")).value is not None
    assert await world.value("SELECT count(*) FROM leftovers") == 7, "for who wants to know later"
    await clean(world)


async def test_a_stopped_platform_goes_on_by_itself_after_it(world: World) -> None:
    """The recorder runs all the time: it stops everybody, and records again once a new epoch has begun."""
    world.lead()
    await world.live(20)
    await recorded(world)
    aside = await photograph(world)
    await world.live(30)
    await recorded(world)
    before = await world.states()
    await bring_back(world, aside)
    await until(lambda: halted(world), "the recorder stops everybody")
    seen = await world.request().accept()
    done = await recover(world)
    assert done is not None
    assert not await halted(world)
    after = await world.states()
    assert after.keys() == {rid for rid, state in before.items() if state.open} | {seen.rid}
    await world.live(20)
    await recorded(world)
    await clean(world)
    assert not await halted(world), "and nobody is stopped again"


async def test_a_recorder_that_says_late_that_everybody_is_to_stop_takes_it_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await some_life(world)
    await lose_nats(world)
    recorder = Recorder(world.history, world.pool, subjects.REQUESTS)
    monkeypatch.setattr(recorder_module, "CHECK_S", 0.1)
    late = StreamReplaced("late", (1, 1))
    await recover(world)
    world.spawn(recorder._halt(late))
    await until(lambda: halted(world), "it says so")

    async def taken_back() -> bool:
        return not await halted(world)

    await until(taken_back, "it has seen that all was recovered since")


async def test_a_stop_without_a_reason_is_lifted(world: World) -> None:
    await some_life(world)
    await Bucket(world.history, subjects.LIVE).put(subjects.HALTED_KEY, b"for no reason")
    outlook = await look(world)
    assert (outlook.anew, outlook.halted) == (None, True)
    assert await recover(world) is None
    assert not await halted(world)


async def test_only_what_is_lost_begins_anew(world: World) -> None:
    before = await some_life(world)
    people = directory_of(await world.stored(subjects.DIRECTORY))
    await delete_streams(world, subjects.DIRECTORY)
    done = await recover(world)
    assert done is not None
    assert (done.streams, done.directory, done.requests) == ([subjects.DIRECTORY], 10, 0)
    assert [await epoch_of(world, stream) for stream in (subjects.DIRECTORY, subjects.REQUESTS)] == [2, 1]
    assert directory_of(await world.stored(subjects.DIRECTORY))[1] == people[1]
    assert await world.states() == before
    await clean(world)


async def test_lost_idempotency_keys_alone_are_written_again(world: World) -> None:
    before = await some_life(world)
    await delete_streams(world, KEYS_STREAM)
    with pytest.raises(RecoveryNeeded, match="KV_ws_keys is gone"):
        await provision_all(settings_of(world))
    done = await recover(world)
    assert done is not None
    assert (done.streams, done.keys) == ([], 6)
    assert (await Bucket(world.clients["gateway"], subjects.KEYS).get("key0")).value is not None
    assert await world.states() == before


async def test_a_second_loss_after_a_recovery_begins_the_next_epoch(world: World) -> None:
    await some_life(world)
    await lose_nats(world)
    await recover(world)
    recorders = world.record()
    await world.live(12)
    (running, *_) = [rid for rid, state in (await world.states()).items() if state.attempt == 1]
    before = await world.states()
    await stop_recording(world, recorders)
    await lose_nats(world)
    done = await recover(world)
    assert done is not None
    assert running in before
    assert (done.epoch, (await world.stored())[0].seq > 2 * MARGIN) == (3, True)
    assert {rid: past(state) for rid, state in (await world.states()).items()} == {
        rid: past(state) for rid, state in before.items() if state.open
    }
    assert len(await world.stored(subjects.DIRECTORY)) == 10
    await clean(world)


async def test_a_request_whose_input_is_lost_is_named_and_keeps_nobody_waiting(world: World) -> None:
    before = await some_life(world)
    lost = next(rid for rid, state in before.items() if state.open)
    sha = await world.value("SELECT payload_sha FROM event_log WHERE rid = $1 AND type = 'accepted'", lost)
    await world.execute("DELETE FROM payloads WHERE sha256 = $1", sha)
    await lose_nats(world)
    done = await recover(world)
    assert done is not None
    assert (done.lost, done.findings) == (1, [f"not restored: its input is not in the log (request {lost})"])
    assert (await world.states()).keys() == {rid for rid, state in before.items() if state.open and rid != lost}
    assert (
        f"stranded request: {lost} is open in epoch 1, which has ended"
        in (await verify(world.servers.database_url)).findings
    )


async def test_it_does_not_depend_on_the_read_table(world: World) -> None:
    before = await some_life(world)
    await world.execute("DELETE FROM requests")
    await lose_nats(world)
    await recover(world)
    assert (await world.states()).keys() == {rid for rid, state in before.items() if state.open}
    await rebuild(world.servers.database_url)
    await clean(world)


async def test_history_tells_the_whole_story_over_all_epochs(world: World) -> None:
    recorders = world.record()
    request = await world.request().accept()
    await request.assign()
    await stop_recording(world, recorders)
    await lose_nats(world)
    await recover(world)
    world.record()
    request.seq = (await world.stored())[-1].seq
    await request.assign()
    await request.succeed()
    await recorded(world)
    chain = await Queries(world.pool).chain(GetChain(rid=request.rid))
    links = [(codec.requests.decode(bytes(event.data)), event.seq, event.at) for event in chain.events]
    assert [type_of(link[0]) for link in links] == ["accepted", "assigned", "restored", "assigned", "succeeded"]
    assert fold(links) == (await world.states())[request.rid], "read whole, or only the end that the stream has"


async def test_the_owner_of_a_partition_gets_equal_state_from_log_and_stream(world: World) -> None:
    await some_life(world)
    await lose_nats(world)
    await recover(world)
    world.record(subjects.REQUESTS)
    await world.live(24)
    await recorded(world)
    from_stream = [seen((await rebuilt(world, part))[0]) for part in range(ids.PARTS)]
    await serve(world.history, "history", "for this test", Queries(world.pool).operations())
    from_log = [await rebuilt(world, part) for part in range(ids.PARTS)]
    assert [seen(partition) for partition, _ in from_log] == from_stream
    last = (await stream_info(world.history, subjects.REQUESTS)).state.last_seq
    assert {from_seq for _, from_seq in from_log} == {last + 1}, "it was the log that was read"


async def test_trimming_goes_on_in_the_new_epoch(world: World) -> None:
    recorders = world.record()
    stranded = await world.request().accept()
    await stop_recording(world, recorders)
    await world.execute("DELETE FROM payloads")
    await lose_nats(world)
    done = await recover(world)
    assert done is not None
    assert done.lost == 1
    world.record(subjects.REQUESTS)
    request = await world.request(stranded.space).accept()
    await request.fail()
    await recorded(world)
    trimmer = Trimmer(world.history, world.pool, ServerClock(), 600.0, lambda: False)
    await trimmer.trim((await world.stored())[-1].time_ns + int(610e9))
    assert await world.stored() == [], "what an epoch that has ended left open holds nothing back"


async def test_what_is_missing_at_the_end_of_a_former_epoch_is_found(world: World) -> None:
    await some_life(world)
    last = await world.value("SELECT seq FROM log_position WHERE stream = 'CONNECTIONS'")
    await lose_nats(world)
    await recover(world)
    await world.execute("DELETE FROM event_log WHERE stream = 'CONNECTIONS' AND seq = $1", last)
    assert (await verify(world.servers.database_url)).findings == [
        f"gap: CONNECTIONS should end at {last} but ends at {last - 1}"
    ]
