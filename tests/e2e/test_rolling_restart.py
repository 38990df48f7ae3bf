"""A rolling restart of all gateways under load loses, doubles and fails nothing."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.stack import Stack, fresh_home
from tests.support.world import agent, in_stream, ready, recorded, types, until

GATEWAYS, CLIENTS, EACH = 3, 8, 25


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with fresh_home() as home, Stack(home, "--gateways", str(GATEWAYS), "--no-demo") as stack:
        yield stack


@pytest.fixture
async def https(stack: Stack) -> AsyncIterator[list[httpx.AsyncClient]]:
    clients = [stack.client(gateway) for gateway in range(GATEWAYS)]
    yield clients
    for client in clients:
        await client.aclose()


async def submitted(stack: Stack, https: list[httpx.AsyncClient], n: int, key: str) -> dict[str, Any]:
    """Submit as a careful client does: with an idempotency key, at another gateway when one is away."""
    path = f"/v1/spaces/{stack.ready.space}/requests"
    headers = {"Idempotency-Key": key, "Prefer": "wait=10"}
    for attempt in range(200):
        try:
            http = https[(n + attempt) % GATEWAYS]
            response = await http.post(path, json={"input": {"n": n, "hold_s": 0.05}}, headers=headers)
        except httpx.TransportError:
            continue
        if response.status_code == 503:
            await asyncio.sleep(0.05)
            continue
        assert response.is_success, response.text
        request: dict[str, Any] = response.json()
        if request["done"]:
            return request
    raise AssertionError(f"{key} was not answered")


async def restart_each(stack: Stack) -> None:
    for gateway in range(GATEWAYS):
        await ready(stack)
        pid = stack.pids("gateway")[gateway]
        os.kill(pid, signal.SIGTERM)

        async def replaced(pid: int = pid) -> bool:
            return not Path(f"/proc/{pid}").exists() and len(stack.pids("gateway")) == GATEWAYS

        await until(replaced, "the gateway is replaced")
    await ready(stack)


async def test_a_rolling_restart_of_all_gateways_under_load(stack: Stack, https: list[httpx.AsyncClient]) -> None:
    await ready(stack)
    finished = asyncio.Event()
    answers: dict[str, dict[str, Any]] = {}

    async def client(number: int) -> None:
        for turn in range(10_000):
            if finished.is_set() and turn >= EACH:
                return
            key = f"{number}-{turn}"
            answers[key] = await submitted(stack, https, number * 100_000 + turn, key)

    with agent(stack, "counted", slots=4, name="agent-a"), agent(stack, "counted", slots=4, name="agent-b"):
        load = [asyncio.create_task(client(number)) for number in range(CLIENTS)]
        await restart_each(stack)
        finished.set()
        await asyncio.gather(*load)

    assert len(answers) >= CLIENTS * EACH
    assert len({answer["id"] for answer in answers.values()}) == len(answers), "each key made one request"
    for key, answer in answers.items():
        number, turn = map(int, key.split("-"))
        assert (answer["status"], answer["output"]["n"]) == ("succeeded", number * 100_000 + turn)
    chains = await recorded(stack, {answer["id"] for answer in answers.values()})
    assert {types(chain).count("succeeded") for chain in chains.values()} == {1}
    lost = [chain for chain in chains.values() if any(e.data.get("reason") == "agent_lost" for e in chain)]
    assert lost == [], "no agent was given up, nothing ran twice"
    everything = await in_stream(stack)
    assert everything.keys() == chains.keys(), "nothing was accepted that no client has heard of"
