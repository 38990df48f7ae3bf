"""Which gateways are gone."""

import asyncio
import time

from nats.aio.client import Client

from services.runtime.live import TTL_S, Liveness

LOOK_S = 0.5


class Gateways:
    """Tells a gateway that is gone from one that only cannot be seen.

    A key's time to live runs on while the server is down, and a view of the bucket that was cut off is old. So nothing is
    believed of an absent key before this process has been connected for one whole time to live."""

    def __init__(self, nc: Client, liveness: Liveness, settled_s: float = TTL_S) -> None:
        self._nc, self._liveness, self._settled_s = nc, liveness, settled_s
        self._reconnects = nc.stats["reconnects"]
        self._connected_since: float | None = None

    async def keep_looking(self) -> None:
        """Note for ever since when the connection has been up."""
        while True:
            self._look()
            await asyncio.sleep(LOOK_S)

    def is_lost(self, gateway: str) -> bool:
        """Whether the gateway is known to be gone."""
        self._look()
        since = self._connected_since
        if since is None or not self._liveness.caught_up.is_set() or time.monotonic() - since < self._settled_s:
            return False
        return gateway not in self._liveness.alive("gateway")

    def _look(self) -> None:
        if not self._nc.is_connected:
            self._connected_since = None
        elif self._connected_since is None or self._nc.stats["reconnects"] != self._reconnects:
            self._reconnects = self._nc.stats["reconnects"]
            self._connected_since = time.monotonic()
