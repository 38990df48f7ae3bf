"""For the bare pipeline, in place of the package of that name: it hands out the PostgreSQL that the benchmark has started.

The package itself, run by root, opens the permissions of every directory above its own; and both sides are to have the same
PostgreSQL with the same settings.
"""

import os


class Server:
    """What the bare pipeline asks of a server."""

    def get_uri(self) -> str:
        """Where it listens."""
        return os.environ["BENCH_DATABASE_URL"]

    def cleanup(self) -> None:
        """Nothing: the benchmark stops it."""


def get_server(directory: str, cleanup_mode: str | None = "stop") -> Server:
    """The server, whatever the directory."""
    return Server()
