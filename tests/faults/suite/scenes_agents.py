"""Scenarios about leases: what agents are given, lose, and are told to stop."""

import asyncio
import signal

from tests.faults.suite.staging import Stage, until

_DEAF = {"words": 1, "pause_s": 8.0}
"""The handler sleeps, and hears of nothing meanwhile."""


async def agent_away_for_a_moment(stage: Stage) -> None:
    """The agent's network is away for a part of the grace."""
    rid = await stage.submit(input={"words": 1, "hold_s": 6.0})
    lease = (await stage.happens(rid, "assigned")).seq
    await until(lambda: lease in stage.world.history.listed, "the lease is reported")
    async with stage.agents_cut_off(0, 1):
        await asyncio.sleep(4.0)


async def gateway_paused(stage: Stage) -> None:
    """The agent's gateway stands still while it is given an assignment, until the dispatcher has asked for that twice."""
    gateway = await stage.agents_gateway()
    name = f"gateway-{gateway + 1}"
    release = await stage.world.platform.take(name)
    member = stage.world.platform.members[name]
    member.send_all(signal.SIGSTOP)
    try:
        rid = await stage.submit(input={"words": 1, "hold_s": 2.0}, only=1 - gateway)
        await stage.happens(rid, "assigned")
        await asyncio.sleep(4.0)
    finally:
        member.send_all(signal.SIGCONT)
    release()


async def canceled_while_running(stage: Stage) -> None:
    """A request whose handler would go on for long, and has nothing more to say meanwhile, is canceled."""
    rid = await stage.submit(input={"words": 0, "hold_s": 60.0})
    await until(lambda: bool(stage.frames("output_ack", rid)), "its output is stored")
    await stage.client().cancel(rid)


async def canceled_while_deaf(stage: Stage) -> None:
    """All slots are taken. One of the requests is canceled, but its handler does not hear of it for a while; another request
    waits."""
    deaf = [await stage.submit(input=_DEAF) for _ in range(stage.world.platform.shape.slots)]
    for rid in deaf:
        await stage.begins(rid)
    waiting = await stage.submit(input={"words": 1})
    await stage.client().cancel(deaf[0])
    await until(lambda: bool(stage.frames("assign", waiting)), "the one that waits is given to the agent")
