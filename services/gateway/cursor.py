"""Where a reader is in a request's events: what a stream's `id` says, and `Last-Event-ID` brings back. Pure."""

import re

import msgspec

from services.gateway.problems import ApiProblem

_CURSOR = re.compile(r"([0-9]{1,9})-([0-9]{1,18})-([0-9]{1,18})")


class Cursor(msgspec.Struct, frozen=True):
    """Sequences in the streams of one `epoch`: `request` of the last event of the chain that was shown, `output` of the last
    output record, or 0 while there is none that still counts."""

    epoch: int
    request: int = 0
    output: int = 0

    def __str__(self) -> str:
        return f"{self.epoch}-{self.request}-{self.output}"


def parse(text: str) -> Cursor:
    """The cursor that a client was given before. Raises ApiProblem."""
    match = _CURSOR.fullmatch(text)
    if match is None:
        raise ApiProblem("invalid_cursor", "Last-Event-ID and `after` must be the id of an event of this API.")
    return Cursor(int(match[1]), int(match[2]), int(match[3]))
