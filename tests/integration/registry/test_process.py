"""The registry as a process."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator

import httpx
import pytest
from nats.aio.client import Client

from services.contracts import subjects
from services.contracts.rpc import CreateSpace, CreateUser, Recorded, RevokeKey
from services.runtime import rpc
from services.runtime.errors import NatsUnavailable
from tests.support.bus import Bus, running_bus, until
from tests.support.own_ports import own_port

PATIENCE_S = 60.0
"""A password is hashed as in production: that may take its time on a busy machine."""


@pytest.fixture
async def bus() -> AsyncIterator[Bus]:
    async with running_bus() as here:
        yield here


@pytest.fixture
async def registries(bus: Bus) -> AsyncIterator[list[subprocess.Popen[bytes]]]:
    """Two registries that are ready; what still runs at the end is killed."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("WS_")}
    environment["WS_NATS_URL"] = bus.servers.nats_url("registry")
    command = [sys.executable, "-m", "services.registry.main"]
    ports = [own_port(), own_port()]
    processes = [subprocess.Popen(command, env=environment | {"WS_HEALTH_PORT": str(port)}) for port in ports]
    try:
        async with httpx.AsyncClient() as http:
            for port in ports:
                await until(lambda port=port: ready(http, port), "the registry is ready")  # type: ignore[misc]
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


async def ready(http: httpx.AsyncClient, port: int) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return (await http.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200
    return False


async def answers(nc: Client) -> bool:
    try:
        await rpc.call(nc, subjects.registry_rpc("revoke_key"), RevokeKey(key_id="none"), Recorded)
    except NatsUnavailable:
        return False
    except rpc.Refused as error:
        return error.code == "not_found"
    return False


async def test_replicas_answer_and_sigterm_leaves_the_other_in_charge(
    bus: Bus, registries: list[subprocess.Popen[bytes]]
) -> None:
    nc = await bus.connect("operator")
    await until(lambda: answers(nc), "a registry answers")
    member = CreateUser(email="a@localhost", password="long enough")
    user = await rpc.call(nc, subjects.registry_rpc("create_user"), member, Recorded, PATIENCE_S)
    first, second = registries
    first.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(first.wait, 30) == 0
    await until(lambda: answers(nc), "the other registry answers")
    space = CreateSpace(space="demo", owner=user.id)
    assert (await rpc.call(nc, subjects.registry_rpc("create_space"), space, Recorded, PATIENCE_S)).seq == 2
    assert second.poll() is None


async def test_a_registry_outlives_a_restart_of_nats(bus: Bus, registries: list[subprocess.Popen[bytes]]) -> None:
    nc = await bus.connect("operator")
    await until(lambda: answers(nc), "a registry answers")
    await bus.restart()
    await until(lambda: answers(nc), "a registry answers again")
    assert [process.poll() for process in registries] == [None, None]
