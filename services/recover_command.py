"""`spaces recover`: on which servers, shown and confirmed before, told how after."""

import asyncio
import contextlib
import dataclasses
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import asyncpg
import click
import msgspec

from services.history.database import DatabaseUnavailable, connect
from services.history.migrations import migrate
from services.history.recover import Outlook, Progress, Recovered, Recovery
from services.local.console import Console
from services.local.home import Home
from services.local.servers import servers_of, url_at
from services.local.up import PASSED_ON
from services.runtime import bus
from services.runtime.append import StreamFull
from services.runtime.errors import Final, NatsUnavailable
from services.runtime.secret_files import with_secrets
from services.runtime.settings import Settings, read

_CONNECT_S = 10.0
_CLUSTER_S, _AGAIN_S = 30.0, 0.5
_USER = "recovery"
T = TypeVar("T")

DONE, NOT_ALL, NOTHING_DONE = 0, 1, 2
"""Exit statuses; NOTHING_DONE also when it was not done to its end."""


class Declined(Final):
    """Nobody has said yes."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Target:
    """What is recovered. `alone`: none of its services runs."""

    settings: Settings
    alone: bool


def run(home: Path | None, environment: Mapping[str, str], *, yes: bool, as_json: bool) -> int:
    """Show what there is to recover in the home, or on the servers that the environment names, and after a yes recover it;
    the exit status. Raises LocalError, SpacesError."""
    console = Console(sys.stderr)
    with _target(home, environment) as target:
        outlook = asyncio.run(_outlook(target))
        if not as_json:
            console.line(prospect(outlook))
        if outlook.anew is not None and not yes:
            _confirm()
        recovered = asyncio.run(_on(target, _shown(console), lambda recovery: recovery.run(alone=target.alone)))
    console.end_status()
    print(json.dumps(_values(outlook, recovered)) if as_json else result(recovered))
    return DONE if recovered is None or not recovered.lost else NOT_ALL


def look(settings: Settings) -> Outlook:
    """What there is to recover on these servers; nothing but the schema is changed. Raises SpacesError."""
    return asyncio.run(_outlook(_Target(settings, alone=False)))


def recover_alone(settings: Settings, progress: Progress) -> Recovered | None:
    """Recover what no service uses, without asking; None when nothing was lost. Raises SpacesError."""
    target = _Target(settings, alone=True)
    asyncio.run(_outlook(target))  # which waits for the servers of a cluster
    return asyncio.run(_on(target, progress, lambda recovery: recovery.run(alone=True)))


def prospect(outlook: Outlook) -> str:
    """What there is to recover, for a person."""
    if outlook.anew is None:
        return "NATS has lost nothing" + (", but everybody was told to stop" if outlook.halted else "")
    lost = [f"  {stream}: {why}" for stream, why in outlook.anew.streams.items()]
    replaced = [
        f"The old {name} is deleted; what {left} messages in it say that are not in the log is kept, as far as it fits"
        for name, left in outlook.left.items()
    ]
    return "\n".join(
        [
            "NATS has lost, or has something else than the log says:",
            *(lost or ["  the idempotency keys"]),
            f"That begins anew in epoch {outlook.anew.epoch}, with what the log has:",
            f"  {outlook.directory} events of users, spaces and keys",
            f"  {outlook.requests} open requests: they are queued again, and agents that still run some are told to stop",
            f"  {outlook.keys} idempotency keys of the last 24 hours",
            *replaced,
            "If you have NATS's data, bring them back instead: what they alone hold is lost otherwise",
        ]
    )


def result(recovered: Recovered | None) -> str:
    """What was done, for a person."""
    if recovered is None:
        return "nothing to recover: everybody goes on"
    done = (
        f"epoch {recovered.epoch}: {recovered.directory} events of the directory, {recovered.requests} open requests,"
        f" {recovered.keys} idempotency keys"
    )
    outcomes = [f"{recovered.outcomes} outcomes kept of the old stream"] if recovered.outcomes else []
    lost = [f"{recovered.lost} requests could not be restored"] if recovered.lost else []
    return "\n".join([", ".join([done, *outcomes, *lost]), *(f"  {finding}" for finding in recovered.findings)])


def _values(outlook: Outlook, recovered: Recovered | None) -> dict[str, object]:
    if recovered is None:
        return {"needed": False, "resumed": outlook.halted}
    reasons = {} if outlook.anew is None else outlook.anew.streams
    return {"needed": True, "reasons": reasons, **dataclasses.asdict(recovered)}


def _confirm() -> None:
    if not sys.stdin.isatty():
        raise Declined("nothing was changed: say --yes to recover")
    if not click.confirm("Go on?", err=True):
        raise Declined("nothing was changed")


@contextlib.contextmanager
def _target(home: Path | None, environment: Mapping[str, str]) -> Iterator[_Target]:
    settings = read(environment)
    if home is None:
        yield _Target(settings, alone=False)
        return
    settings = read({name: value for name, value in with_secrets(environment).items() if name in PASSED_ON})
    with servers_of(Home(home.resolve())) as servers:
        settings = msgspec.structs.replace(
            settings,
            nats_url=url_at(servers.nats, _USER),
            database_url=servers.database_url,
            replicas=len(servers.nats),
        )
        yield _Target(settings, servers.alone)


async def _outlook(target: _Target) -> Outlook:
    """What there is to recover, as soon as the servers of a cluster have elected who leads its streams."""
    end = time.monotonic() + (_CLUSTER_S if target.settings.replicas > 1 else 0.0)
    while True:
        try:
            return await _on(target, _silent, lambda recovery: recovery.outlook())
        except NatsUnavailable:
            if time.monotonic() >= end:
                raise
        await asyncio.sleep(_AGAIN_S)


async def _on(target: _Target, progress: Progress, work: Callable[[Recovery], Awaitable[T]]) -> T:
    try:
        await migrate(target.settings.database_url)
        async with _recovery(target.settings, progress) as recovery:
            return await work(recovery)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise DatabaseUnavailable(f"PostgreSQL: {str(error) or type(error).__name__}") from error


@contextlib.asynccontextmanager
async def _recovery(settings: Settings, progress: Progress) -> AsyncIterator[Recovery]:
    try:
        async with asyncio.timeout(_CONNECT_S):  # by itself the client tries for ever
            nc = await bus.connect(settings.nats_url, _USER, _USER)
    except Exception as error:  # anything from OSError to the client's own errors
        raise NatsUnavailable(f"NATS: {str(error) or 'it does not let us in'}") from error
    try:
        connection = await connect(settings.database_url, command_timeout_s=None)
        try:
            yield Recovery(nc, connection, settings, progress)
        except NatsUnavailable as error:
            raise NatsUnavailable(f"NATS: {error} (is `{_USER}` the user in its URL?)") from error
        except StreamFull as error:
            raise StreamFull(f"NATS: {error}: raise WS_STREAM_MAX_BYTES, and run it again") from error
        finally:
            await connection.close()
    finally:
        await nc.close()


def _shown(console: Console) -> Progress:
    """Show how far it is, but not all the time."""
    shown = 0.0

    def show(what: str, done: int, total: int) -> None:
        nonlocal shown
        if time.monotonic() - shown >= console.pause_s:
            shown = time.monotonic()
            console.status(f"{what}: {done} of {total}")

    return show


def _silent(what: str, done: int, total: int) -> None:
    """Looking takes no long."""
