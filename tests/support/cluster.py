"""A cluster of three real nats-servers, and what can happen to it."""

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
from nats.aio.client import Client

from services.local.errors import PortInUse, ServerFailed
from services.local.nats_server import USERS, Membership, NatsServer
from services.runtime import bus, topology
from services.runtime.errors import NatsUnavailable
from services.runtime.jetstream import api
from services.runtime.settings import Settings
from tests.support.own_ports import own_port
from tests.support.waiting import until

SIZE = 3
PASSWORDS = {user: f"test-{user}" for user in USERS}
_PORT_TRIES = 10
_ASK_S, _SHORT_S = 1.0, 0.3


class Cluster:
    """Three servers on this machine. `start`, `stop` and `url` are those of a single server, for all three."""

    def __init__(self, servers: list[NatsServer]) -> None:
        self.servers = servers

    @property
    def directory(self) -> Path:
        """Where all three keep their data."""
        return self.servers[0].directory.parent

    def start(self) -> None:
        """Start those that do not run."""
        self._each(lambda server: None if runs(server) else server.start())

    def stop(self) -> None:
        """Stop all three, also those that are paused."""
        self._each(resume)
        self._each(NatsServer.stop)

    def url(self, user: str) -> str:
        """The URLs of all three."""
        return ",".join(server.url(user) for server in self.servers)

    def empty(self) -> None:
        """Make it as good as new, whatever was done to it: all three run, and there are no streams."""
        self._each(resume)
        self.start()
        # In a thread of its own, since this may be called from within an event loop's.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, self._delete_streams()).result()

    def named(self, name: str) -> NatsServer:
        """The server of this name."""
        return next(server for server in self.servers if server.name == name)

    async def leader(self, stream: str) -> NatsServer:
        """The server that leads the stream, once there is one."""
        async with self._connected("operator") as operator:
            return self.named(await leader_of(operator, stream))

    async def step_down(self, stream: str, to: NatsServer | None = None) -> None:
        """Make another server, or this one, the stream's leader, and return when it is."""
        async with self._connected("operator") as operator:
            await move_leader(operator, stream, None if to is None else to.name)

    async def healthy(self) -> None:
        """Return when each stream has a leader and two followers that have all that it has."""
        async with self._connected("operator") as operator:
            await healthy(operator)

    async def _delete_streams(self) -> None:
        async with self._connected("recovery") as recovery:

            async def ready() -> bool:
                return bool(await _asked(recovery, "INFO"))

            async def gone(name: str) -> bool:
                # Nobody answers for a stream that some know to be deleted, and others do not know yet.
                found = await _asked(recovery, f"STREAM.INFO.{name}", timeout_s=_SHORT_S)
                if "config" in found:
                    await _asked(recovery, f"STREAM.DELETE.{name}", timeout_s=_SHORT_S)
                return bool(found.get("error", {}).get("err_code") == topology.STREAM_NOT_FOUND)

            async def empty() -> bool:
                return all(await asyncio.gather(*(gone(stream.name) for stream in topology.streams(Settings()))))

            await until(ready, "the cluster has a leader")
            await until(empty, "there are no streams")

    @contextlib.asynccontextmanager
    async def _connected(self, user: str) -> AsyncIterator[Client]:
        nc = await bus.connect(self.url(user), user, "test-cluster")
        try:
            yield nc
        finally:
            await nc.close()

    def _each(self, act: Callable[[NatsServer], Any]) -> None:
        with ThreadPoolExecutor(SIZE) as threads:
            list(threads.map(act, self.servers))


@contextlib.contextmanager
def running_cluster(sync_interval: str = "2m") -> Iterator[Cluster]:
    """A cluster that runs; it leaves nothing behind."""
    directory = Path(tempfile.mkdtemp(prefix="spaces-test-"))
    try:
        cluster = _started(directory, sync_interval)
        try:
            yield cluster
        finally:
            cluster.stop()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def runs(server: NatsServer) -> bool:
    """Whether it was started and has not ended."""
    with contextlib.suppress(ServerFailed):
        return server.pid > 0 and server.poll() is None
    return False


def kill(server: NatsServer) -> None:
    """End it without a word, as a power cut would; `start` brings it back."""
    os.kill(server.pid, signal.SIGKILL)
    server.stop()


def resume(server: NatsServer) -> None:
    """Let it go on, if it runs at all."""
    if runs(server):
        os.kill(server.pid, signal.SIGCONT)


@contextlib.contextmanager
def paused(server: NatsServer) -> Iterator[None]:
    """The server does nothing during the block, but its sockets stay open."""
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        resume(server)


async def leader_of(nc: Client, stream: str) -> str:
    """The name of the server that leads the stream, once there is one."""
    name = ""

    async def led() -> bool:
        nonlocal name
        name = (await _asked(nc, f"STREAM.INFO.{stream}")).get("cluster", {}).get("leader", "")
        return bool(name)

    await until(led, f"{stream} has a leader")
    return name


async def move_leader(operator: Client, stream: str, to: str | None = None) -> None:
    """Make another server, or the one of this name, the stream's leader, and return when it is."""
    before = await leader_of(operator, stream)
    body = None if to is None else {"placement": {"preferred": to}}

    async def moved() -> bool:
        leader = await leader_of(operator, stream)
        if leader != before if to is None else leader == to:
            return True
        # Again until it is: it may have been the third server that was elected.
        await _asked(operator, f"STREAM.LEADER.STEPDOWN.{stream}", body)
        return False

    await until(moved, f"{stream} has another leader")


async def healthy(operator: Client) -> None:
    """Return when each stream has a leader and two followers that have all that it has."""

    async def whole() -> bool:
        listed = await _asked(operator, "STREAM.LIST")
        clusters = [stream["cluster"] for stream in listed.get("streams") or []]
        return "streams" in listed and not listed.get("missing") and all(map(_whole, clusters))

    await until(whole, "all streams have three replicas")


async def _asked(nc: Client, operation: str, body: Any = None, timeout_s: float = _ASK_S) -> dict[str, Any]:
    """The answer, empty when there is none."""
    with contextlib.suppress(NatsUnavailable):
        answer: dict[str, Any] = msgspec.json.decode(await api(nc, operation, body, timeout_s=timeout_s))
        return answer
    return {}


def _whole(cluster: dict[str, Any]) -> bool:
    replicas = cluster.get("replicas") or []
    return bool(cluster.get("leader")) and len(replicas) == SIZE - 1 and all(each["current"] for each in replicas)


def _started(directory: Path, sync_interval: str) -> Cluster:
    for number in range(_PORT_TRIES):
        cluster = Cluster(_servers(directory / str(number), sync_interval))
        try:
            cluster.start()
        except PortInUse:  # somebody took one at the last moment
            cluster.stop()
        else:
            return cluster
    raise AssertionError("no free ports")


def _servers(directory: Path, sync_interval: str) -> list[NatsServer]:
    ports = distinct_ports(2 * SIZE)
    routes = (ports[3], ports[4], ports[5])
    directory.mkdir()
    return [
        NatsServer(
            directory / f"nats-{number}",
            ports[number],
            PASSWORDS,
            directory / f"nats-{number}.log",
            sync_interval=sync_interval,
            membership=Membership(routes[number], routes, "test-routes"),
        )
        for number in range(SIZE)
    ]


def distinct_ports(count: int) -> list[int]:
    """So many ports on which nobody listens."""
    ports: set[int] = set()
    while len(ports) < count:
        ports.add(own_port())
    return list(ports)
