"""Admission: may new requests come in at all? Outcomes of accepted ones must always find room in the stream."""

import asyncio
import contextlib
import time

from nats.aio.client import Client

from services.contracts import subjects
from services.gateway.metrics import ADMITTING
from services.gateway.platform import FULL
from services.gateway.problems import ApiProblem
from services.gateway.reading import epoch_of
from services.runtime.errors import NatsUnavailable
from services.runtime.jetstream import ApiError, stream_info
from services.runtime.live import Liveness

LOOK_S = 2.0
UNWRITTEN_S = 12.0
"""NATS has stored nothing of ours for so long: longer than the election of a leader (9 s) takes. A server whose disk has
been full answers questions, but writes no more, and does not say so."""


class Admission:
    """Looks at the stream every LOOK_S."""

    def __init__(self, nc: Client, liveness: Liveness) -> None:
        self._nc, self._liveness = nc, liveness
        self._full = False
        self._epoch: int | None = None

    async def keep_looking(self) -> None:
        """Look again and again; a missed look leaves the last answer."""
        while True:
            with contextlib.suppress(NatsUnavailable, ApiError):
                await self._look()
            ADMITTING.set(self.open)
            await asyncio.sleep(LOOK_S)

    async def epoch(self) -> int:
        """The epoch of the stream, as of the last look. Raises NatsUnavailable."""
        return await self._look() if self._epoch is None else self._epoch

    async def _look(self) -> int:
        info = await stream_info(self._nc, subjects.REQUESTS)
        self._epoch = epoch_of(info)
        self._full = 0 < info.config.max_bytes * FULL <= info.state.bytes
        return self._epoch

    @property
    def open(self) -> bool:
        """Whether new requests are admitted now."""
        try:
            self.check()
        except ApiProblem:
            return False
        return True

    def check(self) -> None:
        """Raises ApiProblem when nothing may be admitted now."""
        if not self._liveness.caught_up.is_set():
            raise _stopped("This gateway is still starting.")
        if self._liveness.halted:
            raise _stopped("Submissions are stopped until an operator has recovered the log.")
        if time.monotonic() - self._liveness.renewed_at > UNWRITTEN_S:
            raise _stopped("The request log takes no writes at the moment: submissions are stopped until it does.")
        if self._full:
            raise _stopped("The request log is nearly full: submissions are stopped until it is trimmed.")


def _stopped(detail: str) -> ApiProblem:
    return ApiProblem("unavailable", detail, headers={"Retry-After": "5"})
