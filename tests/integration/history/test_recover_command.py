"""`spaces recover` on servers that the environment names."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from services.history.recorder import FILTERS
from services.history.recover import SETTLE_S
from services.local.home import Home
from tests.support.history import World, world_on
from tests.support.recovery import epoch_of, halted, lose_nats
from tests.support.servers import Servers
from tests.support.stack import spaces


@pytest.fixture
async def world(servers: Servers) -> AsyncIterator[World]:
    async with world_on(servers) as world:
        await world.live(12)
        yield world


async def lose(world: World) -> None:
    """All is recorded, so long ago that nobody tries to append anything of it any more; then NATS loses its data."""
    recorders = world.record()
    for stream in FILTERS:
        await world.recorded(stream)
    for recorder in recorders:
        recorder.cancel()
    await asyncio.wait(recorders)
    await world.execute("UPDATE event_log SET at = at - $1", int(SETTLE_S * 1e9))
    await lose_nats(world)


async def recover(servers: Servers, *options: str, user: str = "recovery", **variables: str) -> tuple[int, str, str]:
    environment: dict[str, Any] = {"WS_NATS_URL": servers.nats_url(user), "WS_DATABASE_URL": servers.database_url}
    environment |= variables
    done = await asyncio.to_thread(spaces, "recover", *options, **environment)
    return done.returncode, done.stdout, done.stderr


async def test_nothing_is_changed_before_somebody_has_said_yes(world: World) -> None:
    await lose(world)
    status, output, error = await recover(world.servers)
    assert (status, output) == (2, "")
    assert "  REQUESTS: it is gone\n" in error
    assert "epoch 2" in error
    assert error.endswith("spaces: nothing was changed: say --yes to recover\n")
    assert await world.value("SELECT count(*) FROM recoveries") == 0
    with pytest.raises(Exception, match="stream not found"):
        await epoch_of(world)


async def test_what_was_done_is_told_to_people_and_to_programs(world: World) -> None:
    await lose(world)
    status, output, error = await recover(world.servers, "--yes", "--json")
    assert status == 0, error
    values: dict[str, Any] = json.loads(output)
    assert values.pop("reasons") == dict.fromkeys(values["streams"], "it is gone")
    assert values == {
        "needed": True,
        "epoch": 2,
        "streams": ["REQUESTS", "CONNECTIONS", "DIRECTORY"],
        "directory": 0,
        "requests": 2,
        "outcomes": 0,
        "keys": 0,
        "lost": 0,
        "findings": [],
    }
    assert await recover(world.servers) == (0, "nothing to recover: everybody goes on\n", "NATS has lost nothing\n")
    assert json.loads((await recover(world.servers, "--json"))[1]) == {"needed": False, "resumed": False}
    assert not await halted(world)


async def test_what_could_not_be_restored_is_named_and_ends_with_status_1(world: World) -> None:
    await lose(world)
    await world.execute("DELETE FROM payloads")
    status, output, _ = await recover(world.servers, "--yes")
    first, *findings = output.splitlines()
    assert (status, first) == (
        1,
        "epoch 2: 0 events of the directory, 0 open requests, 0 idempotency keys, 2 requests could not be restored",
    )
    assert len(findings) == 2
    assert all("not restored: its input is not in the log (request " in finding for finding in findings)


async def test_a_stream_that_is_too_small_is_told_and_the_next_run_goes_on(world: World) -> None:
    for _ in range(140):
        await world.request().accept(b'"' + b"x" * 120_000 + b'"')
    await lose(world)
    status, _, error = await recover(world.servers, "--yes", "--json", WS_STREAM_MAX_BYTES=str(16 * 1024 * 1024))
    assert status == 2
    assert error.endswith("raise WS_STREAM_MAX_BYTES, and run it again\n")
    status, output, error = await recover(world.servers, "--yes", "--json")
    assert (status, json.loads(output)["requests"]) == (0, 142), error
    assert len(await world.states()) == 142


async def test_what_does_not_let_us_in_is_named_in_one_line(world: World) -> None:
    for variables, server in (
        ({"user": "gateway"}, "NATS: "),
        ({"WS_NATS_URL": "nats://127.0.0.1:1"}, "NATS: "),
        ({"WS_DATABASE_URL": "postgresql://127.0.0.1:1/x"}, "PostgreSQL: "),
    ):
        status, output, error = await recover(world.servers, "--yes", **variables)
        assert (status, output, error.count("\n")) == (2, "", 1)
        assert error.startswith(f"spaces: {server}")


def test_a_home_where_nothing_has_ever_run_is_told_so(tmp_path: Path) -> None:
    refused = spaces("recover", "--home", str(tmp_path / "none"))
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "there is no database in" in refused.stderr
    assert not Home(tmp_path / "none").path.exists()
