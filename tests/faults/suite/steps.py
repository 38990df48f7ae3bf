"""Faults at each step of the protocols: at the very moment at which an event is about to be stored, or a frame about to
arrive, a process dies, stands still, or loses its connection; instead of that step, or right after it."""

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from tests.faults.suite.observed import Frame
from tests.faults.suite.platform import Platform
from tests.faults.suite.run import Scenario, World
from tests.faults.suite.wires import AgentWire, Trap, When, Wire
from tests.faults.suite.workload import STORIES, Client, cancels, says_it_twice, tries_again, watches

SPRINGS_WITHIN_S = 60.0
PAUSED_S = 3.0
_AWAY_S = 1.0

EVENTS = ("accepted", "assigned", "requeued", "succeeded", "canceled", "expired")
FRAMES = ("hello", "welcome", "assign", "accept", "output", "output_ack", "result", "result_ack", "cancel", "stopped")
OF_WRITERS = ("writer killed", "writer paused", "writer cut off from NATS")
OF_AGENTS = ("gateway killed", "agent killed", "connection process killed", "network cut")


class Step(NamedTuple):
    """A moment, and what happens at it. `at` is a type of event or of frame."""

    at: str
    when: When
    fault: str

    def __str__(self) -> str:
        return f"{self.fault} {self.when} {self.at}"


STEPS: tuple[Step, ...] = (
    *(Step(at, when, fault) for at in EVENTS for fault in OF_WRITERS for when in ("instead", "after")),
    *(Step(at, when, fault) for at in FRAMES for fault in OF_AGENTS for when in ("instead", "after")),
)

Recover = Callable[[], Awaitable[None]]


def steps_of(steps: Sequence[Step]) -> Scenario:
    """One step after the other."""

    async def scenario(world: World) -> None:
        for step in steps:
            await take_step(world, step)

    return scenario


async def take_step(world: World, step: Step) -> None:
    """Let requests come until the step is taken, and wait until the fault is over. Fails when it is not taken in time."""
    over: asyncio.Future[Recover] = asyncio.get_running_loop().create_future()

    async def act(wire: Wire, caught: Any) -> None:
        agent = wire.agent_of(caught) if isinstance(wire, AgentWire) else ""
        over.set_result(await _strike(world.platform, step.fault, wire, agent))

    trap = Trap(lambda found: _is_at(step.at, found), act, step.when)
    wires: list[Wire] = [*world.platform.nats_wires.values()] if step.at in EVENTS else [*world.platform.agent_wires]
    for wire in wires:
        wire.traps.append(trap)
    stimulus = asyncio.create_task(_stimulate(world, step, trap))
    try:
        async with world.fault(str(step)), asyncio.timeout(SPRINGS_WITHIN_S):
            recover = await over
            await recover()
    except TimeoutError:
        raise AssertionError(f"{step}: nothing like that came by within {SPRINGS_WITHIN_S:g} s") from None
    finally:
        for wire in wires:
            wire.traps.remove(trap)
        trap.sprung = True
        await stimulus


def _is_at(at: str, found: Frame | str) -> bool:
    if isinstance(found, Frame):
        return found.type == at
    tokens = found.split(".")
    return tokens[:2] == ["ws", "req"] and tokens[4] == at


async def _stimulate(world: World, step: Step, trap: Trap) -> None:
    """Whatever makes the step come: a few requests of the right kind at a time, until it is taken."""
    rng = random.Random(f"{world.seed}/{step}")
    stories = {"canceled": cancels, "cancel": cancels, "stopped": cancels, "expired": _crowds, "requeued": tries_again}
    story = stories.get(step.at, watches if step.at in FRAMES else rng.choice(STORIES))
    turn = 0
    while not trap.sprung:
        turn += 1
        if step.at in ("hello", "welcome"):
            for wire in world.platform.agent_wires:
                wire.proxy.cut()
                await wire.proxy.restore()
        several = [Client(f"{step}-{turn}-{number}", world.workload) for number in range(3)]
        await asyncio.gather(*(story(client, rng) for client in several), says_it_twice(several[0], rng))


async def _crowds(client: Client, rng: random.Random) -> None:
    """Comes with as many as all agents have slots, and with one that has no time to wait for any of them."""
    busy = [client.submit({"words": 1, "hold_s": 1.0}) for _ in range(13)]
    taken = await asyncio.gather(*busy)
    await client.submit({"words": 1}, start_timeout_s=0.2)
    for request in taken:
        await client.finished(request)


async def _strike(platform: Platform, fault: str, wire: Wire, agent: str) -> Recover:
    """Do it now; what ends it again."""
    match fault:
        case "writer killed" | "gateway killed":
            return await _killed(platform, wire.name)
        case "agent killed":
            return await _killed(platform, agent)
        case "writer paused":
            return await _paused(platform, wire.name)
        case "writer cut off from NATS" | "network cut":
            return _cut(wire)
        case "connection process killed":
            return await _connection_killed(platform, agent)
    raise AssertionError(fault)


async def _killed(platform: Platform, name: str) -> Recover:
    member, release = platform.members[name], await platform.take(name)
    platform.kill(member)

    async def recover() -> None:
        await platform.start_member(member)
        release()

    return recover


async def _paused(platform: Platform, name: str) -> Recover:
    member, release = platform.members[name], await platform.take(name)
    member.send_all(signal.SIGSTOP)

    async def recover() -> None:
        await asyncio.sleep(PAUSED_S)
        member.send_all(signal.SIGCONT)
        release()

    return recover


async def _connection_killed(platform: Platform, agent: str) -> Recover:
    platform.kill_connection_process(platform.members[agent])

    async def recover() -> None: ...

    return recover


def _cut(wire: Wire) -> Recover:
    wire.proxy.cut()

    async def recover() -> None:
        await asyncio.sleep(_AWAY_S)
        await wire.proxy.restore()

    return recover
