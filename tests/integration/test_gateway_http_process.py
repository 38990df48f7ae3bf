"""The gateway as a process: its port, its drain, and what it answers while it stops."""

import asyncio
import os
import re
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator

import aiohttp
import msgspec
import pytest

from services.contracts import subjects
from services.runtime.jetstream import stream_info
from services.runtime.live import Liveness
from spaces_agent import frames
from tests.support.bus import Bus, running_bus, until
from tests.support.http_gateway import ADA, AGENT, fill_directory

LISTENING = re.compile(rb"listening on 127.0.0.1 port (\d+)")
DRAIN_DELAY_S = 5
"""So long a gateway that is told to stop serves on. A busy machine must get the calls below done within it, and an agent
must say hello within 10 s."""


class Process:
    """`python -m services.gateway.main` with its log."""

    def __init__(self, child: asyncio.subprocess.Process) -> None:
        self.child, self.log = child, b""

    @classmethod
    async def start(cls, bus: Bus, port: int = 0, **more: str) -> "Process":
        settings = {"WS_NATS_URL": bus.servers.nats_url("gateway"), "WS_HOST": "127.0.0.1", "WS_PORT": str(port)}
        env = {name: value for name, value in os.environ.items() if not name.startswith("WS_")} | settings | more
        command = (sys.executable, "-m", "services.gateway.main")
        child = await asyncio.create_subprocess_exec(*command, env=env, stderr=asyncio.subprocess.PIPE)
        return cls(child)

    async def port(self) -> int:
        """The port that it listens on, once its log says so."""
        assert self.child.stderr is not None
        async with asyncio.timeout(30):
            while (match := LISTENING.search(self.log)) is None:
                line = await self.child.stderr.readline()
                assert line, self.log
                self.log += line
        return int(match[1])

    async def ended(self) -> int:
        """Its exit code, with the rest of its log read."""
        assert self.child.stderr is not None
        self.log += await asyncio.wait_for(self.child.stderr.read(), 60)
        return await self.child.wait()

    async def kill(self) -> None:
        """End it if it still runs."""
        if self.child.returncode is None:
            self.child.kill()
            await self.child.wait()


@pytest.fixture
async def bus() -> AsyncIterator[Bus]:
    async with running_bus() as here:
        await fill_directory(here)
        yield here


async def test_a_port_in_use_is_said_in_one_line(bus: Bus) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = await Process.start(bus, port)
        try:
            assert await process.ended() == 1
        finally:
            await process.kill()
    errors = [line["message"] for line in map(msgspec.json.decode, process.log.splitlines()) if line["level"] == "error"]
    assert errors == [f"stopped: cannot listen on 127.0.0.1 port {port}: Address already in use"]


async def test_a_stopping_gateway_answers_who_waits_and_leaves(bus: Bus) -> None:
    process = await Process.start(bus)
    try:
        url = f"http://127.0.0.1:{await process.port()}"
        watcher = Liveness(nc := await bus.connect("gateway"), "gateway", "watcher")
        bus.spawn(watcher.watch())
        await until(lambda: len(watcher.alive("gateway")) == 1, "the gateway is live")
        async with aiohttp.ClientSession() as http:

            async def ready() -> bool:
                async with http.get(f"{url}/readyz") as answer:
                    return answer.status == 200

            async def waiting() -> tuple[int, dict[str, object]]:
                headers = {"Authorization": f"Bearer {ADA}", "Prefer": "wait=60"}
                async with http.post(f"{url}/v1/spaces/demo/requests", data=b'{"input":{}}', headers=headers) as answer:
                    return answer.status, await answer.json()

            async def accepted() -> bool:
                return (await stream_info(nc, subjects.REQUESTS)).state.messages == 1

            await until(ready, "ready")
            client = asyncio.create_task(waiting())
            await until(accepted, "accepted")
            process.child.send_signal(signal.SIGTERM)
            status, request = await asyncio.wait_for(client, 30)
        assert (status, request["status"], request["done"]) == (202, "queued", False)
        assert await process.ended() == 0
        await until(lambda: not watcher.alive("gateway"), "the gateway has withdrawn")
    finally:
        await process.kill()
    assert b'"level": "error"' not in process.log
    assert b"exception" not in process.log


async def test_a_gateway_that_is_to_stop_serves_on_until_others_have_noticed(bus: Bus) -> None:
    """Readiness ends first; then come `WS_DRAIN_DELAY`, the agents' goaway, and the end of the listener."""
    process = await Process.start(bus, WS_DRAIN_DELAY=str(DRAIN_DELAY_S))
    try:
        url = f"http://127.0.0.1:{await process.port()}"
        async with aiohttp.ClientSession() as http:

            async def ready() -> bool:
                async with http.get(f"{url}/readyz") as answer:
                    return answer.status == 200

            async def not_ready() -> bool:
                return not await ready()

            async def submitted() -> int:
                headers = {"Authorization": f"Bearer {ADA}"}
                async with http.post(f"{url}/v1/spaces/demo/requests", data=b'{"input":{}}', headers=headers) as answer:
                    return answer.status

            await until(ready, "ready")
            agent = await connected(http, url)
            told = time.monotonic()
            process.child.send_signal(signal.SIGTERM)
            await until(not_ready, "not ready any more")
            late_agent = await connected(http, url)
            assert (await submitted(), late_agent.closed) == (202, False)
            for each in (agent, late_agent):
                assert (await each.receive_json(timeout=20))["type"] == "goaway"
                assert time.monotonic() - told >= DRAIN_DELAY_S
        assert await process.ended() == 0
    finally:
        await process.kill()
    assert b'"level": "error"' not in process.log


async def connected(http: aiohttp.ClientSession, url: str) -> aiohttp.ClientWebSocketResponse:
    """A socket that an agent has opened."""
    headers = {"Authorization": f"Bearer {AGENT}"}
    return await http.ws_connect(f"{url}{frames.CONNECT_PATH}", protocols=[frames.SUBPROTOCOL], headers=headers)
