"""How full the streams are that have a limit, for Prometheus."""

import asyncio
import contextlib

from nats.aio.client import Client

from services.contracts import subjects
from services.gateway.metrics import STREAM_BYTES, STREAM_MAX_BYTES, STREAM_MISSING
from services.runtime.errors import NatsUnavailable
from services.runtime.jetstream import ApiError, stream_info

LOOK_S = 10.0
LIMITED = (subjects.REQUESTS, subjects.OUTPUT, subjects.FILES)


async def watch_sizes(nc: Client) -> None:
    """Look every LOOK_S, for ever; a missed look leaves the last answer."""
    while True:
        for stream in LIMITED:
            with contextlib.suppress(NatsUnavailable, ApiError):
                info = await stream_info(nc, stream)
                STREAM_BYTES.labels(stream).set(info.state.bytes)
                STREAM_MAX_BYTES.labels(stream).set(max(info.config.max_bytes, 0))
                STREAM_MISSING.labels(stream).set(info.missing)
        await asyncio.sleep(LOOK_S)
