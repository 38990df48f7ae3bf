"""The provisioner: PostgreSQL's schema, then NATS's streams and buckets. Idempotent: run it before every start."""

import asyncio
import time

import asyncpg
from nats.aio.client import Client

from services.history.migrations import is_recorded, migrate
from services.history.recovery_log import unfinished_recovery
from services.runtime.bus import connect
from services.runtime.errors import NatsUnavailable, Retryable
from services.runtime.settings import Settings
from services.runtime.topology import RecoveryNeeded, provision

_CONNECT_S = 10.0
_CLUSTER_S, _AGAIN_S = 30.0, 0.25
_UNREACHABLE_S = 1.0


class Unreachable(Retryable):
    """NATS or PostgreSQL did not let us in."""


async def provision_all(settings: Settings, wait_s: float = 0.0) -> list[str]:
    """Bring about everything that the services expect and return what was made: migrations and streams. It tries again for
    `wait_s` seconds while NATS or PostgreSQL does not let us in.

    The NATS user is to be `provisioner`, PostgreSQL's the owner of the database. Raises Unreachable, RecoveryNeeded,
    SpacesError."""
    end = time.monotonic() + wait_s
    while True:
        try:
            return await _provision_all(settings)
        except Unreachable:
            if time.monotonic() >= end:
                raise
        await asyncio.sleep(_UNREACHABLE_S)


async def _provision_all(settings: Settings) -> list[str]:
    try:
        made = await migrate(settings.database_url)
        recorded = await is_recorded(settings.database_url)
        unfinished = await unfinished_recovery(settings.database_url)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise Unreachable(f"PostgreSQL: {str(error) or type(error).__name__}") from error
    if unfinished is not None:
        raise RecoveryNeeded(f"a recovery has begun epoch {unfinished} and has not come to its end")
    nc = await _connect(settings.nats_url)
    try:
        return made + await _provision(nc, settings, recorded)
    except NatsUnavailable as error:
        raise Unreachable(f"NATS: {error} (is `provisioner` the user in its URL?)") from error
    finally:
        await nc.close()


async def _provision(nc: Client, settings: Settings, recorded: bool) -> list[str]:
    """As soon as the servers of a cluster have found each other."""
    end = time.monotonic() + (_CLUSTER_S if settings.replicas > 1 else 0.0)
    while True:
        try:
            return await provision(nc, settings, recorded)
        except NatsUnavailable:
            if time.monotonic() >= end:
                raise
        await asyncio.sleep(_AGAIN_S)


async def _connect(url: str) -> Client:
    try:
        async with asyncio.timeout(_CONNECT_S):  # by itself the client tries for ever
            return await connect(url, "provisioner", "provisioner")
    except Exception as error:  # anything from OSError to the client's own errors
        raise Unreachable(f"NATS: {str(error) or 'it does not let us in'}") from error
