"""Folds stored events into a partition, whether they come from the log or from the stream."""

import logging

from services.contracts import codec
from services.contracts.lifecycle import InvalidTransition
from services.contracts.requests import CutChain
from services.dispatcher.metrics import UNFOLDABLE
from services.dispatcher.state import Partition

log = logging.getLogger("services.dispatcher")


def fold(partition: Partition, data: bytes, seq: int, at: int, now: int) -> str | None:
    """Fold one event; the space whose queue or capacity may have changed by it. One that cannot be folded, perhaps of a
    newer version, must not keep the others of its partition from being served: whatever is decided about its request is
    refused as superseded."""
    try:
        return partition.apply(codec.requests.decode(data), seq, at, now)
    except (codec.UndecodableEvent, InvalidTransition, CutChain) as error:
        UNFOLDABLE.inc()
        log.error("event %d of partition %d was ignored: %s", seq, partition.part, error)
        return None
