"""Streams under faults that take their time."""

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.proxy import Proxy, Way, proxy
from tests.support.readers import OUTPUT, Reader, check_whole, joined, listening, shown
from tests.support.stack import Stack, fresh_home
from tests.support.world import agent, client, link_pid, marker, ready, recorded, types, until

AWAY_S = 10.0
SECONDS = 60
SLOW_READERS = 8
SLOW_BYTES_PER_S = 20_000
"""A tenth of what is logged."""
MOST_GROWTH_KB = 64 * 1024
"""All slow readers together leave more than that unread."""


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with fresh_home() as home, Stack(home, "--gateways", "2", "--no-demo") as stack:
        yield stack


@pytest.fixture
def directory(stack: Stack, request: pytest.FixtureRequest) -> Path:
    path = stack.home / str(request.node.name).replace("[", "-").rstrip("]")
    path.mkdir()
    return path


def cut(network: Proxy) -> None:
    """Connections are reset, and none can be made."""
    network.cut()


def half_open(network: Proxy) -> None:
    """Nothing gets through, and neither end is told."""
    network.lose()


@pytest.mark.timeout(180)
@pytest.mark.parametrize("fault", [cut, half_open])
async def test_the_agents_network_is_away_for_ten_seconds(
    stack: Stack, directory: Path, fault: Callable[[Proxy], None]
) -> None:
    await ready(stack)
    async with client(stack) as here, proxy(stack.ready.urls[0]) as network:
        with agent(stack, "talking", urls=[network.url], name=fault.__name__):
            request = await here.submit({"directory": str(directory)})
            reader = Reader(stack.ready.urls, stack.ready.api_key, request["id"])
            async with listening(reader, gateway=1):
                await reader.heard_more()
                fault(network)
                await asyncio.sleep(AWAY_S)  # the fault itself
                await network.restore()
                await reader.heard_more()
                (directory / "go").touch()
                await reader.to_the_end()
    done = check_whole(reader.seen)
    assert (done["status"], done["attempt"]) == ("succeeded", 1)
    yielded = joined(json.loads((directory / "yielded-1").read_text()))
    assert shown(reader.seen) == done["output"] == yielded
    assert types((await recorded(stack, {request["id"]}))[request["id"]]) == ["accepted", "assigned", "succeeded"]


def torrent_text(seconds: int) -> str:
    return "".join(f"{n % 10} " for n in range(seconds * 1000))


def rss_kb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError(f"process {pid} has no memory")


class Memory:
    """How much more memory processes have at most, since the first look."""

    def __init__(self, pids: dict[str, int]) -> None:
        self._pids = pids
        self._first = {name: rss_kb(pid) for name, pid in pids.items()}
        self.most = dict.fromkeys(pids, 0)

    def look(self) -> None:
        for name, pid in self._pids.items():
            self.most[name] = max(self.most[name], rss_kb(pid) - self._first[name])


@pytest.mark.timeout(240)
async def test_a_thousand_chunks_a_second_and_readers_that_are_ten_times_too_slow(stack: Stack, directory: Path) -> None:
    await ready(stack)
    async with client(stack) as here, contextlib.AsyncExitStack() as reading:
        with agent(stack, "torrent", gateways=[0], name="torrent") as process:
            request = await here.submit({"directory": str(directory), "seconds": SECONDS})
            urls, key = stack.ready.urls[:1], stack.ready.api_key
            slow = [Reader(urls, key, request["id"], receive_bytes=4096) for _ in range(SLOW_READERS)]
            fast = Reader(urls, key, request["id"])
            for reader in (*slow, fast):
                await reading.enter_async_context(listening(reader))
            for reader in slow:
                reader.bytes_per_s = SLOW_BYTES_PER_S
            await fast.heard_more(20)
            pids = {"gateway": stack.pids("gateway")[0], "agent": process.pid, "link": link_pid(process)}
            memory = Memory(pids)

            async def handler_has_ended() -> bool:
                memory.look()
                return (directory / "took").exists()

            await until(handler_has_ended, "the handler has ended", 2.0 * SECONDS)
            await fast.to_the_end()
            behind = [len(reader.of(*OUTPUT)) for reader in slow]
            assert max(behind) < len(fast.of(*OUTPUT)) / 2, "the fast one had not to wait for the slow ones"
            for reader in slow:
                reader.bytes_per_s = None
            for reader in slow:
                await reader.to_the_end()
            memory.look()
    assert float((directory / "took").read_text()) < 1.25 * SECONDS, "the handler had not to wait for anybody"
    assert max(memory.most.values()) < MOST_GROWTH_KB, memory.most
    done = check_whole(fast.seen)
    assert shown(fast.seen) == done["output"] == torrent_text(SECONDS)
    for reader in slow:
        assert check_whole(reader.seen) == done
        assert reader.of(*OUTPUT) == fast.of(*OUTPUT)


async def test_an_agent_whose_network_is_slow_does_not_stall_its_handler(stack: Stack, directory: Path) -> None:
    await ready(stack)
    seconds = 6
    async with client(stack) as here, proxy(stack.ready.urls[0]) as network:
        with agent(stack, "torrent", urls=[network.url], name="thin-wire"):
            await until_connected(network)
            await network.throttle(Way.TO_SERVER, SLOW_BYTES_PER_S)
            request = await here.submit({"directory": str(directory), "seconds": seconds})
            await marker(directory / "took", "the handler has ended")
            assert not (await here.get(request["id"]))["done"], "most of it is still on its way"
            await network.restore()
            done = await here.finished(request["id"])
    assert float((directory / "took").read_text()) < 3 * seconds
    late = Reader(stack.ready.urls, stack.ready.api_key, request["id"])
    await late.follow()
    assert check_whole(late.seen) == done
    assert shown(late.seen) == done["output"] == torrent_text(seconds)


async def until_connected(network: Proxy) -> None:
    async def welcomed() -> bool:
        return b'"welcome"' in network.passed[Way.TO_CLIENT]

    await until(welcomed, "the agent is connected")
