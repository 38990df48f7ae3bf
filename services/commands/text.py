"""Text of others, made fit for a terminal. Pure.

Inputs, outputs and logs may hold escape sequences, by which a terminal can be made to lie or to type: what is not plain
text is shown by its number."""

import re
from typing import Any

import msgspec

# Controls but tab and line feed; marks that turn the direction of writing, or end a line; halves of surrogate pairs.
_UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_encode = msgspec.json.Encoder().encode


def safe(text: str) -> str:
    """The text with nothing in it that a terminal would obey but tabs and the ends of lines."""
    return _UNFIT.sub(_number, text.replace("\r\n", "\n"))


def line(text: str, longest: int = 0) -> str:
    """The text safe and on one line, cut to `longest` characters if that is given."""
    whole = safe(" ".join(text.split()))
    return whole if not longest or len(whole) <= longest else f"{whole[: longest - 1]}…"


def json(value: Any) -> str:
    """A value as one line of JSON."""
    return compact(_encode(value))


def compact(data: bytes | msgspec.Raw) -> str:
    """JSON as one line, whatever white space it came with."""
    return msgspec.json.format(bytes(data), indent=-1).decode()


def _number(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"  # as JSON has it: there it stays JSON
