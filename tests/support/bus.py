"""A nats-server with the real permissions and all streams declared, and clients of it as each service has them."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any
from urllib.parse import urlsplit

from nats.aio.client import Client

from services.runtime import bus, topology
from services.runtime.settings import Settings
from tests.support.proxy import Proxy
from tests.support.servers import Servers, running_servers

DEADLINE_S = 30.0


class Bus:
    """Servers without PostgreSQL, with connections that are closed at the end."""

    def __init__(self, servers: Servers) -> None:
        self.servers = servers
        self._clients: list[Client] = []
        self._tasks: list[asyncio.Task[Any]] = []

    async def connect(self, service: str, through: Proxy | None = None) -> Client:
        """A connection exactly as the service has it, or by way of a proxy."""
        url = self.servers.nats_url(service)
        if through is not None:
            url = url.replace(f":{self.servers.nats.port}", f":{urlsplit(through.url).port}")
        nc = await bus.connect(url, service, f"test-{service}")
        self._clients.append(nc)
        return nc

    def spawn(self, loop: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a loop until the end of the test."""
        task = asyncio.create_task(loop)
        self._tasks.append(task)
        return task

    async def restart(self) -> None:
        """Stop the server and start it again on its port."""
        await asyncio.to_thread(self.servers.nats.stop)
        await asyncio.to_thread(self.servers.nats.start)

    async def close(self) -> None:
        """End the loops, then the connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for nc in self._clients:
            await nc.close()


@contextlib.asynccontextmanager
async def running_bus(settings: Settings | None = None, *, sync_interval: str = "2m") -> AsyncIterator[Bus]:
    """A `Bus` whose streams are provisioned."""
    async with running_servers(postgres=False, sync_interval=sync_interval) as servers:
        here = Bus(servers)
        try:
            await topology.provision(await here.connect("provisioner"), settings or Settings(), recorded=False)
            yield here
        finally:
            await here.close()


async def until(condition: Callable[[], bool | Awaitable[bool]], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Wait until the condition holds; fail with `what` when it does not in time."""
    end = time.monotonic() + deadline_s
    while True:
        holds = condition()
        if not isinstance(holds, bool):
            holds = await holds
        if holds:
            return
        assert time.monotonic() < end, f"not within {deadline_s:g} s: {what}"
        await asyncio.sleep(0.02)
