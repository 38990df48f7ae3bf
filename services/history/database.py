"""PostgreSQL as this service uses it."""

from __future__ import annotations

import asyncio
from typing import TypeAlias

import asyncpg

from services.runtime.errors import Retryable

CONNECT_TIMEOUT_S = 10.0
COMMAND_TIMEOUT_S = 60.0
_APPLICATION = {"application_name": "spaces-history"}

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"

TRANSIENT = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # of whoever asks while the server's last words are on their way
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
)
"""What PostgreSQL's restart, overload or absence looks like: try again. Anything else is a defect."""


class DatabaseUnavailable(Retryable):
    """PostgreSQL does not answer, or has not been migrated yet."""


async def connect(
    database_url: str, command_timeout_s: float | None = COMMAND_TIMEOUT_S
) -> asyncpg.Connection[asyncpg.Record]:
    """One connection of our own. Raises one of TRANSIENT, or asyncpg.PostgresError."""
    return await asyncpg.connect(
        database_url, timeout=CONNECT_TIMEOUT_S, command_timeout=command_timeout_s, server_settings=_APPLICATION
    )


async def create_pool(database_url: str) -> Pool:
    """A pool that connects when it is used, so that it can be made while PostgreSQL is down."""
    return await asyncpg.create_pool(
        database_url,
        min_size=0,
        max_size=8,
        timeout=CONNECT_TIMEOUT_S,
        command_timeout=COMMAND_TIMEOUT_S,
        server_settings=_APPLICATION,
    )


async def alive(connection: Connection) -> None:
    """Ask until the connection fails: raises one of TRANSIENT."""
    while True:
        await connection.execute("SELECT 1", timeout=5.0)
        await asyncio.sleep(1.0)
