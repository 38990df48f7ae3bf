"""A rolling restart of all gateways under load loses, doubles and fails nothing, and breaks no stream."""

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.readers import Reader, check_whole, listening, shown
from tests.support.stack import Stack, fresh_home
from tests.support.world import agent, in_stream, ready, recorded, types, until

GATEWAYS, CLIENTS, EACH = 3, 8, 25
WORDS, STREAMS, READ_AGAIN = 5, 4, 20


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
            response = await http.post(path, json={"input": {"n": n, "words": WORDS}}, headers=headers)
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


def reader_of(stack: Stack, rid: str) -> Reader:
    return Reader(stack.ready.urls, stack.ready.api_key, rid)


def said(n: int, words: int) -> list[Any]:
    """The output of the handler `spoken`."""
    return [{"n": n}, "".join(f"{word} " for word in range(words))]


@contextlib.asynccontextmanager
async def streams(stack: Stack, https: list[httpx.AsyncClient]) -> AsyncIterator[list[Reader]]:
    """Requests that stream until the block ends, each with its reader; at the end each has been read to the last word."""
    go = stack.home / "go"
    path = f"/v1/spaces/{stack.ready.space}/requests"
    async with contextlib.AsyncExitStack() as reading:
        readers = []
        for n in range(STREAMS):
            answer = await https[n % GATEWAYS].post(path, json={"input": {"n": n, "go": str(go)}})
            reader = reader_of(stack, answer.json()["id"])
            readers.append(await reading.enter_async_context(listening(reader, gateway=n)))
        for reader in readers:
            await reader.heard_more()
        yield readers
        for reader in readers:
            await reader.heard_more()
        go.touch()
        for reader in readers:
            await reader.to_the_end()


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

    with agent(stack, "spoken", slots=6, name="agent-a"), agent(stack, "spoken", slots=6, name="agent-b"):
        async with streams(stack, https) as readers:
            load = [asyncio.create_task(client(number)) for number in range(CLIENTS)]
            await restart_each(stack)
            finished.set()
            await asyncio.gather(*load)

    for n, reader in enumerate(readers):
        done = check_whole(reader.seen)
        output = said(n, len(done["output"][1].split()))
        assert (done["status"], done["attempt"], done["output"]) == ("succeeded", 1, output)
        assert shown(reader.seen) == output
    assert sum(reader.connections for reader in readers) > STREAMS, "readers had to move"
    assert len(answers) >= CLIENTS * EACH
    assert len({answer["id"] for answer in answers.values()}) == len(answers), "each key made one request"
    for key, answer in answers.items():
        number, turn = map(int, key.split("-"))
        assert (answer["status"], answer["output"]) == ("succeeded", said(number * 100_000 + turn, WORDS))
    for answer in random.sample(list(answers.values()), READ_AGAIN):
        late = reader_of(stack, answer["id"])
        await late.follow()
        check_whole(late.seen)
        assert shown(late.seen) == answer["output"]
    streamed = {done.data["id"] for reader in readers for done in reader.of("completed")}
    chains = await recorded(stack, {answer["id"] for answer in answers.values()} | streamed)
    assert {types(chain).count("succeeded") for chain in chains.values()} == {1}
    assert all(types(chains[rid]) == ["accepted", "assigned", "succeeded"] for rid in streamed)
    again = [event.data for chain in chains.values() for event in chain if event.type == "requeued"]
    assert [data for data in again if data["reason"] == "agent_lost" or data.get("started")] == [], "nothing ran twice"
    everything = await in_stream(stack)
    assert everything.keys() == chains.keys(), "nothing was accepted that no client has heard of"
