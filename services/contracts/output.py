"""Output records: what a handler says before its outcome. They are no events of the request: they are kept for an hour, and
the outcome holds the whole output again."""

from typing import Annotated, Literal

import msgspec

OutputKind = Literal["chunk", "progress", "log"]


class Progress(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far a handler says that it is; the latest one counts."""

    fraction: Annotated[float, msgspec.Meta(ge=0, le=1)]
    message: Annotated[str, msgspec.Meta(max_length=1000)] = ""


class OutputRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One record in the stream OUTPUT, on the request's own subject. `index` counts the records of one lease from 1 without
    a gap; records of an older lease are void.

    `data` by kind. `chunk`: a string is text that continues the text before it, a list holds values one after the other;
    all chunks of a lease, joined in this way, are the request's output. `progress`: a Progress. `log`: a list of lines.
    `progress` is the latest one up to this record, so that the last record always tells it."""

    rid: str
    attempt: int
    lease: int
    index: int
    kind: OutputKind
    data: msgspec.Raw
    progress: Progress | None = None


_decoder = msgspec.json.Decoder(OutputRecord)
encode = msgspec.json.Encoder().encode


def decode(data: bytes) -> OutputRecord:
    """A record from the stream. Raises msgspec.MsgspecError."""
    return _decoder.decode(data)
