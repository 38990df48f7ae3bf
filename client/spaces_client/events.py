"""What happens to a request, as typed events. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from spaces_client import objects
from spaces_client.errors import InvalidAnswer
from spaces_client.objects import NOTHING, AgentRef, Request


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One event, also one of a kind that this version does not know. `name` is that of the API; `cursor` is where to go on
    after it (`Client.events(id, after=cursor)`); `raw` is the JSON as the gateway sent it."""

    name: str = ""
    cursor: str = ""
    raw: msgspec.Raw = NOTHING


class Queued(Event, frozen=True, kw_only=True):
    """It was accepted, and waits."""

    attempt: int = 0
    at: datetime | None = None
    reason: str = ""


class Position(Event, frozen=True, kw_only=True):
    """It waits: at which place (1 is the next to go, None is not known), and why. See `Queue`."""

    position: int | None = None
    reason: str = ""


class Assigned(Event, frozen=True, kw_only=True):
    """It was given to an agent."""

    attempt: int = 0
    at: datetime | None = None
    agent: AgentRef = AgentRef("")
    gateway: str = ""
    lease: int = 0


class Output(Event, frozen=True, kw_only=True):
    """A part of the output. A string is text that continues the text before it; a list holds values one after the other."""

    index: int = 0
    attempt: int = 0
    data: str | list[Any]


class Progress(Event, frozen=True, kw_only=True):
    """How far the handler says that it is: a fraction from 0 to 1."""

    index: int = 0
    attempt: int = 0
    fraction: float = 0.0
    message: str = ""


class Log(Event, frozen=True, kw_only=True):
    """What the handler logged."""

    index: int = 0
    attempt: int = 0
    lines: list[str] = []


class Requeued(Event, frozen=True, kw_only=True):
    """The attempt was lost or given back: it waits again."""

    attempt: int = 0
    at: datetime | None = None
    reason: str = ""
    detail: str = ""


class OutputReset(Event, frozen=True, kw_only=True):
    """The output, progress and log that came so far are void: forget them, they come anew."""

    attempt: int = 0


class Completed(Event, frozen=True, kw_only=True):
    """It has ended; nothing comes after this."""

    request: Request


TYPES: dict[str, type[Event]] = {
    "queued": Queued,
    "position": Position,
    "assigned": Assigned,
    "output": Output,
    "progress": Progress,
    "log": Log,
    "requeued": Requeued,
    "output_reset": OutputReset,
}
_decoders = {name: msgspec.json.Decoder(kind) for name, kind in TYPES.items()}


def parse(name: str, cursor: str, data: str | bytes | msgspec.Raw) -> Event:
    """The event. Raises InvalidAnswer when the data are not what an event of that name has."""
    raw = msgspec.Raw(data.encode() if isinstance(data, str) else data)
    if name == "completed":
        return Completed(name=name, cursor=cursor, raw=raw, request=objects.request(raw))
    decoder = _decoders.get(name)
    if decoder is None:
        return Event(name=name, cursor=cursor, raw=raw)
    try:
        return msgspec.structs.replace(decoder.decode(raw), name=name, cursor=cursor, raw=raw)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise InvalidAnswer(f"an event {name!r} is not understood: {error}") from error
