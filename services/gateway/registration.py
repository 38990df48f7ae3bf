"""What the gateway tells the registry and the connections' log in the background: ends of connections, refused frames."""

import asyncio
import time

from nats.aio.client import Client
from prometheus_client import Counter

from services.contracts import codec, subjects
from services.contracts.connections import Refused
from services.contracts.rpc import Detach, Recorded
from services.gateway.background import Background, Fail
from services.runtime import rpc
from services.runtime.errors import NatsUnavailable
from services.runtime.jetstream import publish

DETACH_FOR_S = 60.0
"""After this the registry's own janitor, who sees that the gateway does not report the connection, has done it."""
RETRY_S = 1.0
CONCURRENT_RECORDS = 32
RECORD_TIMEOUT_S = 5.0

REFUSED_FRAMES = Counter(
    "ws_refused_frames_total", "Frames of agents that were not current", ["frame", "reason", "recorded"]
)
DETACHES_GIVEN_UP = Counter("ws_detaches_given_up_total", "Ends of connections that the registry was not told of")


class Registration:
    """Background calls. They are bounded in time and number, and none is worth stopping an agent for."""

    def __init__(self, nc: Client, fail: Fail) -> None:
        self._nc = nc
        self._detaches, self._records = Background(fail), Background(fail)

    def detach(self, message: Detach) -> None:
        """Tell the registry that a connection has ended."""
        self._detaches.spawn(self._detach(message))

    def record_refused(self, event: Refused) -> None:
        """Record a refused frame; beyond a bound it is only counted."""
        if len(self._records) >= CONCURRENT_RECORDS:
            REFUSED_FRAMES.labels(event.frame, event.reason, "no").inc()
        else:
            self._records.spawn(self._record(event))

    async def settle(self, timeout_s: float) -> None:
        """Wait until all is said, or the time is over."""
        await asyncio.gather(self._detaches.settle(timeout_s), self._records.settle(timeout_s))

    async def _detach(self, message: Detach) -> None:
        end = time.monotonic() + DETACH_FOR_S
        while time.monotonic() < end:
            try:
                await rpc.call(self._nc, subjects.registry_rpc("detach"), message, Recorded)
                return
            except rpc.Refused:
                break
            except NatsUnavailable:
                await asyncio.sleep(RETRY_S)
        DETACHES_GIVEN_UP.inc()

    async def _record(self, event: Refused) -> None:
        subject = subjects.connection_event(event.conn, "refused")
        try:
            ack = await publish(
                self._nc, subject, codec.connections.encode(event), {subjects.MSG_ID: event.id}, RECORD_TIMEOUT_S
            )
            recorded = "no" if ack.error else "yes"
        except NatsUnavailable:
            recorded = "no"
        REFUSED_FRAMES.labels(event.frame, event.reason, recorded).inc()
