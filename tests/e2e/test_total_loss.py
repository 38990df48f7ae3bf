"""NATS's data are gone: `spaces up` says what to do, `spaces recover` does it, and all that was accepted ends once."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.stack import ROOT, Stack, eventually, fresh_home, running, spaces
from tests.support.world import agent, client, in_stream, marker, recorded, types

SLOTS = 2
PARTS = ("nats", "postgres", "history", "registry", "dispatcher", "gateway")


@pytest.fixture
def stack() -> Iterator[Stack]:
    with fresh_home() as home, Stack(home, "--no-demo") as stack:
        yield stack


def lose_everything_but_postgresql(stack: Stack) -> None:
    """SIGKILL to all at once, and NATS's disk is gone."""
    pids = [pid for kind in PARTS for pid in stack.pids(kind)]
    stack.kill()
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    eventually(lambda: not of_the_stack(stack), "all of it has ended")
    shutil.rmtree(stack.home / "nats")


def of_the_stack(stack: Stack) -> list[str]:
    """What runs in the home, without the tests' own agents."""
    return [line for line in running(stack.home) if "spaces_agent" not in line]


def recover(stack: Stack, *options: str) -> subprocess.CompletedProcess[str]:
    return spaces("recover", "--home", str(stack.home), *options)


async def waiting(stack: Stack, directory: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Requests of all kinds: two that run, three that wait, one that is done. The open ones and the done one."""
    async with client(stack) as here:
        done = await here.submit({"directory": str(directory), "n": 9}, wait=30, headers={"Idempotency-Key": "nine"})
        (directory / "go").unlink()
        requests = [await here.submit({"directory": str(directory), "n": n}) for n in range(SLOTS)]
        for n in range(SLOTS):
            await marker(directory / f"started-{n}", f"{n} runs")
        for n in range(SLOTS, SLOTS + 3):
            headers = {"Idempotency-Key": f"key-{n}"}
            requests.append(await here.submit({"directory": str(directory), "n": n}, headers=headers))
        return requests, done


@pytest.mark.timeout(300)
async def test_every_request_survives_the_loss_of_nats(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "go").touch()
    with agent(stack, "patient", slots=SLOTS):
        requests, done = await waiting(stack, tmp_path)
        await recorded_up_to_now(stack, len(requests) + 1)
        lose_everything_but_postgresql(stack)

        with pytest.raises(AssertionError):
            stack.start()
        assert (stack.exit_code, "spaces recover --home" in stack.errors) == (2, True), stack.errors
        shown = recover(stack)
        assert (shown.returncode, "5 open requests" in shown.stderr) == (2, True), shown
        assert shown.stderr.endswith("spaces: nothing was changed: say --yes to recover\n")
        result = recover(stack, "--yes", "--json")
        assert result.returncode == 0, result.stderr
        values = json.loads(result.stdout)
        assert (values["epoch"], values["requests"], values["keys"], values["lost"]) == (2, 5, 4, 0)
        assert spaces("log", "verify", "--home", str(stack.home)).returncode == 0

        stack.start()
        for n in range(SLOTS):  # the agent came back with leases of an epoch that has ended
            await marker(tmp_path / f"ended-{n}", f"{n} was told to stop")
        assert {(tmp_path / f"ended-{n}").read_text() for n in range(SLOTS)} == {"canceled"}
        (tmp_path / "go").touch()
        async with client(stack) as here:
            answers = [await here.finished(request["id"]) for request in requests]
            assert [(answer["status"], answer["output"]) for answer in answers] == [
                ("succeeded", {"n": n}) for n in range(len(requests))
            ]
            assert [answer["attempt"] for answer in answers] == [2, 2, 1, 1, 1]
            assert [answer["created_at"] for answer in answers] == [request["created_at"] for request in requests]
            body = {"directory": str(tmp_path), "n": 9}
            assert (await here.submit(body, headers={"Idempotency-Key": "nine"}))["id"] == done["id"]
            again = await here.submit({"directory": str(tmp_path), "n": 3}, headers={"Idempotency-Key": "key-3"})
            assert again["id"] == requests[3]["id"]
            assert (await here.get(done["id"]))["output"] == done["output"], "what had ended is still shown"
    chains = await recorded(stack, {request["id"] for request in [*requests, done]})
    for request in requests[:SLOTS]:
        assert types(chains[request["id"]]) == ["accepted", "assigned", "restored", "assigned", "succeeded"]
    for request in requests[SLOTS:]:
        assert types(chains[request["id"]]) == ["accepted", "restored", "assigned", "succeeded"]
    assert done["id"] not in await in_stream(stack), "it was not accepted a second time"
    assert spaces("log", "verify", "--home", str(stack.home)).returncode == 0


async def recorded_up_to_now(stack: Stack, requests: int) -> None:
    """What is not in PostgreSQL when NATS's data go is lost with them."""
    everything = await in_stream(stack)
    assert len(everything) == requests

    def all_recorded() -> bool:
        report = spaces("log", "verify", "--home", str(stack.home), "--json")
        return bool(json.loads(report.stdout)["events"] == sum(map(len, everything.values())))

    await asyncio.to_thread(eventually, all_recorded, "everything is recorded")


def test_a_recovery_that_is_killed_is_taken_up_again(stack: Stack) -> None:
    requests = [stack.submit({"n": n}, wait=0) for n in range(40)]
    eventually(lambda: "40 requests" in spaces("log", "verify", "--home", str(stack.home)).stdout, "all are recorded")
    lose_everything_but_postgresql(stack)
    kill_recovery_at(stack, "events of the directory", 4, 4)
    with pytest.raises(AssertionError):
        stack.start()
    assert (stack.exit_code, "a recovery has begun epoch 2" in stack.errors) == (2, True), stack.errors
    kill_recovery_at(stack, "events of the directory", 4, 4)
    result = recover(stack, "--yes", "--json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["epoch"] == 2
    stack.start()
    assert {stack.get(request["id"])["status"] for request in requests} == {"queued"}
    assert spaces("log", "verify", "--home", str(stack.home)).returncode == 0


def kill_recovery_at(stack: Stack, *step: object) -> None:
    """Recover in a process that kills itself as soon as it has come to this step of its progress."""
    program = f"""
import os, signal
from services import recover_command
from services.cli import main

def progress(*step):
    if step == {step}:
        os.kill(os.getpid(), signal.SIGKILL)

recover_command._shown = lambda console: progress
main()
"""
    command = [sys.executable, "-c", program, "recover", "--yes", "--home", str(stack.home)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "agent")])}
    killed = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed
    eventually(lambda: not running(stack.home), "its servers have ended")
