"""The timeline of a request: what happened when, who did it, and how long after what was before. Pure."""

from collections.abc import Iterator
from datetime import datetime
from itertools import groupby
from typing import NamedTuple

from services.commands import showing, text
from spaces_client.events import (
    Assigned,
    Completed,
    Event,
    Log,
    Output,
    OutputReset,
    Progress,
    Queued,
    Requeued,
)
from spaces_client.objects import Request
from spaces_client.timeline import Refusal, Timeline

LONGEST = 100
"""Of a text of others no more characters than this are shown."""


class Row(NamedTuple):
    """One line; records have no instant of their own."""

    at: datetime | None
    name: str
    what: str


def lines(timeline: Timeline) -> list[str]:
    """The timeline for people. An agent's refused frames stand where they came in."""
    shown = [f"{'instant (UTC)':<15}  {'+ms':>9}  {'event':<12} who and what"]
    before: datetime | None = None
    for row in _merged(list(_rows(timeline.events)), [_refused(refusal) for refusal in timeline.refused or []]):
        instant = f"{row.at:%H:%M:%S.%f}" if row.at is not None else ""
        after = f"{(row.at - before).total_seconds() * 1000:.1f}" if row.at is not None and before is not None else ""
        before = row.at or before
        shown.append(f"{instant:<15}  {after:>9}  {text.line(row.name):<12} {text.line(row.what)}".rstrip())
    if timeline.refused is None:
        shown.append("Whether frames were refused is not known: history does not answer.")
    return shown


def json(timeline: Timeline) -> str:
    """The timeline as one line of JSON, in the form of the API."""
    results = [{"id": event.cursor, "event": event.name, "data": event.raw} for event in timeline.events]
    return text.json({"results": results, "done": timeline.done, "refused": timeline.refused})


def _merged(rows: list[Row], refused: list[Row]) -> list[Row]:
    """All rows by instant; those without one stay behind the row that they follow."""
    merged: list[Row] = []
    waiting = sorted(refused, key=_late)
    for row in rows:
        while row.at is not None and waiting and _late(waiting[0]) < row.at.timestamp():
            merged.append(waiting.pop(0))
        merged.append(row)
    return merged + waiting


def _late(row: Row) -> float:
    return row.at.timestamp() if row.at is not None else float("inf")


def _rows(events: list[Event]) -> Iterator[Row]:
    """A row for each event; the records of an attempt that follow one another are summed up."""
    for is_record, group in groupby(events, key=lambda event: isinstance(event, Output | Progress | Log)):
        if is_record:
            yield from _records(list(group))
        else:
            yield from map(_row, group)


def _records(events: list[Event]) -> Iterator[Row]:
    outputs = [event for event in events if isinstance(event, Output)]
    progress = [event for event in events if isinstance(event, Progress)]
    logged = [line for event in events if isinstance(event, Log) for line in event.lines]
    if outputs:
        characters = sum(len(event.data) for event in outputs if isinstance(event.data, str))
        values = sum(len(event.data) for event in outputs if not isinstance(event.data, str))
        sizes = [f"{_counted(characters, 'character')} of text"] if characters or not values else []
        sizes += [_counted(values, "value")] if values else []
        yield Row(None, "output", f"{_counted(len(outputs), 'record')}: {', '.join(sizes)}")
    if progress:
        last = progress[-1]
        said = text.line(last.message, LONGEST)
        yield Row(None, "progress", f"{_counted(len(progress), 'record')}, the last one {last.fraction:.0%} {said}")
    if logged:
        yield Row(None, "log", f"{_counted(len(logged), 'line')}, the last one: {text.line(logged[-1], LONGEST)}")


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _row(event: Event) -> Row:
    match event:
        case Queued():
            return Row(event.at, event.name, event.reason or "accepted")
        case Assigned():
            at = f" at {event.gateway}" if event.gateway else ""
            lease = f" (lease {event.lease})" if event.lease else ""
            return Row(event.at, event.name, f"attempt {event.attempt}: to {event.agent.id}{at}{lease}")
        case Requeued():
            detail = f" ({text.line(event.detail, LONGEST)})" if event.detail else ""
            return Row(event.at, event.name, f"attempt {event.attempt}: {event.reason}{detail}")
        case OutputReset():
            return Row(None, event.name, f"what came of attempt {event.attempt} is void")
        case Completed():
            return Row(event.request.completed_at, event.request.status, _ended(event.request))
        case _:
            return Row(None, event.name, text.line(bytes(event.raw).decode(), LONGEST))


def _ended(request: Request) -> str:
    said = []
    if request.agent is not None:
        said.append(request.agent.id)
    if request.metrics.run_s is not None:
        said.append(f"ran {showing.seconds(request.metrics.run_s)}")
    if request.metrics.first_output_s is not None:
        said.append(f"first output after {showing.seconds(request.metrics.first_output_s)}")
    if request.error is not None:
        said.append(showing.error(request.error))
    elif request.status == "succeeded":
        said.append(text.json(request.output))
    return text.line(", ".join(said), 2 * LONGEST)


def _refused(refusal: Refusal) -> Row:
    by = " ".join([refusal.agent, *(["at", refusal.gateway] if refusal.gateway else [])])
    return Row(refusal.at, "refused", f"{refusal.frame} of {by}: {refusal.reason} (lease {refusal.lease})")
