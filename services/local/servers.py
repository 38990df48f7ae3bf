"""The NATS and the PostgreSQL of a home, whether its stack is up or down."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import NamedTuple

from services.local.database import NoDatabase, database_server
from services.local.errors import HomeInUse, NotRunning
from services.local.guard import guarded
from services.local.home import Home
from services.local.leftovers import nats_directories
from services.local.nats_server import USERS, Membership, NatsServer

PortOf = Callable[[str], int]


class Servers(NamedTuple):
    """Where both are. `alone`: nothing else of the home runs, nor begins to run meanwhile."""

    nats: list[NatsServer]
    database_url: str
    alone: bool


def nats_servers(home: Home, count: int, port: PortOf, sync_interval: str = "always") -> list[NatsServer]:
    """The home's NATS: one server, or a cluster of three. `port` tells an internal server's port by its name."""
    passwords = {user: home.secret(f"nats-{user}") for user in USERS}
    if count == 1:
        log = home.log_file("nats-1")
        return [NatsServer(nats_directories(home)[0], port("nats"), passwords, log, sync_interval=sync_interval)]
    routes = (port("nats-1-routes"), port("nats-2-routes"), port("nats-3-routes"))
    return [
        NatsServer(
            directory,
            port(f"nats-{number}"),
            passwords,
            home.log_file(f"nats-{number}"),
            sync_interval=sync_interval,
            membership=Membership(route, routes, home.secret("nats-routes")),
        )
        for number, (directory, route) in enumerate(zip(nats_directories(home)[1:], routes, strict=True), 1)
    ]


def url_at(nats: list[NatsServer], user: str) -> str:
    """The URL under which one of USERS connects to any of these servers."""
    return ",".join(server.url(user) for server in nats)


def running_nats_url(home: Home, user: str) -> str:
    """The URL under which one of USERS connects to the NATS of a home whose stack is up. Raises LocalError."""
    with contextlib.suppress(HomeInUse), home.lock():
        raise NotRunning(home.path)
    try:
        nats = nats_servers(home, home.nats_servers(), functools.partial(_known_port, home))
    except NoDatabase as error:  # it is only just starting
        raise NotRunning(home.path) from error
    return url_at(nats, user)


@contextlib.contextmanager
def servers_of(home: Home) -> Iterator[Servers]:
    """The home's servers while the block lasts: of the stack that is up, else some that run for this block only. Raises
    LocalError."""
    known_port = functools.partial(_known_port, home)
    postgres_port = known_port("postgres")
    with contextlib.ExitStack() as block:
        try:
            block.enter_context(home.lock())
        except HomeInUse:
            nats = nats_servers(home, home.nats_servers(), known_port)
            servers = Servers(nats, database_server(home, postgres_port).url, alone=False)
        else:
            block.enter_context(guarded(home))
            servers = started(home, block)
        yield servers


def _known_port(home: Home, name: str) -> int:
    port = home.known_port(name)
    if port is None:
        raise NoDatabase(home.path)
    return port


def started(home: Home, block: contextlib.ExitStack) -> Servers:
    """The servers of a home that the caller has locked and guarded, made if need be, until the block ends.
    Raises LocalError."""
    nats = nats_servers(home, home.nats_servers(), home.port)
    for server in nats:
        block.callback(server.stop)
        server.start()
    postgres = database_server(home, home.port("postgres"))
    block.callback(postgres.stop)
    postgres.start()
    return Servers(nats, postgres.url, alone=True)
