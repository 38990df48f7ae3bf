"""What is done to a platform: each fault chooses its victim, lasts for a while, and leaves everything running again."""

import asyncio
import os
import random
import signal
from collections.abc import Awaitable, Callable
from typing import Any

from services.contracts import subjects
from services.runtime.topology import KEYS_STREAM, LIVE_STREAM
from spaces_agent.frames import GRACE_S, HEARTBEAT_TIMEOUT_S
from tests.faults.suite.members import Member
from tests.faults.suite.platform import Platform
from tests.support.cluster import Cluster
from tests.support.cluster import kill as kill_server
from tests.support.cluster import paused as paused_server
from tests.support.proxy import Proxy, Way

Do = Callable[[Platform, random.Random], Awaitable[None]]
_BEYOND_GRACE_S = HEARTBEAT_TIMEOUT_S + GRACE_S + 3.0


def _kill(kind: str) -> Do:
    async def kill(platform: Platform, rng: random.Random) -> None:
        async with platform.victim(kind, rng) as member:
            platform.kill(member)
            await asyncio.sleep(rng.choice([0.0, 1.0, 4.0]))
            await platform.start_member(member)

    return kill


def _stop(kind: str) -> Do:
    async def stop(platform: Platform, rng: random.Random) -> None:
        async with platform.victim(kind, rng) as member:
            await asyncio.to_thread(member.terminate, 60.0)
            platform.ended(member)
            await platform.start_member(member)

    return stop


def _pause(kind: str, longest_s: float) -> Do:
    async def pause(platform: Platform, rng: random.Random) -> None:
        async with platform.victim(kind, rng) as member:
            await paused(member, rng.uniform(0.3, longest_s))

    return pause


async def paused(member: Member, seconds: float) -> None:
    """Suspend a member with its children for so long."""
    member.send_all(signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        member.send_all(signal.SIGCONT)


def _skew(kind: str) -> Do:
    async def skew(platform: Platform, rng: random.Random) -> None:
        async with platform.victim(kind, rng) as member:
            member.skew_s = rng.choice([-300.0, 300.0, 0.0])
            platform.kill(member)
            await platform.start_member(member)

    return skew


async def kill_connection_process(platform: Platform, rng: random.Random) -> None:
    """The process of an agent that has its sockets is killed; the one with the handlers goes on."""
    async with platform.victim("agent", rng) as member:
        platform.kill_connection_process(member)


async def kill_handler_process(platform: Platform, rng: random.Random) -> None:
    """The process of an agent that has the handlers is killed alone, and started again."""
    async with platform.victim("agent", rng) as member:
        member.send(signal.SIGKILL)
        await asyncio.to_thread(member.wait)
        platform.ended(member)
        await asyncio.sleep(rng.choice([0.0, 1.0]))
        platform.kill(member)  # the connection process takes a moment to say goodbye
        await platform.start_member(member)


async def _away(proxy: Proxy, seconds: float, begin: Callable[[], Any]) -> None:
    begun = begin()
    if begun is not None:
        await begun
    try:
        await asyncio.sleep(seconds)
    finally:
        await proxy.restore()


async def cut_agents(platform: Platform, rng: random.Random) -> None:
    """All agents of a gateway lose their connections, and cannot reach it for a while."""
    async with platform.wire(platform.agent_wires, rng) as proxy:
        await _away(proxy, rng.choice([0.0, 1.0, 5.0]), proxy.cut)


async def forget_agents(platform: Platform, rng: random.Random) -> None:
    """The network between a gateway and its agents swallows everything in one direction, or both, and closes nothing."""
    ways = rng.choice([(), (Way.TO_SERVER,), (Way.TO_CLIENT,)])
    async with platform.wire(platform.agent_wires, rng) as proxy:
        await _away(proxy, rng.choice([2.0, 6.0]), lambda: proxy.lose(*ways))
        proxy.cut()
        await proxy.restore()


async def hold_agents(platform: Platform, rng: random.Random) -> None:
    """The network to a gateway's agents stands still for a while, and loses nothing."""
    way = rng.choice([Way.TO_SERVER, Way.TO_CLIENT])
    async with platform.wire(platform.agent_wires, rng) as proxy:
        await _away(proxy, rng.choice([1.0, 4.0]), lambda: proxy.throttle(way, 0))


async def cut_nats(platform: Platform, rng: random.Random) -> None:
    """A service loses its connection to NATS, and cannot reach it for a while."""
    async with platform.wire(list(platform.nats_wires.values()), rng) as proxy:
        await _away(proxy, rng.choice([0.0, 1.0, 5.0]), proxy.cut)


async def forget_nats(platform: Platform, rng: random.Random) -> None:
    """The network between a service and NATS swallows everything in one direction, or both."""
    ways = rng.choice([(), (Way.TO_SERVER,), (Way.TO_CLIENT,)])
    async with platform.wire(list(platform.nats_wires.values()), rng) as proxy:
        await _away(proxy, rng.choice([2.0, 8.0]), lambda: proxy.lose(*ways))
        proxy.cut()
        await proxy.restore()


async def hold_nats(platform: Platform, rng: random.Random) -> None:
    """The network between a service and NATS stands still for a while, and loses nothing."""
    way = rng.choice([Way.TO_SERVER, Way.TO_CLIENT])
    async with platform.wire(list(platform.nats_wires.values()), rng) as proxy:
        await _away(proxy, rng.choice([1.0, 4.0]), lambda: proxy.throttle(way, 0))


async def kill_nats(platform: Platform, rng: random.Random) -> None:
    """nats-server is killed, and started again."""
    async with platform.server("nats"):
        os.kill(platform.servers.server.pid, signal.SIGKILL)
        await asyncio.sleep(rng.choice([0.0, 2.0]))
        await asyncio.to_thread(platform.servers.nats.start)


async def restart_nats(platform: Platform, _: random.Random) -> None:
    """nats-server is stopped in order, and started again."""
    async with platform.server("nats"):
        await asyncio.to_thread(platform.servers.nats.stop)
        await asyncio.to_thread(platform.servers.nats.start)


async def pause_nats(platform: Platform, rng: random.Random) -> None:
    """nats-server stands still for a while."""
    async with platform.server("nats"):
        os.kill(platform.servers.server.pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(rng.uniform(0.5, 5.0))
        finally:
            os.kill(platform.servers.server.pid, signal.SIGCONT)


async def stop_postgres(platform: Platform, rng: random.Random) -> None:
    """PostgreSQL is away for a while."""
    async with platform.server("postgres"):
        await asyncio.to_thread(platform.servers.postgres.stop)
        await asyncio.sleep(rng.uniform(0.0, 8.0))
        await asyncio.to_thread(platform.servers.postgres.start)


async def kill_postgres(platform: Platform, _: random.Random) -> None:
    """PostgreSQL is killed, and started again."""
    async with platform.server("postgres"):
        os.kill(platform.servers.postgres.pid, signal.SIGKILL)
        await asyncio.to_thread(platform.servers.postgres.start)


async def agent_away_beyond_grace(platform: Platform, rng: random.Random) -> None:
    """An agent is suspended until its leases are given up, and then goes on where it was."""
    async with platform.victim("agent", rng) as member:
        await paused(member, _BEYOND_GRACE_S)


async def kill_leader(platform: Platform, rng: random.Random) -> None:
    """The server that leads REQUESTS is killed, and started again."""
    async with platform.server("nats"):
        leader = await platform.cluster.leader(subjects.REQUESTS)
        await asyncio.to_thread(kill_server, leader)
        await asyncio.sleep(rng.choice([0.0, 4.0]))
        await _whole_again(platform.cluster)


async def restart_leader(platform: Platform, _: random.Random) -> None:
    """The server that leads REQUESTS is stopped in order, and started again."""
    async with platform.server("nats"):
        leader = await platform.cluster.leader(subjects.REQUESTS)
        await asyncio.to_thread(leader.stop)
        await _whole_again(platform.cluster)


async def pause_leader(platform: Platform, rng: random.Random) -> None:
    """The server that leads REQUESTS stands still, and takes itself for the leader when it wakes up."""
    async with platform.server("nats"):
        with paused_server(await platform.cluster.leader(subjects.REQUESTS)):
            await asyncio.sleep(rng.uniform(1.0, 12.0))
        await _whole_again(platform.cluster)


async def step_down(platform: Platform, rng: random.Random) -> None:
    """Another server becomes the leader of a stream."""
    async with platform.server("nats"):
        await platform.cluster.step_down(rng.choice([subjects.REQUESTS, KEYS_STREAM, LIVE_STREAM, subjects.OUTPUT]))


async def _whole_again(cluster: Cluster) -> None:
    """A majority must have all before the next server may fail: no promise holds for the loss of two of three."""
    await asyncio.to_thread(cluster.start)
    await cluster.healthy()


FAULTS: dict[str, Do] = {
    "gateway killed": _kill("gateway"),
    "registry killed": _kill("registry"),
    "dispatcher killed": _kill("dispatcher"),
    "history killed": _kill("history"),
    "agent killed": _kill("agent"),
    "agent's connection process killed": kill_connection_process,
    "agent's handler process killed": kill_handler_process,
    "gateway stopped": _stop("gateway"),
    "registry stopped": _stop("registry"),
    "dispatcher stopped": _stop("dispatcher"),
    "history stopped": _stop("history"),
    "agent stopped": _stop("agent"),
    "gateway paused": _pause("gateway", 6.0),
    "registry paused": _pause("registry", 6.0),
    "dispatcher paused": _pause("dispatcher", 15.0),
    "history paused": _pause("history", 6.0),
    "agent paused": _pause("agent", 6.0),
    "agent paused beyond the grace": agent_away_beyond_grace,
    "agents' connections cut": cut_agents,
    "agents' connections half-open": forget_agents,
    "agents' connections held": hold_agents,
    "connection to NATS cut": cut_nats,
    "connection to NATS half-open": forget_nats,
    "connection to NATS held": hold_nats,
    "NATS killed": kill_nats,
    "NATS restarted": restart_nats,
    "NATS paused": pause_nats,
    "PostgreSQL away": stop_postgres,
    "PostgreSQL killed": kill_postgres,
    "gateway's clock off": _skew("gateway"),
    "registry's clock off": _skew("registry"),
    "dispatcher's clock off": _skew("dispatcher"),
    "history's clock off": _skew("history"),
}

CLUSTER_FAULTS: dict[str, Do] = {
    **{name: fault for name, fault in FAULTS.items() if "NATS" not in name},
    "NATS leader killed": kill_leader,
    "NATS leader restarted": restart_leader,
    "NATS leader paused": pause_leader,
    "NATS leader stepped down": step_down,
}
"""The same for three NATS servers."""
