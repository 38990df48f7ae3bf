"""PostgreSQL is away, or has lost its read table: users notice nothing, and the log is complete afterwards."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from services.contracts.ids import part_of_space
from tests.support.load import loading
from tests.support.partitions import dispatcher_pids, now_ns, watching
from tests.support.readers import Reader, check_whole, shown
from tests.support.stack import Stack, fresh_home, spaces
from tests.support.world import Event, agent, client, in_log, in_stream, marker, ready, types, until

AWAY_S = 20.0


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    replicas = ("--gateways", "2", "--dispatchers", "2", "--histories", "2")
    with fresh_home() as home, Stack(home, *replicas, "--no-demo") as stack:
        yield stack


@pytest.fixture(autouse=True)
async def recovered(stack: Stack) -> None:
    await ready(stack)


async def log_is_the_stream(stack: Stack) -> None:
    """Every event is in the log as it is in the stream, of which nothing has been trimmed yet; and the log is clean."""

    async def equal() -> bool:
        return but_for_payloads(await in_log(stack)) == but_for_payloads(await in_stream(stack))

    await until(equal, "the log has all that the stream has")
    verified = await asyncio.to_thread(spaces, "log", "verify", "--home", str(stack.home))
    assert verified.returncode == 0, verified.stdout + verified.stderr


def but_for_payloads(chains: dict[str, list[Event]]) -> dict[str, list[Event]]:
    """The chains without what the log keeps apart, by a hash that `verify` checks."""
    apart = {"input", "output"}
    return {
        rid: [event._replace(data={k: v for k, v in event.data.items() if k not in apart}) for event in chain]
        for rid, chain in chains.items()
    }


async def test_while_postgresql_is_away_users_go_on_and_afterwards_the_log_is_complete(stack: Stack) -> None:
    with agent(stack, "counted", slots=8):
        async with client(stack) as here, loading(stack) as load:
            await load.more(20)
            before = next(iter(load.accepted))
            with stack.without_postgres():
                begun, seen = time.monotonic(), len(load.accepted)
                answered = 0
                while time.monotonic() - begun < AWAY_S:
                    request = await here.submit({"n": answered, "hold_s": 0.01}, wait=10)
                    assert (request["status"], request["output"]["n"]) == ("succeeded", answered)
                    answered += 1
                assert (await here.finished(before))["status"] == "succeeded", "what came before can be read"
                assert await stack_is_without_postgres(stack), "it was away to the end"
                assert len(load.accepted) > seen
                assert load.refused == 0
            await load.more(20)
        await load.all_succeeded()
    await log_is_the_stream(stack)
    print(f"{answered} one after the other while PostgreSQL was away; slowest submission {load.slowest_s:.2f} s")


async def stack_is_without_postgres(stack: Stack) -> bool:
    """Whether nobody gets a connection."""
    try:
        await asyncpg.connect(stack.ready.database_url, timeout=2.0)
    except OSError:
        return True
    return False


async def test_output_is_streamed_and_canceled_while_postgresql_is_away(stack: Stack, tmp_path: Path) -> None:
    for n in range(2):
        (tmp_path / str(n)).mkdir()
    with agent(stack, "talking", slots=2, name="talker"):
        async with client(stack) as here:
            with stack.without_postgres():
                request, other = [await here.submit({"directory": str(tmp_path / str(n))}) for n in range(2)]
                reader = Reader(stack.ready.urls, stack.ready.api_key, request["id"])
                await reader.read(1, lambda seen: seen.event == "output" and len(reader.of("output")) > 20)
                assert (await here.act(other["id"], "cancel", wait=10))["status"] == "canceled"
                (tmp_path / "0" / "go").touch()
                await reader.follow()
                last = check_whole(reader.seen)
    assert (last["status"], last["output"]) == ("succeeded", shown(reader.seen))
    await log_is_the_stream(stack)


async def test_a_dispatcher_killed_while_postgresql_is_away_is_replaced_from_the_stream(
    stack: Stack, tmp_path: Path
) -> None:
    part = part_of_space(stack.ready.space)
    async with watching(stack) as partitions, client(stack) as here:
        with agent(stack, "marked", slots=1, name="patient"):
            running = await here.submit({"directory": str(tmp_path)})
            await marker(tmp_path / "started-1", "the handler has started")
            waiting = [await here.submit({"directory": str(tmp_path)}) for _ in range(5)]
            with stack.without_postgres():
                owner, at = partitions.owners[part], now_ns()
                os.kill(dispatcher_pids(stack)[owner], signal.SIGKILL)
                (tmp_path / "go").touch()
                first = await partitions.assigned_in({part}, at, owner)
                done = [await here.finished(request["id"]) for request in (running, *waiting)]
    print(f"taken over without the log: {(first[part] - at) / 1e9:.2f} s from the kill to the first assignment")
    assert [(request["status"], request["attempt"]) for request in done] == [("succeeded", 1)] * 6
    await log_is_the_stream(stack)
    chains = await in_log(stack, {request["id"] for request in done})
    assert all(types(chain) == ["accepted", "assigned", "succeeded"] for chain in chains.values())


async def rows(stack: Stack) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(stack.ready.database_url)
    try:
        return await connection.fetch("SELECT * FROM requests ORDER BY rid")
    finally:
        await connection.close()


async def wipe(stack: Stack) -> None:
    connection = await asyncpg.connect(stack.ready.database_url)
    try:
        await connection.execute("TRUNCATE requests")
    finally:
        await connection.close()


async def test_a_wiped_read_table_is_rebuilt_as_it_was_while_everything_goes_on(stack: Stack, tmp_path: Path) -> None:
    async with client(stack) as here:
        with agent(stack, "marked", slots=1, name="holder"):
            running, *waiting = [await here.submit({"directory": str(tmp_path)}) for _ in range(6)]
            await marker(tmp_path / "started-1", "the handler has started")
            await log_is_the_stream(stack)
            before, read = await rows(stack), [await shown_as(here, request["id"]) for request in waiting]
            await wipe(stack)
            for pid in stack.pids("dispatcher"):
                os.kill(pid, signal.SIGKILL)

            async def queued() -> bool:
                return [(await here.get(r["id"]))["queue"].get("position") for r in waiting] == list(range(1, 6))

            await until(queued, "whoever takes the partition over now knows what is open")
            assert [await shown_as(here, request["id"]) for request in waiting] == read
            rebuilt = await asyncio.to_thread(spaces, "log", "rebuild", "--home", str(stack.home))
            assert rebuilt.returncode == 0, rebuilt.stdout + rebuilt.stderr
            assert await rows(stack) == before
            (tmp_path / "go").touch()
            done = [await here.finished(request["id"]) for request in (running, *waiting)]
    assert [(request["status"], request["attempt"]) for request in done] == [("succeeded", 1)] * 6
    await log_is_the_stream(stack)


async def shown_as(here: Any, rid: str) -> dict[str, Any]:
    """A request as users read it, but for its place in the queue."""
    request: dict[str, Any] = await here.get(rid)
    return {name: value for name, value in request.items() if name != "queue"}
