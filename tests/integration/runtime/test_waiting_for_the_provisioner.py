"""Services that are started before `spaces provision` has been run, as in a cluster that starts all at once."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.support.health import fetched
from tests.support.own_ports import own_port
from tests.support.servers import Servers
from tests.support.stack import spaces
from tests.support.waiting import until

SERVICES = ("gateway", "registry", "dispatcher", "history")
Running = dict[str, tuple[subprocess.Popen[bytes], int]]


@pytest.fixture
def servers() -> Iterator[Servers]:
    with Servers() as servers:
        yield servers


@pytest.fixture
def running(servers: Servers) -> Iterator[Running]:
    """One process of each service with its health port; what still runs at the end is killed."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("WS_")}
    running = {}
    try:
        for service in SERVICES:
            settings = {"WS_NATS_URL": servers.nats_url(service), "WS_PORT": "0", "WS_HEALTH_PORT": str(own_port())}
            if service == "history":
                settings["WS_DATABASE_URL"] = servers.database_url
            command = [sys.executable, "-m", f"services.{service}.main"]
            process = subprocess.Popen(command, env=environment | settings, stderr=subprocess.DEVNULL)
            running[service] = process, int(settings["WS_HEALTH_PORT"])
        yield running
    finally:
        for process, _ in running.values():
            process.kill()
            process.wait()


async def everywhere(running: Running, path: str, status: int) -> bool:
    answers = [await asyncio.to_thread(fetched, f"http://127.0.0.1:{port}{path}") for _, port in running.values()]
    return [code for code, _ in answers] == [status] * len(answers)


async def test_services_live_but_are_not_ready_before_everything_is_provisioned(servers: Servers, running: Running) -> None:
    await until(lambda: everywhere(running, "/healthz", 200), "all live")
    assert await everywhere(running, "/readyz", 503)
    done = await asyncio.to_thread(
        lambda: spaces("provision", WS_NATS_URL=servers.nats_url("provisioner"), WS_DATABASE_URL=servers.database_url)
    )
    assert done.returncode == 0, done.stderr
    await until(lambda: everywhere(running, "/readyz", 200), "all are ready", 60)
    assert [process.poll() for process, _ in running.values()] == [None] * len(SERVICES)


async def test_services_that_wait_can_be_stopped(running: Running) -> None:
    await until(lambda: everywhere(running, "/healthz", 200), "all live")
    for process, _ in running.values():
        process.send_signal(signal.SIGTERM)
    assert [await asyncio.to_thread(process.wait, 30) for process, _ in running.values()] == [0] * len(SERVICES)
