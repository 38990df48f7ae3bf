"""One of three NATS servers fails under load: a stall, no more. Nothing that was accepted is lost, each request has one
outcome, and agents keep what they run."""

import asyncio
import contextlib
import os
import signal
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import httpx
import pytest
from nats.aio.client import Client as Nats

from services.contracts import subjects
from services.local.home import Home
from services.local.servers import nats_servers
from services.runtime import bus
from services.runtime.topology import KEYS_STREAM, LIVE_STREAM
from tests.support.cluster import healthy, leader_of, move_leader
from tests.support.stack import Stack, fresh_home, spaces
from tests.support.world import Client, agent, client, marker, ready, recorded, types, until

LANES = 8
SOME = 20
PAUSE_S = 12.0
"""Longer than any election takes."""


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    options = ["--nats-servers", "3", "--gateways", "2", "--dispatchers", "2", "--no-demo"]
    with fresh_home() as home, Stack(home, *options) as stack:
        yield stack


@pytest.fixture
async def operator(stack: Stack) -> AsyncIterator[Nats]:
    """Each test begins when what the one before it has harmed is whole again."""
    await ready(stack)
    nc = await bus.connect(stack.ready.nats_url, "operator", "test")
    await healthy(nc)
    yield nc
    await nc.close()


class Load:
    """Many clients that submit one request after the other at either gateway. Each tries the same key again until its
    request is accepted."""

    def __init__(self, gateways: list[Client]) -> None:
        self._gateways = gateways
        self.accepted: list[str] = []
        self._ending = False

    async def run(self) -> None:
        await asyncio.gather(*(self._lane(number) for number in range(LANES)))

    async def end(self, running: asyncio.Task[None]) -> None:
        self._ending = True
        await running

    async def more(self) -> None:
        """Return when some more have been accepted since this was called."""
        wanted = len(self.accepted) + SOME

        async def accepted() -> bool:
            return len(self.accepted) >= wanted

        await until(accepted, "requests are accepted")

    async def _lane(self, number: int) -> None:
        while not self._ending:
            self.accepted.append(await self._submit(number, uuid.uuid4().hex))

    async def _submit(self, number: int, key: str) -> str:
        turn = number
        while True:
            gateway = self._gateways[turn % len(self._gateways)]
            turn += 1
            with contextlib.suppress(httpx.TransportError):
                path, body = "/v1/spaces/demo/requests", {"input": {"n": number, "hold_s": 0.02}}
                response = await gateway.http.post(path, json=body, headers={"Idempotency-Key": key})
                if response.status_code < 500:
                    assert response.is_success, response.text
                    return str(response.json()["id"])
            await asyncio.sleep(0.2)


Fault = Callable[[Stack, Nats], Awaitable[None]]


async def killed(stack: Stack, operator: Nats) -> None:
    os.kill(await leading(stack, operator), signal.SIGKILL)


async def restarted(stack: Stack, operator: Nats) -> None:
    os.kill(await leading(stack, operator), signal.SIGTERM)


async def paused(stack: Stack, operator: Nats) -> None:
    pid = await leading(stack, operator)
    os.kill(pid, signal.SIGSTOP)
    await asyncio.sleep(PAUSE_S)
    os.kill(pid, signal.SIGCONT)


async def stepped_down(stack: Stack, operator: Nats) -> None:
    for stream in (subjects.REQUESTS, KEYS_STREAM, LIVE_STREAM, f"KV_{subjects.LEASES}"):
        await move_leader(operator, stream)


async def leading(stack: Stack, operator: Nats) -> int:
    """The process of the server that leads REQUESTS."""
    name = await leader_of(operator, subjects.REQUESTS)
    servers = nats_servers(Home(stack.home), 3, lambda _: 0)
    return dict(zip((server.name for server in servers), stack.pids("nats"), strict=True))[name]


@pytest.mark.parametrize("fault", [stepped_down, restarted, killed, paused])
async def test_nothing_accepted_is_lost_and_what_runs_goes_on(stack: Stack, operator: Nats, fault: Fault) -> None:
    directory = stack.home / fault.__name__
    directory.mkdir()
    async with client(stack, 0) as one, client(stack, 1) as other:
        with agent(stack, "marked", name="slow", slots=1):
            long = await one.submit({"directory": str(directory)})
            await marker(directory / "started-1", "the handler has started")
            with agent(stack, "counted", name="quick", slots=8):
                load = Load([one, other])
                running = asyncio.create_task(load.run())
                await load.more()
                await fault(stack, operator)
                await load.more()
                await load.end(running)
                for rid in load.accepted:
                    assert (await other.finished(rid))["status"] == "succeeded"
            (directory / "go").touch()
            done = await one.finished(long["id"])
    assert (done["status"], done["attempt"]) == ("succeeded", 1)
    assert len(set(load.accepted)) == len(load.accepted), "each key has a request of its own"
    chains = await recorded(stack, {*load.accepted, long["id"]})
    for chain in chains.values():
        assert types(chain).count("succeeded") == 1
    verified = await asyncio.to_thread(spaces, "log", "verify", "--home", str(stack.home))
    assert verified.returncode == 0, verified.stdout + verified.stderr
