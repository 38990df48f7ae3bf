"""A handler holds its interpreter for a minute: nothing of the agent that keeps the request alive needs that interpreter."""

from collections.abc import Iterator

import msgspec
import pytest

from services.contracts import subjects
from services.runtime import bus
from services.runtime.tail import Tail
from tests.support.stack import Stack, fresh_home
from tests.support.world import Client, agent, client, ready, recorded, types, until

HELD_S = 60.0
"""More than a silent socket (25 s) and a lost lease (20 s) take to be found."""


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with fresh_home() as home, Stack(home, "--gateways", "2", "--no-demo") as stack:
        yield stack


async def connections(stack: Stack) -> list[str]:
    """What has happened to agents' connections."""
    happened: list[str] = []
    nc = await bus.connect(stack.ready.nats_url, "operator", "test")
    try:
        async for batch in Tail(nc, subjects.CONNECTIONS, [subjects.ALL_CONNECTIONS]).batches():
            happened += [msgspec.json.decode(message.data)["type"] for message in batch.messages]
            if batch.pending == 0:
                break
    finally:
        await nc.close()
    return happened


@pytest.mark.timeout(180)
async def test_a_handler_that_holds_the_interpreter_for_a_minute_loses_nothing(stack: Stack) -> None:
    await ready(stack)
    policy = {"execution_timeout_s": 150}
    async with client(stack) as here:
        with agent(stack, "holding", slots=2):
            held = await here.submit({"hold_s": HELD_S}, policy=policy)
            await until(lambda: processing(here, held["id"]), "its handler runs")
            beside = await here.submit({"hold_s": 0.01}, policy=policy)
            done = {rid: await here.finished(rid, deadline_s=HELD_S + 30) for rid in (held["id"], beside["id"])}
            happened = await connections(stack)
            said = (stack.home / "logs" / "agent-1.log").read_text().splitlines()
    assert [(request["status"], request["attempt"]) for request in done.values()] == [("succeeded", 1)] * 2
    assert done[held["id"]]["output"] >= HELD_S
    assert {tuple(types(chain)) for chain in (await recorded(stack, set(done))).values()} == {
        ("accepted", "assigned", "succeeded")
    }
    assert happened == ["connected"]
    assert len(said) == 1, said
    assert "connected to" in said[0]


async def processing(here: Client, rid: str) -> bool:
    return bool((await here.get(rid))["status"] == "processing")
