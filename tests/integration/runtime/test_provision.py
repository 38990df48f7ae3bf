"""`spaces provision` on a real nats-server, with the provisioner's own rights, and a real PostgreSQL."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from nats.js.errors import NotFoundError

from services.history.database import connect
from services.history.migrations import migrate
from tests.support.servers import Servers
from tests.support.stack import spaces
from tests.support.waiting import until

STREAMS = [
    *("REQUESTS", "CONNECTIONS", "DIRECTORY", "OUTPUT", "KV_ws_live", "KV_ws_leases", "KV_ws_claims", "KV_ws_keys"),
    *("KV_ws_sessions", "KV_ws_sign_ins", "KV_ws_key_uses", "OBJ_ws_files"),
]


@pytest.fixture
def servers() -> Iterator[Servers]:
    with Servers() as servers:
        yield servers


def provision(servers: Servers, user: str = "provisioner") -> tuple[int, str, str]:
    done = spaces("provision", WS_NATS_URL=servers.nats_url(user), WS_DATABASE_URL=servers.database_url)
    return done.returncode, done.stdout, done.stderr


def test_it_makes_everything_once_and_is_harmless_again(servers: Servers) -> None:
    exit_code, made, _ = provision(servers)
    assert exit_code == 0
    assert [line for line in made.splitlines() if "made 0" not in line] == [f"made {name}" for name in STREAMS]
    assert "made 0001_event_log" in made
    assert provision(servers) == (0, "nothing to do\n", "")


async def test_an_empty_nats_beside_a_log_that_is_not_empty_is_refused(servers: Servers) -> None:
    await migrate(servers.database_url)
    connection = await connect(servers.database_url)
    await connection.execute("INSERT INTO log_position (stream, epoch, first_seq, seq) VALUES ('REQUESTS', 1, 1, 5)")
    await connection.close()
    exit_code, made, error = provision(servers)
    assert (exit_code, made) == (1, "")
    gone = "REQUESTS, CONNECTIONS, DIRECTORY, KV_ws_keys"
    assert error.startswith(f"spaces: the streams {gone} are gone from NATS but the log in PostgreSQL is not: ")
    assert "run `spaces recover`" in error
    nc = await servers.connect("operator")
    with pytest.raises(NotFoundError):
        await nc.jetstream().stream_info("REQUESTS")
    await nc.close()


def test_another_nats_user_has_no_right_to_do_it(servers: Servers) -> None:
    exit_code, _, error = provision(servers, "gateway")
    assert exit_code == 1
    assert error.startswith("spaces: ")
    assert error.count("\n") == 1


def test_what_does_not_answer_is_named_in_one_line(servers: Servers) -> None:
    no_database = spaces(
        "provision", WS_NATS_URL=servers.nats_url("provisioner"), WS_DATABASE_URL="postgresql://127.0.0.1:1/x"
    )
    assert (no_database.returncode, no_database.stderr.count("\n")) == (1, 1)
    assert no_database.stderr.startswith("spaces: PostgreSQL: ")
    no_nats = spaces("provision", WS_NATS_URL="nats://127.0.0.1:1", WS_DATABASE_URL=servers.database_url)
    assert (no_nats.returncode, no_nats.stderr.count("\n")) == (1, 1)
    assert no_nats.stderr.startswith("spaces: NATS: ")


async def test_it_waits_for_servers_that_start_later(servers: Servers) -> None:
    settings: dict[str, Any] = {"WS_NATS_URL": servers.nats_url("provisioner"), "WS_DATABASE_URL": servers.database_url}
    await asyncio.to_thread(servers.nats.stop)
    waiting = asyncio.create_task(asyncio.to_thread(lambda: spaces("provision", "--wait", "120", **settings)))
    connection = await connect(servers.database_url)

    async def migrated() -> bool:
        return await connection.fetchval("SELECT to_regclass('event_log')") is not None

    await until(migrated, "PostgreSQL's part is done")
    await connection.close()
    await asyncio.to_thread(servers.nats.start)
    done = await waiting
    assert (done.returncode, done.stderr) == (0, "")
    assert "made REQUESTS" in done.stdout


def test_a_missing_setting_is_named() -> None:
    refused = spaces("provision")
    assert refused.returncode == 2
    assert "WS_DATABASE_URL" in refused.stderr
