"""The timeline of a request, read back from the event log in PostgreSQL."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import asyncpg

COMPLETE = ("accepted", "assigned", "succeeded")
"""What a request that went well must show, in this order; between them others may stand."""

_POLL_S = 0.1
_EVENTS = """
    SELECT log.seq, log.at, log.type, convert_from(log.data, 'UTF8') AS data, convert_from(payloads.data, 'UTF8') AS payload
    FROM event_log AS log LEFT JOIN payloads ON payloads.sha256 = log.payload_sha
    WHERE log.stream = 'REQUESTS' AND log.rid = $1 ORDER BY log.epoch, log.seq
"""


class Event(NamedTuple):
    """One event: its sequence in the stream, its instant in nanoseconds since 1970, and what it says."""

    seq: int
    at: int
    type: str
    data: dict[str, Any]
    payload: str | None


async def read(database: asyncpg.Connection, rid: str, timeout_s: float) -> list[Event]:
    """The events of a request, once they are complete; what there is when they are not within the time."""
    deadline = time.monotonic() + timeout_s
    while True:
        events = [
            Event(row["seq"], row["at"], row["type"], json.loads(row["data"]), row["payload"])
            for row in await database.fetch(_EVENTS, rid)
        ]
        if is_complete(events) or time.monotonic() > deadline:
            return events
        await asyncio.sleep(_POLL_S)


def is_complete(events: Sequence[Event]) -> bool:
    """Whether the timeline has every step of a request that went well, in order."""
    types = iter([event.type for event in events])
    return all(step in types for step in COMPLETE)


def lines(events: Sequence[Event]) -> list[str]:
    """The timeline for people: sequence, instant, milliseconds since the event before, type, who, and what."""
    shown = [f"{'seq':>6}  {'instant (UTC)':<15}  {'+ms':>8}  {'event':<10} who and what"]
    before = events[0].at if events else 0
    for event in events:
        instant = datetime.fromtimestamp(event.at / 1e9, UTC).strftime("%H:%M:%S.%f")
        took = (event.at - before) / 1e6
        before = event.at
        shown.append(f"{event.seq:>6}  {instant:<15}  {took:>8.1f}  {event.type:<10} {_what(event)}")
    return shown


def _what(event: Event) -> str:
    data = event.data
    actor = data.get("actor", "?")
    match event.type:
        case "accepted":
            return f"{actor} submitted it at {data.get('origin')}: {_short(event.payload)}"
        case "assigned":
            return f"{actor} gave it to {data.get('agent')} at {data.get('gateway')} (lease {event.seq})"
        case "succeeded":
            started, ran = data.get("started_s", 0) * 1000, data.get("run_s", 0) * 1000
            return f"{actor} started {started:.1f} ms after delivery, ran {ran:.1f} ms: {_short(event.payload)}"
        case "failed":
            return f"{actor}: {json.dumps(data.get('error'))}"
        case "requeued":
            return f"{actor}: {data.get('reason')}"
        case _:
            return str(actor)


def _short(payload: str | None, longest: int = 60) -> str:
    text = payload or ""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
