"""The NATS and the PostgreSQL of a home, whether its stack is up or down."""

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

from services.local.database import NoDatabase, database_server
from services.local.errors import HomeInUse
from services.local.guard import guarded
from services.local.home import Home
from services.local.nats_server import USERS, NatsServer


class Servers(NamedTuple):
    """Where both servers are. `alone`: nothing else of the home runs, nor begins to run meanwhile."""

    nats: NatsServer
    database_url: str
    alone: bool


def nats_server(home: Home, port: int, sync_interval: str = "always") -> NatsServer:
    """The home's NATS."""
    passwords = {user: home.secret(f"nats-{user}") for user in USERS}
    return NatsServer(home.path / "nats", port, passwords, home.log_file("nats-1"), sync_interval=sync_interval)


@contextlib.contextmanager
def servers_of(home: Home) -> Iterator[Servers]:
    """The home's servers while the block lasts: of the stack that is up, else some that run for this block only. Raises
    LocalError."""
    nats_port, postgres_port = home.known_port("nats"), home.known_port("postgres")
    if nats_port is None or postgres_port is None:
        raise NoDatabase(home.path)
    with contextlib.ExitStack() as block:
        try:
            block.enter_context(home.lock())
        except HomeInUse:
            servers = Servers(nats_server(home, nats_port), database_server(home, postgres_port).url, alone=False)
        else:
            block.enter_context(guarded(home))
            servers = _started(home, block)
        yield servers


def _started(home: Home, block: contextlib.ExitStack) -> Servers:
    nats = nats_server(home, home.port("nats"))
    block.callback(nats.stop)
    nats.start()
    postgres = database_server(home, home.port("postgres"))
    block.callback(postgres.stop)
    postgres.start()
    return Servers(nats, postgres.url, alone=True)
