"""The embedded PostgreSQL as a process: where its data is, who it runs as, and what survives."""

import asyncio
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from services.local.account import SHARED
from services.local.errors import HomeDamaged, PortInUse
from services.local.postgres import PostgresServer
from services.local.postgres_install import find_postgres
from tests.support.own_ports import own_port

AS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not AS_ROOT, reason="only root has to run PostgreSQL as somebody else")


class Fixture:
    """Makes servers on one home, and ends them all."""

    def __init__(self, home: Path) -> None:
        self.home, self.made = home, list[PostgresServer]()

    def server(self, port: int = 0) -> PostgresServer:
        log = self.home / "postgres.log"
        self.made.append(PostgresServer(self.home / "postgres", port or own_port(), "pass'word", log, durable=False))
        return self.made[-1]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Fixture]:
    """Its directory is one that no other user can enter, since pytest makes it for us alone."""
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    fixture = Fixture(home)
    yield fixture
    for server in fixture.made:
        server.destroy()


async def query(server: PostgresServer, sql: str) -> list[tuple[Any, ...]]:
    connection = await asyncpg.connect(server.url)
    try:
        return [tuple(row) for row in await connection.fetch(sql)]
    finally:
        await connection.close()


async def test_data_survives_a_restart_and_a_kill(make: Fixture) -> None:
    server = make.server()
    server.start()
    await query(server, "CREATE TABLE kept (x int)")
    server.stop()
    server.start()
    await query(server, "INSERT INTO kept VALUES (1)")
    busy = asyncio.create_task(query(server, "SELECT pg_sleep(60)"))  # its backend outlives the server for a moment
    while await query(server, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'") != [(1,)]:
        await asyncio.sleep(0.01)
    os.kill(server.pid, signal.SIGKILL)
    server.start()
    assert await query(server, "SELECT x FROM kept") == [(1,)]
    with pytest.raises((asyncpg.PostgresConnectionError, OSError)):
        await busy


async def test_a_server_left_by_a_killed_parent_is_ended_first(make: Fixture) -> None:
    left, again = make.server(), make.server()
    left.start()
    again.start()
    assert left.poll() is not None
    assert await query(again, "SELECT 1") == [(1,)]


def test_a_lock_file_whose_process_id_is_used_again_does_not_block(make: Fixture) -> None:
    server = make.server()
    server.start()
    data = server._base() / "data"
    lock = (data / "postmaster.pid").read_text()
    server.stop()
    account = data.stat()
    with subprocess.Popen(["sleep", "60"], user=account.st_uid) as stranger:
        (data / "postmaster.pid").write_text("\n".join([str(stranger.pid), *lock.splitlines()[1:]]) + "\n")
        server.start()
        assert stranger.poll() is None
        stranger.kill()


async def test_the_role_owns_its_database_and_nothing_else(make: Fixture) -> None:
    server = make.server()
    server.start()
    [role] = await query(
        server,
        """SELECT current_user::text, rolsuper, rolcreaterole, rolcreatedb, rolreplication, datname::text,
                  pg_encoding_to_char(encoding)::text, datcollate::text
           FROM pg_roles, pg_database WHERE rolname = current_user AND datdba = pg_roles.oid""",
    )
    assert role == ("history", False, False, False, False, "spaces", "UTF8", "C")


async def test_nobody_else_gets_in(make: Fixture) -> None:
    server = make.server()
    server.start()
    for user, database, password in [
        ("history", "spaces", "wrong"),
        ("postgres", "spaces", "pass'word"),
        ("history", "postgres", "pass'word"),
    ]:
        with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
            await asyncpg.connect(host=server.host, port=server.port, user=user, database=database, password=password)


def test_a_taken_port_is_named(make: Fixture, tmp_path: Path) -> None:
    server = make.server()
    server.start()
    other = PostgresServer(tmp_path / "other", server.port, "p", tmp_path / "log", durable=False)
    try:
        with pytest.raises(PortInUse, match=str(server.port)):
            other.start()
    finally:
        other.destroy()


def test_no_permission_of_a_parent_is_changed(make: Fixture) -> None:
    make.home.parent.chmod(0o700)
    parents = {path: (path.stat().st_mode, path.stat().st_uid) for path in [make.home, *make.home.parents]}
    server = make.server()
    server.start()
    assert {path: (path.stat().st_mode, path.stat().st_uid) for path in parents} == parents


@needs_root
async def test_below_a_private_directory_it_runs_elsewhere_and_comes_back(make: Fixture) -> None:
    make.home.parent.chmod(0o700)
    server = make.server()
    server.start()
    assert Path(f"/proc/{server.pid}").stat().st_uid != 0
    base = Path((make.home / "postgres" / "location").read_text().strip())
    assert base.parent == SHARED
    assert stat.S_IMODE(base.stat().st_mode) == 0o700
    await query(server, "CREATE TABLE kept (x int)")
    server.stop()
    again = make.server()
    again.start()
    assert await query(again, "SELECT x FROM kept") == []
    again.destroy()
    assert not base.exists()


@needs_root
async def test_a_fresh_home_does_not_inherit_the_data_of_a_deleted_one(make: Fixture) -> None:
    make.home.parent.chmod(0o700)
    server = make.server()
    server.start()
    await query(server, "CREATE TABLE old (x int)")
    server.stop()
    (make.home / "postgres" / "location").unlink()
    again = make.server()
    again.start()
    assert await query(again, "SELECT to_regclass('old')") == [(None,)]


@needs_root
def test_data_that_has_gone_is_not_silently_made_anew(make: Fixture) -> None:
    make.home.parent.chmod(0o700)
    (make.home / "postgres").mkdir()
    (make.home / "postgres" / "location").write_text(str(make.home / "gone"))
    with pytest.raises(HomeDamaged, match="is gone"):
        make.server().start()


@needs_root
def test_in_an_open_directory_the_data_stays_in_the_home(make: Fixture) -> None:
    with tempfile.TemporaryDirectory(prefix="spaces-test-") as opened:
        make.home = Path(opened)
        make.home.chmod(0o755)
        make.server().start()
        assert (make.home / "postgres" / "cluster" / "data" / "PG_VERSION").exists()
        make.made[-1].destroy()


@needs_root
def test_programs_that_the_account_cannot_reach_are_copied(tmp_path: Path) -> None:
    """In a fresh interpreter whose PostgreSQL wheel is below a directory for root alone."""
    wheel = find_postgres().bin.parent.parent
    private, shared = tmp_path / "private", Path(tempfile.mkdtemp(prefix="spaces-test-"))
    private.mkdir(mode=0o700)
    shared.chmod(0o755)
    for name in (wheel.name, wheel.name + ".libs"):
        shutil.copytree(wheel.with_name(name), private / name, symlinks=True)
    script = (
        "import sys, pathlib, services.local.account as account\n"
        "account.SHARED = pathlib.Path(sys.argv[1])\n"
        "from services.local.postgres_install import find_postgres\n"
        "print(find_postgres(account.unprivileged_account()).bin)\n"
    )
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(private), *sys.path])}
    try:
        for _ in range(2):
            command = [sys.executable, "-c", script, str(shared)]
            shown = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
            assert shown.returncode == 0, shown.stderr
            assert Path(shown.stdout.strip()).is_relative_to(shared)
        assert len(list(shared.iterdir())) == 1
        assert stat.S_IMODE(private.stat().st_mode) == 0o700
    finally:
        shutil.rmtree(shared)
