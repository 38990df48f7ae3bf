"""`spaces log verify` and `spaces log rebuild`: on which database, with what progress, told how."""

import asyncio
import contextlib
import dataclasses
import json
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import asyncpg

from services.history.database import DatabaseUnavailable
from services.history.reading import Progress
from services.history.rebuild import Rebuilt
from services.history.verify import Report
from services.local.console import Console
from services.local.database import database_of
from services.local.home import Home

Work = Callable[[str, Progress], Awaitable[Report | Rebuilt]]


def run(work: Work, home: Path | None, database_url: str | None, *, as_json: bool) -> bool:
    """Do the work on the home's database, or on that of the URL; print the result; tell whether it is clean. Raises
    LocalError, SpacesError."""
    console = Console(sys.stderr)
    with _database(home, database_url) as url:
        result = asyncio.run(_connected(work(url, _progress(console))))
    console.end_status()
    if as_json:
        print(json.dumps({"clean": result.clean, **dataclasses.asdict(result)}))
    else:
        print(result.summary())
    return result.clean


@contextlib.contextmanager
def _database(home: Path | None, database_url: str | None) -> Iterator[str]:
    if database_url is not None:
        yield database_url
    elif home is not None:
        with database_of(Home(home.resolve())) as url:
            yield url


async def _connected(work: Awaitable[Report | Rebuilt]) -> Report | Rebuilt:
    try:
        return await work
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise DatabaseUnavailable(f"PostgreSQL: {str(error) or type(error).__name__}") from error


def _progress(console: Console) -> Progress:
    """Show how far it is, but not all the time."""
    shown = time.monotonic()

    def show(done: int, total: int) -> None:
        nonlocal shown
        if time.monotonic() - shown >= console.pause_s:
            shown = time.monotonic()
            console.status(f"{done} of {total} events")

    return show
