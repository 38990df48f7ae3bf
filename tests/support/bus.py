"""A nats-server with the real permissions and all streams declared, and clients of it as each service has them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from nats.aio.client import Client

from services.contracts import subjects
from services.local.nats_server import NatsServer
from services.runtime import bus, topology
from services.runtime.errors import NatsUnavailable
from services.runtime.loops import cancel
from services.runtime.settings import Settings
from tests.support.cluster import Cluster
from tests.support.proxy import Proxy
from tests.support.servers import Servers, running_servers
from tests.support.waiting import until as until


class Bus:
    """Servers without PostgreSQL, with connections that are closed at the end."""

    def __init__(self, servers: Servers) -> None:
        self.servers = servers
        self._clients: list[Client] = []
        self._tasks: list[asyncio.Task[Any]] = []

    @property
    def door(self) -> NatsServer:
        """The server, or the first one of a cluster."""
        return self.servers.nats if isinstance(self.servers.nats, NatsServer) else self.servers.nats.servers[0]

    async def connect(self, service: str, *servers: NatsServer, through: Proxy | None = None) -> Client:
        """A connection exactly as the service has it; to one of these servers, if there are any, or to the door by way of a
        proxy."""
        url = ",".join(server.url(service) for server in servers) or self.servers.nats_url(service)
        if through is not None:
            url = self.door.url(service).replace(f":{self.door.port}", f":{through.port}")
        nc = await bus.connect(url, service, f"test-{service}")
        self._clients.append(nc)
        return nc

    def spawn(self, loop: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a loop until the end of the test."""
        task = asyncio.create_task(loop)
        self._tasks.append(task)
        return task

    async def stop(self) -> None:
        """Stop the server; of a cluster, all three."""
        await asyncio.to_thread(self.servers.nats.stop)

    async def start(self) -> None:
        """Start it, or them, again, on the same ports; return when the streams can be used."""
        await asyncio.to_thread(self.servers.nats.start)
        if self.servers.cluster is not None:
            await self.servers.cluster.healthy()

    async def restart(self, stream: str = subjects.REQUESTS) -> None:
        """Stop the server, of a cluster the one that leads the stream, and start it again on its port."""
        cluster = self.servers.cluster
        server = self.servers.nats if cluster is None else await cluster.leader(stream)
        await asyncio.to_thread(server.stop)
        await asyncio.to_thread(server.start)

    async def close(self) -> None:
        """End the loops, then the connections."""
        await cancel(self._tasks)
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for nc in self._clients:
            await nc.close()


async def provisioned(provisioner: Client, settings: Settings) -> None:
    """Bring the streams about, as soon as all servers of a cluster have found each other."""

    async def done() -> bool:
        try:
            await topology.provision(provisioner, settings, recorded=False)
        except NatsUnavailable:
            return False
        return True

    await until(done, "the streams are there")


@contextlib.asynccontextmanager
async def running_bus(
    settings: Settings | None = None, *, sync_interval: str = "2m", cluster: Cluster | None = None
) -> AsyncIterator[Bus]:
    """A `Bus` whose streams are provisioned; on the `cluster`, if there is one."""
    async with running_servers(postgres=False, sync_interval=sync_interval, cluster=cluster) as servers:
        here = Bus(servers)
        try:
            await provisioned(await here.connect("provisioner"), settings or servers.settings)
            yield here
        finally:
            await here.close()
