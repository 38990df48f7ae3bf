"""The log of a request as the HTTP API shows it: the wire types. Pure."""

from collections.abc import Iterable
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from services.contracts.connections import Refused
from services.contracts.events import RequestEvent, type_of
from services.contracts.instants import rfc3339
from services.gateway.items import RefusedObject, refused_object
from services.gateway.view import Instant

_BESIDE = frozenset({"actor", "attempt", "rid", "space", "schema"})
"""What stands beside an event's data, or is the same in all of them."""
_LEFT_OUT = _BESIDE | {"input", "output", "metadata", "key_digest"}
"""What the request object has, and the digest of a key that its caller chose."""


class LoggedObject(msgspec.Struct, frozen=True, kw_only=True):
    """One event as it is recorded. `seq` is its place in the log, which `prev_seq` of the next one names, and of an
    `assigned` the lease. `actor` caused it: `user:<id>`, `agent:<owner>/<name>`, `gateway:<id>`, `dispatcher:<id>`,
    `recovery` or `retention`."""

    seq: int
    at: Instant
    type: Annotated[str, Meta(description="There may be new ones one day.")]
    actor: str
    attempt: int
    data: Annotated[
        dict[str, Any],
        Meta(
            description="What else the event says, without inputs, outputs and metadata.",
            extra_json_schema={"type": "object"},
        ),
    ]


class LogObject(msgspec.Struct, frozen=True, kw_only=True):
    """All events of a request in order. `refused`: frames about it that came too late, twice or from the wrong agent; null
    when that cannot be known right now."""

    results: list[LoggedObject]
    refused: list[RefusedObject] | None


def log_object(links: Iterable[tuple[RequestEvent, int, int]], refused: Iterable[tuple[Refused, int]] | None) -> LogObject:
    """The object of a chain: events with their sequences and instants, and refused frames with theirs."""
    return LogObject(
        results=[logged_object(event, seq, at) for event, seq, at in links],
        refused=None if refused is None else [refused_object(event, at) for event, at in refused],
    )


def logged_object(event: RequestEvent, seq: int, at: int) -> LoggedObject:
    """The object of one event."""
    return LoggedObject(
        seq=seq, at=rfc3339(at), type=type_of(event), actor=event.actor, attempt=event.attempt, data=_data(event)
    )


def _data(event: msgspec.Struct) -> dict[str, Any]:
    shown = {name: getattr(event, name) for name in event.__struct_fields__ if name not in _LEFT_OUT}
    return {name: _data(value) if isinstance(value, RequestEvent) else value for name, value in shown.items()}
