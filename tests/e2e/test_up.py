"""`spaces up`: starting, stopping, starting again, and what happens when somebody dies."""

import functools
import itertools
import json
import os
import signal
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest

from services.local import stack as stacks
from services.local.guard import guarded
from services.local.home import Home
from services.local.supervise import Exits
from tests.support.own_ports import own_port
from tests.support.stack import Stack, eventually, fresh_home, running, spaces

REPLICAS = ("--gateways", "2", "--dispatchers", "2", "--registries", "2", "--histories", "2")


@pytest.fixture(scope="module")
def shared() -> Iterator[Stack]:
    """A stack for tests that leave it working."""
    with fresh_home() as home, Stack(home, *REPLICAS) as stack:
        yield stack


@pytest.fixture
def home() -> Iterator[Path]:
    with fresh_home() as path:
        yield path


def outcome(stack: Stack, text: str, gateway: int = 0) -> tuple[str, object]:
    request = stack.submit({"prompt": text}, gateway=gateway)
    return request["status"], request["output"]


def test_it_says_what_runs_and_the_demo_agent_answers_at_every_gateway(shared: Stack) -> None:
    ready = shared.ready
    assert [len(ready.pids[kind]) for kind in ("gateway", "registry", "dispatcher", "history", "nats")] == [2, 2, 2, 2, 1]
    assert ready.pids == {kind: shared.pids(kind) for kind in ready.pids}
    assert ready.url == ready.urls[0]
    for gateway in range(2):
        assert outcome(shared, f"at {gateway}", gateway) == ("succeeded", {"prompt": f"at {gateway}"})


def test_only_the_owner_reads_the_credentials(shared: Stack) -> None:
    assert stat.S_IMODE((shared.home / "credentials.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("kind", ["nats", "postgres", "history", "registry", "dispatcher", "gateway", "agent"])
def test_a_killed_child_is_started_again_where_it_was(shared: Stack, kind: str) -> None:
    before = shared.pids(kind)
    os.kill(before[0], signal.SIGKILL)
    after = eventually(
        lambda: [pid for pid in shared.pids(kind) if len(shared.pids(kind)) == len(before) and pid not in before],
        f"another process of {kind}",
    )
    assert len(after) == 1
    for gateway in range(2):
        eventually(functools.partial(answered, shared, kind, gateway), f"an answer after {kind} was killed")


def answered(stack: Stack, text: str, gateway: int) -> bool:
    """Whether a request is answered; while something starts again it may be refused, but by HTTP or not at all."""
    try:
        return outcome(stack, text, gateway) == ("succeeded", {"prompt": text})
    except (AssertionError, httpx.TransportError):
        return False


async def test_the_database_takes_no_connection_without_its_password(shared: Stack) -> None:
    url = shared.ready.database_url
    connection = await asyncpg.connect(url)
    assert await connection.fetchval("SELECT current_user") == "history"
    await connection.close()
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(url, password="wrong")


def test_a_second_one_on_the_same_home_is_refused_in_one_line(shared: Stack) -> None:
    refused = spaces("up", "--json", "--port", "0", "--home", str(shared.home))
    assert (refused.returncode, refused.stdout) == (2, "")
    assert (
        refused.stderr
        == f"spaces: {shared.home} is in use by another `spaces up`: stop that one, or choose another --home\n"
    )
    assert outcome(shared, "still there")[0] == "succeeded"


def test_a_port_in_use_is_told_in_one_line(shared: Stack, home: Path) -> None:
    port = shared.ready.url.rpartition(":")[2]
    refused = spaces("up", "--json", "--port", port, "--home", str(home))
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == (
        f"spaces: port {port} on 127.0.0.1 is in use: stop what uses it, or choose another with --port\n"
    )
    assert not running(home)


def test_an_address_of_another_machine_is_told_in_one_line(home: Path) -> None:
    refused = spaces("up", "--host", "192.0.2.1", "--home", str(home))
    assert refused.returncode == 2
    assert refused.stderr.startswith("spaces: cannot listen on 192.0.2.1 (")
    assert refused.stderr.count("\n") == 1


def test_a_home_that_cannot_be_made_is_told_in_one_line(home: Path) -> None:
    home.write_text("a file is in the way")
    refused = spaces("up", "--port", "0", "--home", str(home))
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith(f"spaces: cannot write to {home} (")
    assert refused.stderr.count("\n") == 1


def test_a_setting_with_a_typing_error_is_told_in_one_line(home: Path) -> None:
    refused = spaces("up", "--port", "0", "--home", str(home), WS_STREAM_KEPT="1000")
    assert refused.returncode == 2
    assert refused.stderr.startswith("spaces: unknown setting WS_STREAM_KEPT")


def test_a_restart_finds_everything_as_it_was(home: Path) -> None:
    port = own_port()
    with Stack(home, port=port) as first:
        rid = first.submit({"prompt": "before"})["id"]
        assert first.stop(signal.SIGTERM) == 0
    with Stack(home, port=port) as second:
        assert (second.ready.url, second.ready.api_key) == (first.ready.url, first.ready.api_key)
        assert (second.ready.agent_key, second.ready.admin) == (first.ready.agent_key, first.ready.admin)
        assert second.ready.database_url == first.ready.database_url
        assert second.get(rid)["output"] == {"prompt": "before"}
        assert outcome(second, "after") == ("succeeded", {"prompt": "after"})


async def test_a_port_that_is_taken_while_the_servers_start_is_left_to_who_has_it(home: Path) -> None:
    owned = Home(home)
    with owned.lock(), Exits().watched() as exits, guarded(owned):
        stack = stacks.Stack(owned, stacks.Options(home, port=0, demo=False), {}, exits, lambda *_: None)
        try:
            with socket.create_server(("127.0.0.1", stack.ports[0])) as other:
                ready = await stack.start()
                assert httpx.get(f"{ready.url}/readyz").status_code == 200
                assert urlsplit(ready.url).port != other.getsockname()[1]
                assert json.loads((home / "credentials.json").read_text())["url"] == ready.url
        finally:
            await stack.stop()


def test_without_the_demo_agent_a_request_waits(home: Path) -> None:
    with Stack(home, "--no-demo") as stack:
        assert stack.submit({"prompt": "?"}, wait=1)["status"] == "queued"
        assert stack.pids("agent") == []


def test_when_it_is_killed_nothing_stays_and_the_next_one_goes_on(home: Path) -> None:
    with Stack(home) as first:
        rid = first.submit({"prompt": "before"})["id"]
        first.kill()
        with Stack(home, port=int(first.ready.url.rpartition(":")[2])) as second:
            assert second.get(rid)["status"] == "succeeded"
            assert outcome(second, "after")[0] == "succeeded"
            second.kill()
            eventually(lambda: not running(home), "all children gone after SIGKILL of `spaces up`")


def test_when_its_guard_is_killed_too_the_next_one_ends_what_is_left(home: Path) -> None:
    with Stack(home) as first:
        guards = [int(line.split()[0]) for line in running(home) if "services.local.guard" in line]
        assert len(guards) == 1
        os.kill(guards[0], signal.SIGKILL)
        old = set(itertools.chain(*first.ready.pids.values()))
        first.kill()
        eventually(lambda: len(running(home)) == len(old), "the guard has ended, the others have not")
        with Stack(home, port=int(first.ready.url.rpartition(":")[2])) as second:
            left = [line for line in running(home) if int(line.split()[0]) in old]
            assert left == []
            assert outcome(second, "after")[0] == "succeeded"


@pytest.mark.parametrize("runs", ["nats-1", "postgres-1", "registry-1"])
def test_a_signal_while_it_is_starting_stops_it_cleanly(home: Path, runs: str) -> None:
    stack = Stack(home)
    stack.launch()
    eventually(lambda: f"  {runs} " in stack.errors, f"{runs} is starting")
    assert stack.stop() == 0
    with stack:
        assert outcome(stack, "later")[0] == "succeeded"


def test_a_second_signal_ends_it_at_once(home: Path) -> None:
    with Stack(home) as stack:
        os.kill(stack.pids("agent")[0], signal.SIGSTOP)  # so that stopping in order takes its time
        assert stack.stop(signal.SIGINT, signal.SIGTERM) == 1
        assert stack.errors.endswith("what still ran was killed (nothing that was accepted is lost)\n")
