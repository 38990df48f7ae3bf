"""NATS loses its data under a stack that runs: nothing is admitted until it is recovered, and then all goes on by itself."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from services.local.home import Home
from services.runtime import bus
from services.runtime.settings import Settings
from services.runtime.topology import streams
from tests.support.stack import ROOT, Stack, fresh_home, spaces
from tests.support.world import agent, client, marker, recorded, types, until

SLOTS = 2


@pytest.fixture
def stack() -> Iterator[Stack]:
    with fresh_home() as home, Stack(home, "--gateways", "2", "--dispatchers", "2", "--no-demo") as stack:
        yield stack


async def lose_all_streams(stack: Stack) -> None:
    """As if NATS had come back with an empty disk."""
    server = stack.ready.nats_url.rpartition("@")[2]
    password = Home(stack.home).secret("nats-recovery")
    nc = await bus.connect(f"nats://recovery:{password}@{server}", "recovery", "test")
    for declaration in streams(Settings()):
        await nc.request(f"$JS.API.STREAM.DELETE.{declaration.name}", timeout=30)
    await nc.close()


@pytest.mark.timeout(300)
async def test_all_goes_on_by_itself_once_it_is_recovered(stack: Stack, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "services.cli", "recover", "--yes", "--home", str(stack.home)]
    path = f"/v1/spaces/{stack.ready.space}/requests"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "agent")])}
    with agent(stack, "patient", slots=SLOTS):
        async with client(stack) as here:
            requests = [await here.submit({"directory": str(tmp_path), "n": n}) for n in range(2 * SLOTS)]
            for n in range(SLOTS):
                await marker(tmp_path / f"started-{n}", f"{n} runs")

            async def all_recorded() -> bool:
                verified = await asyncio.to_thread(spaces, "log", "verify", "--home", str(stack.home))
                return verified.stdout == "6 events of 4 requests: clean\n"

            await until(all_recorded, "what is not recorded would be lost")
            await lose_all_streams(stack)
            with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
                assert process.stderr is not None

                async def refused() -> bool:
                    try:
                        response = await here.http.post(path, json={"input": {}}, timeout=5.0)
                    except httpx.TransportError:  # gateways start anew in a new epoch
                        return False
                    return response.status_code == 503 and "recovered" in response.json()["detail"]

                await until(refused, "nothing is admitted while it is being recovered")
                assert (await here.get(requests[0]["id"]))["done"] is False, "what there is can be read"
                assert await asyncio.to_thread(process.wait) == 0
            for n in range(SLOTS):
                await marker(tmp_path / f"ended-{n}", f"{n} was told to stop")
            (tmp_path / "go").touch()
            for request in requests:
                assert (await here.finished(request["id"]))["status"] == "succeeded"
            assert (await here.submit({"directory": str(tmp_path), "n": 9}, wait=30))["status"] == "succeeded"
    chains = await recorded(stack, {request["id"] for request in requests})
    assert {types(chain).count("succeeded") for chain in chains.values()} == {1}
    verified = await asyncio.to_thread(spaces, "log", "verify", "--home", str(stack.home))
    assert verified.returncode == 0, verified.stdout
