"""The pieces of a handler's output as `output` frames bring them, checked: whoever reads the record of one must be able to
decode it. Pure."""

from dataclasses import dataclass
from typing import Any

import msgspec

from services.contracts.output import OutputKind, Progress
from spaces_agent import frames

_chunk: msgspec.json.Decoder[Any] = msgspec.json.Decoder(str | list[Any])
_lines = msgspec.json.Decoder(list[str])
_progress = msgspec.json.Decoder(Progress)


class InvalidOutput(ValueError):
    """The data is not what its kind promises, or cannot be passed on."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What one frame has to say, in `size` bytes; `progress` is set when it is of that kind."""

    index: int
    kind: OutputKind
    data: msgspec.Raw
    size: int
    progress: Progress | None = None


def piece(frame: frames.Output) -> Piece:
    """The piece that a frame brings. Raises InvalidOutput."""
    data = bytes(frame.data)
    if len(data) > frames.MAX_DATA_BYTES:
        raise InvalidOutput(f"output {frame.index} has {len(data)} bytes; the limit is {frames.MAX_DATA_BYTES}")
    if frames.too_deep(data):
        raise InvalidOutput(f"output {frame.index} is nested more than {frames.MAX_DEPTH} levels deep")
    try:
        return Piece(frame.index, frame.kind, frame.data, len(data), _checked(frame.kind, data))
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise InvalidOutput(f"output {frame.index} is no {frame.kind}: {error}") from error


def _checked(kind: OutputKind, data: bytes) -> Progress | None:
    if kind == "progress":
        return _progress.decode(data)
    (_chunk if kind == "chunk" else _lines).decode(data)
    return None
