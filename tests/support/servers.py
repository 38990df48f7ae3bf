"""A real nats-server with the real permissions, and a real PostgreSQL, on free ports in a directory of their own."""

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import nats
from nats.aio.client import Client
from nats.aio.subscription import Subscription

from services.local.errors import PortInUse
from services.local.nats_server import NatsServer
from services.local.ports import free_port
from services.local.postgres import PostgresServer
from services.runtime.settings import Settings
from tests.support.cluster import PASSWORDS, Cluster

_PORT_TRIES = 10
_Server = TypeVar("_Server", NatsServer, PostgresServer)


class Servers:
    """Both servers, for one test or for many. Use it as a context manager; it leaves nothing behind. `store` is where NATS
    has its data, if that is to be somewhere else. A `cluster` that runs takes the place of the single NATS server; it
    is emptied first."""

    def __init__(
        self,
        *,
        postgres: bool = True,
        sync_interval: str = "always",
        store: Path | None = None,
        cluster: Cluster | None = None,
    ) -> None:
        self._with_postgres, self._sync_interval, self._store, self.cluster = postgres, sync_interval, store, cluster
        self._stack = contextlib.ExitStack()
        self._postgres: PostgresServer | None = None

    def __enter__(self) -> "Servers":
        with contextlib.ExitStack() as stack:
            # Open to all, so that PostgreSQL's own account reaches it when the tests run as root.
            self.directory = Path(tempfile.mkdtemp(prefix="spaces-test-"))
            stack.callback(shutil.rmtree, self.directory, ignore_errors=True)
            self.directory.chmod(0o755)
            if self.cluster is None:
                self.nats: NatsServer | Cluster = _on_free_port(self._start_nats)
                stack.callback(self.nats.stop)
            else:
                self.nats = self.cluster
                self.cluster.empty()
            if self._with_postgres:
                self._postgres = _on_free_port(self._start_postgres)
                stack.callback(self._postgres.destroy)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def settings(self) -> Settings:
        """What streams are to be provisioned with here."""
        return Settings(replicas=1 if self.cluster is None else len(self.cluster.servers))

    @property
    def postgres(self) -> PostgresServer:
        """The PostgreSQL server."""
        assert self._postgres is not None, "these servers were started without PostgreSQL"
        return self._postgres

    @property
    def database_url(self) -> str:
        """The URL of the database, as its owner."""
        return self.postgres.url

    @property
    def server(self) -> NatsServer:
        """The nats-server, where there is one."""
        assert isinstance(self.nats, NatsServer)
        return self.nats

    def nats_url(self, service: str) -> str:
        """The URL under which one of USERS connects to NATS."""
        return self.nats.url(service)

    async def connect(self, service: str, **options: Any) -> Client:
        """A NATS connection of a service, with its own inbox prefix as in production."""
        return await nats.connect(self.nats_url(service), inbox_prefix=f"_INBOX_{service}", **options)

    def empty_nats(self) -> None:
        """Let NATS run, and have nothing stored."""
        if self.cluster is not None:
            self.cluster.empty()
        else:
            self.nats.stop()
            self.forget_nats()
            self.nats.start()

    def forget_nats(self) -> None:
        """Delete all that NATS has stored; only while it is stopped."""
        for server in [self.nats] if isinstance(self.nats, NatsServer) else self.nats.servers:
            shutil.rmtree(server.directory)

    async def empty_database(self) -> None:
        """Drop every schema of the database, so that the next test finds it fresh."""
        connection = await asyncpg.connect(self.database_url)
        try:
            names = await connection.fetch("SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema)'")
            for row in names:
                await connection.execute(f'DROP SCHEMA "{row["nspname"]}" CASCADE')
            await connection.execute("CREATE SCHEMA public")
        finally:
            await connection.close()

    def _start_nats(self, port: int) -> NatsServer:
        directory, log = self._store or self.directory / "nats", self.directory / "nats.log"
        server = NatsServer(directory, port, PASSWORDS, log, sync_interval=self._sync_interval)
        server.start()
        return server

    def _start_postgres(self, port: int) -> PostgresServer:
        log = self.directory / "postgres.log"
        server = PostgresServer(self.directory / "postgres", port, "test-history", log, durable=False)
        server.start()
        return server


@contextlib.asynccontextmanager
async def running_servers(
    *, postgres: bool = True, sync_interval: str = "always", store: Path | None = None, cluster: Cluster | None = None
) -> AsyncIterator[Servers]:
    """`Servers` for asyncio: starting and stopping do not block the loop."""
    servers = Servers(postgres=postgres, sync_interval=sync_interval, store=store, cluster=cluster)
    await asyncio.to_thread(servers.__enter__)
    try:
        yield servers
    finally:
        await asyncio.to_thread(servers.__exit__)


async def forbidden(nc: Client, subject: str) -> bool:
    """Publish an empty message, and tell whether the server refused that. Where it is allowed, it is really sent."""
    return await _refused(nc, lambda: nc.publish(subject, b""))


async def forbidden_to_subscribe(nc: Client, subject: str, queue: str = "") -> bool:
    """Subscribe, and tell whether the server refused that."""
    subscriptions: list[Subscription] = []

    async def subscribe() -> None:
        subscriptions.append(await nc.subscribe(subject, queue=queue))

    refused = await _refused(nc, subscribe)
    await subscriptions[0].unsubscribe()
    return refused


async def _refused(nc: Client, act: Callable[[], Any]) -> bool:
    """Whether the server answers the act with a permissions violation."""
    violations: list[str] = []
    before = nc._error_cb

    async def note(error: Exception) -> None:
        if "permissions violation" in str(error):
            violations.append(str(error))
        else:
            await before(error)

    nc._error_cb = note
    try:
        await act()
        # The answers come in order, so a pong tells that the refusal, if any, has come. Twice, since the client's first
        # ping overtakes what it has not written yet.
        await nc.flush()
        await nc.flush()
    finally:
        nc._error_cb = before
    return bool(violations)


def _on_free_port(start: Callable[[int], _Server]) -> _Server:
    """Start a server on a port that nobody has, also when somebody takes it at the last moment."""
    for _ in range(_PORT_TRIES - 1):
        with contextlib.suppress(PortInUse):
            return start(free_port())
    return start(free_port())
