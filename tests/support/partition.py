"""A cluster of three nats-servers whose network can be broken between any of them."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import httpx

from services.local.nats_server import Membership, NatsServer
from tests.support.cluster import PASSWORDS, Cluster, distinct_ports
from tests.support.own_ports import own_port
from tests.support.proxy import BOTH, Proxy, proxy

Pair = tuple[int, int]


class _Member(NatsServer):
    """A server that the others only find where they are told to look for it."""

    def command(self) -> list[str]:
        return [*super().command(), "--cluster_advertise", f"{self.host}:{own_port()}"]


class Network:
    """What is between the servers of a cluster. Its clients reach each of them however broken it is."""

    def __init__(self, cluster: Cluster, proxies: dict[Pair, Proxy], monitor_url: str) -> None:
        self.cluster, self._proxies, self._monitor_url = cluster, proxies, monitor_url

    async def chief(self) -> NatsServer:
        """The server that leads the cluster itself. It is the last one to notice that it is cut off: after 10 to 20 s."""
        async with httpx.AsyncClient() as http:

            async def led() -> str:
                cluster = (await http.get(f"{self._monitor_url}/jsz")).json().get("meta_cluster", {})
                return str(cluster.get("leader", ""))

            while not (name := await led()):
                await asyncio.sleep(0.1)
        return self.cluster.named(name)

    async def isolate(self, server: NatsServer) -> None:
        """From now on nothing reaches the other two from this server, nor it from them; no connection ends."""
        for other in self.cluster.servers:
            if other is not server:
                await self.part(server, other)

    async def part(self, one: NatsServer, other: NatsServer) -> None:
        """From now on nothing passes between these two; no connection ends."""
        here, there = self.cluster.servers.index(one), self.cluster.servers.index(other)
        for pair in ((here, there), (there, here)):
            for way in BOTH:
                await self._proxies[pair].throttle(way, 0)

    async def restore(self) -> None:
        """Everything passes again, also what was held."""
        for between in self._proxies.values():
            await between.restore()


@contextlib.asynccontextmanager
async def running_network() -> AsyncIterator[Network]:
    """A cluster that runs, with the network between its servers."""
    with tempfile.TemporaryDirectory(prefix="spaces-test-", ignore_cleanup_errors=True) as directory:
        ports = distinct_ports(7)
        async with contextlib.AsyncExitStack() as stack:
            proxies = {
                (here, there): await stack.enter_async_context(proxy(f"http://127.0.0.1:{ports[3 + there]}"))
                for here in range(3)
                for there in range(3)
                if here != there
            }
            cluster = Cluster(
                [
                    _Member(
                        Path(directory) / f"nats-{here}",
                        ports[here],
                        PASSWORDS,
                        Path(directory) / f"nats-{here}.log",
                        sync_interval="2m",
                        monitor_port=ports[6] if here == 0 else 0,
                        membership=Membership(ports[3 + here], _routes(here, ports, proxies), "test-routes"),
                    )
                    for here in range(3)
                ]
            )
            stack.push_async_callback(asyncio.to_thread, cluster.stop)
            await asyncio.to_thread(cluster.start)
            yield Network(cluster, proxies, f"http://127.0.0.1:{ports[6]}")


def _routes(here: int, ports: list[int], proxies: dict[Pair, Proxy]) -> tuple[int, int, int]:
    to = [ports[3 + there] if there == here else proxies[here, there].port for there in range(3)]
    return to[0], to[1], to[2]
