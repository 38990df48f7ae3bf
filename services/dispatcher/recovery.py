"""How the owner of a partition gets its state back: from history's log, then from the stream's tail; without history from
the stream alone. Both ways give the same state."""

import asyncio
import logging
import time

from nats.aio.client import Client

from services.contracts import subjects
from services.contracts.rpc import Chain, GetOpen, OpenPage
from services.dispatcher.folding import fold
from services.dispatcher.state import Partition
from services.runtime.clock import ServerClock
from services.runtime.errors import NatsUnavailable, Retryable
from services.runtime.jetstream import StreamInfo, stream_info
from services.runtime.rpc import Refused, call
from services.runtime.topology import EPOCH

RETRY_S = 1.0
PAGE_S = 2.0
"""A history that takes longer is silent: a partition is to be taken over within five seconds."""

log = logging.getLogger("services.dispatcher.recovery")


class RecoveryNeeded(Retryable):
    """The log and the stream contradict each other: decide nothing until an operator has recovered one of them."""


async def recover(nc: Client, partition: Partition, clock: ServerClock) -> int:
    """Fill an empty partition with what the log knows; the sequence from which to tail. Raises NatsUnavailable,
    RecoveryNeeded."""
    began = time.monotonic()
    try:
        try:
            return await _from_log(nc, partition, clock)
        except NatsUnavailable:
            if time.monotonic() - began > RETRY_S:
                raise
            await asyncio.sleep(RETRY_S)  # history may just be starting as well
            return await _from_log(nc, partition, clock)
    except (NatsUnavailable, Refused) as error:
        # No warning: it gives the same state, and history's own absence is told where it counts.
        log.info("partition %d: replaying the stream, since history does not answer (%s)", partition.part, error)
        return (await stream_info(nc, subjects.REQUESTS)).state.first_seq


async def _from_log(nc: Client, partition: Partition, clock: ServerClock) -> int:
    cursor, position = "", -1
    chains: list[Chain] = []
    while True:
        query = GetOpen(part=partition.part, after=cursor)
        page = await call(nc, subjects.history_rpc("open"), query, OpenPage, timeout_s=PAGE_S)
        if position < 0:
            position = page.seq
            # Asked for after the page: under load the log has events that were not in the stream a moment before.
            info = await stream_info(nc, subjects.REQUESTS)
            _check(page, info)
        chains.extend(page.chains)
        cursor = page.next
        if not cursor:
            break
    if position + 1 < info.state.first_seq:
        log.warning("partition %d: the stream begins after the log's end, replaying it", partition.part)
        return info.state.first_seq
    for chain in chains:
        for entry in chain.events:
            fold(partition, bytes(entry.data), entry.seq, entry.at, clock.now_ns())
    return position + 1


def _check(page: OpenPage, info: StreamInfo) -> None:
    epoch = int(info.config.metadata.get(EPOCH, "1"))
    if page.epoch != epoch or page.seq > info.state.last_seq:
        raise RecoveryNeeded(
            f"the log stands at {page.seq} of epoch {page.epoch}, the stream ends at {info.state.last_seq} of epoch {epoch}"
        )
