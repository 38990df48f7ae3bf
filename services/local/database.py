"""The PostgreSQL of a home, whether its stack is up or down."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from services.local.errors import HomeInUse, LocalError
from services.local.guard import guarded
from services.local.home import Home
from services.local.postgres import PostgresServer

_NAME = "postgres"


class NoDatabase(LocalError):
    """No stack has ever run in the home."""

    def __init__(self, home: Path) -> None:
        super().__init__(f"there is no database in {home}: name another --home, or a --database-url")
        self.home = home


def database_server(home: Home, port: int) -> PostgresServer:
    """The home's PostgreSQL."""
    return PostgresServer(home.path / _NAME, port, home.secret(_NAME), home.log_file("postgres-1"))


@contextlib.contextmanager
def database_of(home: Home) -> Iterator[str]:
    """The URL of the home's database while the block lasts: of the stack that is up, else of a PostgreSQL that runs for
    this block only. Raises LocalError."""
    known_port = home.known_port(_NAME)
    if known_port is None:
        raise NoDatabase(home.path)
    with contextlib.ExitStack() as block:
        try:
            block.enter_context(home.lock())
        except HomeInUse:
            server = database_server(home, known_port)
        else:
            block.enter_context(guarded(home))
            server = database_server(home, home.port(_NAME))
            block.callback(server.stop)
            server.start()
        yield server.url
