"""What was answered: to programs as one line of JSON, to people as text."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from services.commands import text
from services.commands.connection import OK
from services.commands.terminal import Screen

if TYPE_CHECKING:
    import msgspec

    from spaces_client import MadeKey


class _Object(Protocol):
    @property
    def raw(self) -> "msgspec.Raw":
        """The JSON as the gateway sent it."""


_O = TypeVar("_O", bound=_Object)


def one(found: _O, shown: Callable[[_O], str], *, as_json: bool) -> int:
    """Tell one object; the status of a command that did what it should."""
    Screen().text(f"{text.compact(found.raw) if as_json else shown(found)}\n")
    return OK


def listed(found: Sequence[_O], table: Callable[[Sequence[_O]], str], none: str, *, as_json: bool) -> int:
    """Tell a list; `none` says to people that it is empty."""
    if as_json:
        Screen().text(f"{text.json({'results': [each.raw for each in found]})}\n")
    elif found:
        Screen().text(f"{table(found)}\n")
    else:
        Screen().note(none)
    return OK


def made_key(made: "MadeKey", *, as_json: bool) -> int:
    """Tell a new key: its secret alone on standard output."""
    if as_json:
        Screen().text(f"{text.compact(made.raw)}\n")
        return OK
    Screen().note(f"made the key {made.id}. Keep its secret now: it is not shown again")
    Screen().text(f"{text.line(made.secret)}\n")
    return OK
