"""Registries, gateways and histories in any number: each promise holds whichever of them answers, and when one dies."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from services.contracts import subjects
from services.runtime import bus
from services.runtime.tail import Tail
from spaces_agent import frames
from tests.support.gateway_sockets import Agent, Door, dial, hello, join
from tests.support.load import loading
from tests.support.metrics import read_metrics, targets
from tests.support.spaces import make_spaces
from tests.support.stack import Stack, fresh_home
from tests.support.world import Event, agent, ready, until

REPLICAS = ("--gateways", "2", "--dispatchers", "2", "--registries", "2", "--histories", "2")
RACES, KILLS = 12, 3


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with fresh_home() as home, Stack(home, *REPLICAS, "--no-demo") as stack:
        yield stack


@pytest.fixture(autouse=True)
async def recovered(stack: Stack) -> None:
    await ready(stack)


def doors(stack: Stack, key: str) -> list[Door]:
    return [Door.of(url, key) for url in stack.ready.urls]


class Connections:
    """The connections of agents as the stream has them, in its order."""

    def __init__(self, events: list[Event]) -> None:
        self.events = events

    @property
    def most_at_once(self) -> int:
        """How many were connected at one time."""
        now = most = 0
        for event in self.events:
            now += 1 if event.type == "connected" else -1
            most = max(most, now)
        return most

    def open(self) -> list[dict[str, Any]]:
        """Those that have not ended."""
        ended = {event.data["conn"] for event in self.events if event.type == "disconnected"}
        return [e.data for e in self.events if e.type == "connected" and e.data["conn"] not in ended]


async def connections(stack: Stack, names: set[str]) -> Connections:
    """Connections of the agents of these names, as recorded by now."""
    found: list[Event] = []
    nc = await bus.connect(stack.ready.nats_url, "operator", "test")
    try:
        async for batch in Tail(nc, subjects.CONNECTIONS, [subjects.ALL_CONNECTIONS]).batches():
            for message in batch.messages:
                data = msgspec.json.decode(message.data)
                if data["type"] in ("connected", "disconnected") and data["agent"].partition("/")[2] in names:
                    found.append(Event(message.seq, data["type"], data))
            if batch.pending == 0:
                return Connections(found)
    finally:
        await nc.close()
    raise AssertionError("the stream has an end")


async def welcomed(agents: list[Agent], *said: frames.Hello) -> list[bool]:
    """All say hello at once: who was let in. The others are told why not."""
    await asyncio.gather(*(one.send(each) for one, each in zip(agents, said, strict=True)))

    async def answer(one: Agent) -> bool:
        frame = frames.decode_gateway_frame(await one.socket.recv(decode=False))
        if isinstance(frame, frames.Welcome):
            return True
        assert isinstance(frame, frames.Error)
        assert "occupied" in frame.message
        assert await one.closed() == frames.CLOSE_NO_SPACE
        return False

    return await asyncio.gather(*(answer(one) for one in agents))


async def test_of_two_agents_at_two_gateways_one_gets_the_space_and_the_other_when_that_one_has_left(stack: Stack) -> None:
    _, key = await make_spaces(stack, ["solo"], "one")
    names, winners = ["left", "right"], []

    async def nobody_connected() -> bool:
        return not (await connections(stack, set(names))).open()

    for number in range(RACES):
        here = [await dial(door) for door in doors(stack, key)]
        won = await welcomed(here, *(hello(name, f"boot{number}", spaces=["solo"]) for name in names))
        assert sum(won) == 1, "exactly one of them"
        winner, loser = won.index(True), won.index(False)
        winners.append(winner)
        here[winner].cut() if number % 2 else await here[winner].send(frames.Goodbye(reason="done"))
        await until(nobody_connected, "the winner has left")
        second = await join(doors(stack, key)[loser], hello(names[loser], f"again{number}", spaces=["solo"]))
        await second.send(frames.Goodbye(reason="done"))
        await until(nobody_connected, "the other one has left, too")
    found = await connections(stack, set(names))
    assert found.most_at_once == 1
    assert [event.type for event in found.events] == ["connected", "disconnected"] * (2 * RACES)
    assert [event.data["agent"].partition("/")[2] for event in found.events[::4]] == [names[winner] for winner in winners]


async def test_what_a_killed_gateway_held_is_ended_once_though_every_registry_sees_it(stack: Stack) -> None:
    _, key = await make_spaces(stack, ["orphan"], "one")
    names = {f"lost-{n}" for n in range(5)} | {"holder"}
    here, there = doors(stack, key)
    for name in sorted(names):
        await join(here, hello(name, spaces=["orphan"] if name == "holder" else [stack.ready.space]))
    next_one = await dial(there)
    assert await welcomed([next_one], hello("next-one", spaces=["orphan"])) == [False], "it is occupied"
    os.kill(stack.pids("gateway")[0], signal.SIGKILL)

    async def all_ended() -> bool:
        return not (await connections(stack, names)).open()

    await until(all_ended, "all connections of the killed gateway have ended")
    found = await connections(stack, names)
    ends = [event.data for event in found.events if event.type == "disconnected"]
    assert sorted(end["agent"].partition("/")[2] for end in ends) == sorted(names), "each once"
    assert {end["reason"] for end in ends} == {"gateway_lost"}
    next_one = await join(there, hello("next-one", "boot2", spaces=["orphan"]))
    await next_one.send(frames.Goodbye(reason="done"))


def leads(stack: Stack, name: str) -> bool:
    with contextlib.suppress(OSError):
        return read_metrics(targets(stack)[name])("ws_history_leading") == 1
    return False  # it has ended, or does not answer yet


async def recording(stack: Stack) -> int | None:
    """The process of the history that records; None while none does, or one of the two is away."""
    leading = await asyncio.to_thread(lambda: [leads(stack, f"history-{number}") for number in (1, 2)])
    pids = stack.pids("history")
    return pids[leading.index(True)] if len(pids) == 2 and any(leading) else None


async def test_when_the_history_that_records_is_killed_the_other_goes_on_where_it_was(stack: Stack) -> None:
    async def another(pid: int) -> bool:
        return await recording(stack) not in (None, pid)

    with agent(stack, "counted", slots=8):
        async with loading(stack, pause_s=0.02) as load:
            for _ in range(KILLS):
                await load.more(60)
                pid = await until(lambda: recording(stack), "one history records")
                os.kill(pid, signal.SIGKILL)
                await until(lambda pid=pid: another(pid), "another history records")  # type: ignore[misc]
            await load.more(60)
        chains = await load.all_succeeded()
    assert load.refused == 0, "nobody notices"
    assert all([event.type for event in chain] == ["accepted", "assigned", "succeeded"] for chain in chains.values())
