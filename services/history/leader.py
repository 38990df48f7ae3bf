"""One replica records and trims, the others stand by. The advisory lock only saves work: two leaders would do no harm."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from services.history.database import TRANSIENT, Connection, alive, connect
from services.history.metrics import LEADING
from services.history.migrations import apply_migrations
from services.runtime.errors import NatsUnavailable
from services.runtime.jetstream import ApiError
from services.runtime.loops import together

log = logging.getLogger("services.history.leader")

_LOCK = 0x5350_4143_0002
_STAND_BY_S = 1.0
_BACK_OFF_S = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0)
_STEADY_S = 30.0
"""What went well for so long does not make the next pause longer."""

Work = Callable[[], Coroutine[Any, Any, None]]


class Leadership:
    """Keeps a connection to PostgreSQL; migrates it, waits for the lock, and works while it is held."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self.migrated = asyncio.Event()
        self.reachable = False
        """Whether PostgreSQL answers."""
        self.leading = False

    async def run(self, work: Sequence[Work]) -> None:
        """For ever: whatever PostgreSQL or NATS do, come back and go on where the log ends."""
        failures = 0
        while True:
            started = time.monotonic()
            try:
                await self._hold(work)
            except (*TRANSIENT, NatsUnavailable, ApiError) as error:
                log.warning("not recording: %s", str(error) or type(error).__name__)
            if time.monotonic() - started > _STEADY_S:
                failures = 0
            await asyncio.sleep(_BACK_OFF_S[min(failures, len(_BACK_OFF_S) - 1)])
            failures += 1

    async def _hold(self, work: Sequence[Work]) -> None:
        connection = await connect(self._url)
        try:
            if not self.migrated.is_set():
                await apply_migrations(connection)
                self.migrated.set()
            self.reachable = True
            await _obtain_lock(connection)
            self.leading = True
            LEADING.set(1)
            log.info("recording")
            await together(alive(connection), *(item() for item in work))
        finally:
            self.leading = self.reachable = False
            LEADING.set(0)
            connection.terminate()


async def _obtain_lock(connection: Connection) -> None:
    while True:
        if await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):
            return
        await asyncio.sleep(_STAND_BY_S)
