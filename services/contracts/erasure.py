"""Erasing: the event, and what stays of the others of its request."""

from typing import Any, assert_never

import msgspec

from services.contracts.events import (
    Accepted,
    Assigned,
    Canceled,
    Erased,
    Expired,
    Failed,
    RequestEvent,
    Requeued,
    Restored,
    Succeeded,
)
from services.contracts.requests import RequestState


def erasure(state: RequestState, id: str, actor: str) -> Erased:
    """The event that erases a request which has ended."""
    return Erased(
        id=id,
        rid=state.rid,
        space=state.space,
        prev_seq=state.seq,
        attempt=state.attempt,
        actor=actor,
        origin=state.origin,
    )


def without_words(event: RequestEvent) -> RequestEvent:
    """The event without metadata, logs and what a handler said of its failure: it may have quoted the input. Inputs and
    outputs are another matter: in the log they are references."""
    changes: dict[str, Any] = {}
    match event:
        case Accepted() | Assigned():
            changes = {"metadata": {}}
        case Restored():
            changes = {"accepted": msgspec.structs.replace(event.accepted, metadata={})}
        case Requeued():
            changes = {"detail": ""}
        case Succeeded():
            changes = {"log_tail": ""}
        case Failed():
            changes = {"log_tail": "", "error": msgspec.structs.replace(event.error, message="")}
        case Canceled() | Expired() | Erased():
            pass
        case _:
            assert_never(event)
    return msgspec.structs.replace(event, **changes)
