"""The connection to NATS, with the settings that our promises need."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

import nats.errors
from nats.aio.client import Client

from services.runtime.metrics import RECONNECTS
from services.runtime.settings import SettingsError
from services.runtime.telemetry import NATS_CONNECTED, NATS_ERRORS

log = logging.getLogger("services.bus")

Notice = Callable[[], Awaitable[None]]


class _Client(Client):
    """The client library's, but for what it does wrong or slowly."""

    async def close(self) -> None:
        """Close it for good, also one that is lost at this moment: what could not be sent any more is no error. The library
        cancels its task that reconnects; where that one waits for the end of the socket, the wait itself is cancelled, and
        the library's own wait for the same raises CancelledError for nobody's cancel."""
        task = asyncio.current_task()
        assert task is not None
        cancels = task.cancelling()
        try:
            with contextlib.suppress(OSError, nats.errors.Error):
                await super().close()
        except asyncio.CancelledError:
            if task.cancelling() > cancels:
                raise

    # A quarter of the library's time (1.8 µs against 7 µs for those of a request event, measured): each stored message
    # carries several. Ours come from our own writers and the server, so names need no repair.
    @staticmethod
    def _parse_header_lines(raw: bytes) -> dict[str, str]:
        headers = {}
        for line in raw.decode("utf-8", "replace").split("\r\n"):
            name, found, value = line.partition(":")
            if found:
                headers[name.strip()] = value.strip()
        return headers


async def connect(url: str, service: str, name: str, *, on_back: Notice | None = None) -> Client:
    """Connect to one of the servers in `url` (comma separated). Reconnects for ever, also to servers of their cluster that
    only they have named; a half-open socket is found within 6 s. Raises SettingsError.

    Each service has its own inbox prefix, so that none can listen to another's answers."""
    servers, user, password = _servers(url)
    nc = _Client()
    told: set[str] = set()

    async def lost() -> None:
        NATS_CONNECTED.set(0)
        if not nc.is_closed:  # nothing is lost by closing it ourselves
            log.warning("connection to NATS lost")

    async def back() -> None:
        NATS_CONNECTED.set(1)
        RECONNECTS.inc()
        told.clear()
        log.info("connection to NATS is back")
        if on_back is not None:
            await on_back()

    async def failed(error: Exception) -> None:
        NATS_ERRORS.inc()
        text = str(error) or type(error).__name__
        if nc.is_connected:
            log.warning("NATS: %s", text)
        elif text not in told:  # every try to reconnect fails alike: once says it
            told.add(text)
            log.warning("NATS: %s", text)

    async def leaving() -> None:
        # The server lets us go in its own time, but its streams are led elsewhere already.
        log.info("the NATS server is about to stop")
        await nc.force_reconnect()

    await nc.connect(
        servers,
        name=name,
        inbox_prefix=f"_INBOX_{service}",
        ping_interval=2,
        max_outstanding_pings=2,
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.25,  # type: ignore[arg-type]  # annotated as int, slept as float
        connect_timeout=5,
        disconnected_cb=lost,
        reconnected_cb=back,
        error_cb=failed,
        lame_duck_mode_cb=leaving,
        user=user,
        password=password,
    )
    NATS_CONNECTED.set(1)
    return nc


def _servers(url: str) -> tuple[list[str], str | None, str | None]:
    """The servers without user and password, and these. Given apart, the client uses them also for the servers that another
    one has named, and knows which of those it has already. Raises SettingsError."""
    servers, logins = [], set()
    for each in url.split(","):
        scheme, separator, rest = each.strip().rpartition("://")
        login, _, address = rest.rpartition("@")
        servers.append(f"{scheme}{separator}{address}")
        logins.add(login)
    if len(logins) > 1:
        raise SettingsError("WS_NATS_URL: all servers of a cluster have the same user and password")
    user, _, password = logins.pop().partition(":")
    return servers, user or None, password or None
