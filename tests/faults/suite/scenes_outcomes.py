"""Scenarios about the end of a request: what races it, and what is lost on its way."""

import asyncio
from typing import Any

from tests.faults.suite.staging import (
    Stage,
    agent_wire,
    frame_of,
    is_output,
    published,
    request_of,
    until,
)
from tests.faults.suite.wires import Wire


async def cancel_before_outcome(stage: Stage) -> None:
    """A cancel is recorded at the other gateway just before the outcome reaches the stream."""
    other = 1 - await stage.agents_gateway()

    async def act(_: Wire, subject: str) -> None:
        await stage.client(other).cancel(request_of(subject))

    async with stage.at(stage.services(), published("succeeded"), "before", act):
        rid = await stage.submit(input={"words": 1}, only=other)
    await stage.ends(rid)


async def outcome_before_cancel(stage: Stage) -> None:
    """The outcome is recorded just before a cancel, asked for at the other gateway, reaches the stream."""
    other = 1 - await stage.agents_gateway()
    asked = asyncio.Event()

    async def act(_: Wire, subject: str) -> None:
        asked.set()
        await stage.ends(request_of(subject))

    async with stage.at(stage.services(), published("canceled"), "before", act):
        while not asked.is_set():  # the request may have ended before its cancel was looked at
            rid = await stage.submit(input={"words": 1, "hold_s": 1.0}, only=other)
            await stage.begins(rid)
            await stage.client(other).cancel(rid)


async def result_lost(stage: Stage) -> None:
    """A result is lost together with the socket that it was sent over."""

    async def act(wire: Wire, _: Any) -> None:
        wire.proxy.cut()
        await wire.proxy.restore()

    async with stage.at(stage.agents(), frame_of("result"), "instead", act):
        await stage.submit(input={"words": 3})


async def former_result_replayed(stage: Stage) -> None:
    """An agent dies with its result on the way. What is on the way arrives when its next process has the request again."""
    platform = stage.world.platform
    agent = platform.of("agent")[0]
    release = await platform.take(agent.name)
    lost: list[bytes] = []

    async def act(wire: Wire, _: Any) -> None:
        lost.append(wire.lost)
        platform.kill(agent)

    async with stage.at(stage.agents(), frame_of("result"), "instead", act):
        rid = await stage.submit(input={"words": 0, "hold_s": 4.0})
    await platform.start_member(agent)
    release()
    await until(lambda: len(stage.frames("accept", rid)) == 2, "the request is run again")
    again = stage.frames("assign", rid)[-1]
    for wire in platform.agent_wires:
        if again in wire.frames:
            await agent_wire(wire).replay(again.socket, lost[0])
    await stage.ends(rid)


async def output_unheard_of(stage: Stage) -> None:
    """The gateway loses its connection to NATS with output on the way, which is lost."""

    async def act(wire: Wire, _: Any) -> None:
        wire.proxy.cut()
        await wire.proxy.restore()

    async with stage.at(stage.services(), is_output, "instead", act):
        await stage.submit(input={"words": 12, "pause_s": 0.3})


async def output_overtaken(stage: Stage) -> None:
    """Output is on its way from one gateway to the stream while its agent moves to another one, and arrives after what that
    one has stored."""
    began = len(stage.world.history.records)

    async def act(_: Wire, __: str) -> None:
        before = len(stage.world.history.records)
        async with stage.agents_cut_off(await stage.agents_gateway()):
            await until(lambda: len(stage.world.history.records) >= before + 2, "output is stored by another gateway")

    def second_record(subject: Any) -> bool:
        return is_output(subject) and len(stage.world.history.records) > began

    async with stage.at(stage.services(), second_record, "before", act):
        await stage.submit(input={"words": 40, "pause_s": 0.2})


async def reader_comes_back(stage: Stage) -> None:
    """A reader connects anew after each piece of output."""
    rid = await stage.submit(input={"words": 12, "pause_s": 0.2})
    await stage.client().watch(rid, lambda seen: seen.event == "output")


async def same_key_twice(stage: Stage) -> None:
    """A client submits at one gateway, and with the same key once more at the other."""
    for gateway in (0, 1):
        await stage.told(input={"words": 1}, key=f"{stage.name}-key", only=gateway)


async def fails_again_and_again(stage: Stage) -> None:
    """A handler asks to be tried again more often than its user allows."""
    rid = await stage.submit(input={"words": 1, "succeeds_at": 99}, max_attempts=2)
    await until(lambda: len(stage.frames("result", rid)) == 2, "the second attempt has failed as well")
