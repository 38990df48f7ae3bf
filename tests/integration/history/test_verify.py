"""Verify and rebuild on a log that was really recorded, and then damaged."""

import asyncio

import pytest

from services.contracts import subjects
from services.history.database import connect
from services.history.reading import NotMigrated
from services.history.rebuild import RebuildRunning, rebuild
from services.history.requests import state_of
from services.history.statements import sql
from services.history.verify import Report, verify
from tests.support.history import Request, World


async def recorded(world: World) -> Request:
    """Some lives, and one that is named; all recorded."""
    world.record()
    await world.live(18)
    request = await world.request().accept(b'{"only":"here"}', files=("u1." + "a" * 32,))
    lease = await request.assign()
    await request.succeed(b'"alone"', output_file=f"{request.rid}.{lease}." + "b" * 32)
    await world.recorded()
    return request


async def check(world: World) -> Report:
    return await verify(world.servers.database_url)


async def test_what_was_recorded_is_clean(world: World) -> None:
    await recorded(world)
    seen: list[tuple[int, int]] = []
    report = await verify(world.servers.database_url, lambda done, total: seen.append((done, total)))
    assert report.clean, report.summary()
    assert (report.events, report.requests) == (len(await world.stored()), 19)
    assert report.summary() == f"{report.events} events of 19 requests: clean"
    assert seen[-1] == (report.events, report.events)


async def test_an_empty_log_is_clean(world: World) -> None:
    world.record()
    await world.recorded()
    assert (await check(world)).clean


async def test_verify_and_rebuild_are_right_while_events_are_recorded(world: World) -> None:
    world.record()
    async with world.living():
        for _ in range(8):
            report = await check(world)
            assert report.clean, report.summary()
            assert (await rebuild(world.servers.database_url)).clean
    await world.recorded()
    report = await check(world)
    assert report.clean, report.summary()
    assert report.requests == len(await world.states())


DAMAGES = {
    "a deleted event in the middle": (
        "DELETE FROM event_log WHERE rid = $1 AND type = 'assigned'",
        ("gap: REQUESTS of epoch 1", "broken chain", "wrong row", "wrong files"),
    ),
    "the log's last event deleted": (
        "DELETE FROM event_log WHERE rid = $1 AND type = 'succeeded'",
        ("gap: REQUESTS should end at", "wrong row: status", "wrong files"),
    ),
    "a changed status": ("UPDATE requests SET status = 'failed' WHERE rid = $1", ("wrong row: status",)),
    "a changed attempt": ("UPDATE requests SET attempt = 9 WHERE rid = $1", ("wrong row: attempt",)),
    "a changed state": (
        "UPDATE requests SET state = convert_to(replace(convert_from(state, 'UTF8'), 'alice', 'mallory'), 'UTF8')"
        " WHERE rid = $1",
        ("wrong row: state",),
    ),
    "a deleted row": ("DELETE FROM requests WHERE rid = $1", ("missing row",)),
    "a deleted file": (
        "DELETE FROM request_files WHERE rid = $1 AND file LIKE 'u1.%'",
        ("wrong files: 2 are referred to, the table has 1",),
    ),
    "a file that it has nothing to do with": (
        "INSERT INTO request_files (rid, file) VALUES ($1, 'u1')",
        ("wrong files: 2 are referred to, the table has 3",),
    ),
    "a broken chain": (
        "UPDATE event_log SET prev_seq = 3, data = convert_to("
        "regexp_replace(convert_from(data, 'UTF8'), '\"prev_seq\":\\d+', '\"prev_seq\":3'), 'UTF8')"
        " WHERE rid = $1 AND type = 'succeeded'",
        ("broken chain", "wrong row", "wrong files"),
    ),
    "a changed column of an event": (
        "UPDATE event_log SET prev_seq = 3 WHERE rid = $1 AND type = 'succeeded'",
        ("mislabeled event",),
    ),
    "a lost payload": (
        "DELETE FROM payloads USING event_log WHERE sha256 = payload_sha AND rid = $1 AND type = 'succeeded'",
        ("lost payload",),
    ),
    "a changed payload": (
        "UPDATE payloads SET data = '1' FROM event_log WHERE sha256 = payload_sha AND rid = $1 AND type = 'accepted'",
        ("damaged payload",),
    ),
    "a payload put in another's place": (
        "UPDATE event_log SET payload_sha ="
        " (SELECT payload_sha FROM event_log WHERE rid = $1 AND type = 'accepted') WHERE rid = $1 AND type = 'succeeded'",
        ("mislabeled event",),
    ),
    "a payload cut off": (
        "UPDATE event_log SET payload_sha = NULL WHERE rid = $1 AND type = 'succeeded'",
        ("mislabeled event",),
    ),
    "a conflict": (
        "INSERT INTO event_conflicts SELECT stream, epoch, 0, at, subject, data, 'why' FROM event_log"
        " WHERE rid = $1 AND type = 'accepted'",
        ("gap: REQUESTS should begin at 1", "conflict: REQUESTS 0 of epoch 1: why"),
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_verify_names(world: World, damage: str) -> None:
    request = await recorded(world)
    statement, expected = DAMAGES[damage]
    await world.execute(statement, request.rid)
    report = await check(world)
    assert not report.clean
    assert len(report.findings) == len(expected), report.summary()
    for finding, beginning in zip(report.findings, expected, strict=True):
        assert finding.startswith(beginning)
        assert finding in report.summary()


async def test_verify_names_files_of_requests_that_no_event_gave(world: World) -> None:
    await recorded(world)
    await world.execute("INSERT INTO request_files (rid, file) VALUES ($1, 'u1')", "f" * 34)
    assert (await check(world)).findings == [f"wrong row: request {'f' * 34} has no events"]


async def test_verify_names_rows_that_no_event_gave(world: World) -> None:
    await recorded(world)
    for rid in ("0" * 34, "f" * 34):
        await world.execute(
            "INSERT INTO requests SELECT $1, epoch, part, space, user_id, status, attempt, accepted_seq, accepted_at,"
            " completed_at, last_seq, state FROM requests LIMIT 1",
            rid,
        )
    report = await check(world)
    assert report.findings == [f"wrong row: request {rid} has no events" for rid in ("0" * 34, "f" * 34)]


async def test_the_directory_s_and_connections_log_is_checked_for_gaps(world: World) -> None:
    request = await recorded(world)
    for _ in range(3):
        await world.refuse(request.rid)
    await world.recorded(subjects.CONNECTIONS)
    assert (await check(world)).clean
    await world.execute("DELETE FROM event_log WHERE stream = 'CONNECTIONS' AND seq = 2")
    assert (await check(world)).findings == ["gap: CONNECTIONS of epoch 1 has nothing between 1 and 3"]


async def test_what_was_rebuilt_equals_what_was_produced_live(world: World) -> None:
    world.record()
    async with world.living():
        for _ in range(8):
            await world.execute("DELETE FROM requests WHERE rid IN (SELECT rid FROM requests ORDER BY rid LIMIT 5)")
            await world.execute("DELETE FROM request_files WHERE rid IN (SELECT rid FROM requests ORDER BY rid LIMIT 5)")
            await world.execute("INSERT INTO request_files VALUES ('f', 'f') ON CONFLICT DO NOTHING")
            assert (await rebuild(world.servers.database_url)).clean
    await world.recorded()
    states = await world.states()
    assert {"queued", "processing"} & {state.status for state in states.values()}
    assert {"succeeded", "failed", "canceled", "expired"} <= {state.status for state in states.values()}
    assert max(state.losses for state in states.values()) == 1
    live = await world.fetch("SELECT * FROM requests ORDER BY rid")
    referred = await world.fetch("SELECT * FROM request_files ORDER BY rid, file")
    assert len({row["file"] for row in referred}) > len(live) / 6
    result = await rebuild(world.servers.database_url)
    assert (result.requests, result.replaced, result.removed) == (len(states), 0, 0)
    await world.execute("DELETE FROM requests")
    await world.execute("DELETE FROM request_files")
    result = await rebuild(world.servers.database_url)
    assert (result.requests, result.replaced, result.removed) == (len(states), len(states) + len(referred), 0)
    assert await world.fetch("SELECT * FROM requests ORDER BY rid") == live
    assert await world.fetch("SELECT * FROM request_files ORDER BY rid, file") == referred
    blank = {rid: (state.status, state.attempt, state.seq, state.metadata) for rid, state in states.items()}
    rows = [state_of(row["state"]) for row in live]
    assert {row.rid: (row.status, row.attempt, row.seq, row.metadata) for row in rows} == blank


async def test_rebuilding_repairs_what_was_damaged(world: World) -> None:
    request = await recorded(world)
    await world.execute("UPDATE requests SET status = 'failed' WHERE rid = $1", request.rid)
    await world.execute("UPDATE requests SET rid = repeat('0', 34) WHERE rid = (SELECT min(rid) FROM requests)")
    result = await rebuild(world.servers.database_url)
    assert (result.requests, result.replaced, result.removed) == (19, 2, 1)
    assert result.summary() == "19 requests rebuilt, 2 rows replaced, 1 removed"
    assert (await check(world)).clean


async def test_rebuilding_names_chains_that_do_not_fold(world: World) -> None:
    request = await recorded(world)
    await world.execute("DELETE FROM event_log WHERE rid = $1 AND type = 'assigned'", request.rid)
    result = await rebuild(world.servers.database_url)
    assert not result.clean
    assert result.findings[0].startswith("broken chain")
    assert await world.value("SELECT status FROM requests WHERE rid = $1", request.rid) == "queued"


async def test_a_reader_never_sees_the_table_half_rebuilt(world: World) -> None:
    await recorded(world)
    counts: set[int] = set()
    await world.execute("UPDATE requests SET status = 'failed'")
    rebuilding = asyncio.create_task(rebuild(world.servers.database_url))
    while not rebuilding.done():
        counts.add(await world.value("SELECT count(*) FROM requests"))
    await rebuilding
    assert counts == {19}


async def test_two_rebuilds_at_once_are_refused(world: World) -> None:
    await recorded(world)
    other = await connect(world.servers.database_url)
    try:
        assert await other.fetchval(sql("rebuild_lock"), 0x5350_4143_0003)
        with pytest.raises(RebuildRunning):
            await rebuild(world.servers.database_url)
    finally:
        await other.close()


async def test_a_database_without_a_log_is_named(world: World) -> None:
    await world.servers.empty_database()
    with pytest.raises(NotMigrated):
        await verify(world.servers.database_url)
    with pytest.raises(NotMigrated):
        await rebuild(world.servers.database_url)
