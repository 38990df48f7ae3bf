"""The fields of a form for a space's inputs. Pure values, which `templates/input.html` shows and `static/input.js` reads."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from msgspec import UNSET

ABSENT: Any = UNSET
"""In place of a value that there is not; None is JSON's null."""
LineType = Literal["text", "email", "date", "url"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """What all fields have: `name` is the member of the object that it stands in, `pointer` leads there from the input (RFC
    6901), `start` is its default. `required`: an input without it does not fit; `nullable`: null does as well. `guarded`: it
    stands in an object that may be left out, so that a page cannot tell whether it is needed."""

    kind: ClassVar[str]
    id: str
    name: str
    pointer: str
    title: str
    help: str
    required: bool
    nullable: bool
    guarded: bool
    start: Any = ABSENT


@dataclass(frozen=True, slots=True, kw_only=True)
class TextField(Field):
    """A text of so many characters; `type` is that of an HTML input unless it has `several` lines."""

    kind: ClassVar[str] = "text"
    several: bool
    type: LineType = "text"
    shortest: int = 0
    longest: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberField(Field):
    """A number; `step` is 1 for whole ones, 0 for any."""

    kind: ClassVar[str] = "number"
    least: float | None
    most: float | None
    step: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckField(Field):
    """True or false."""

    kind: ClassVar[str] = "check"


@dataclass(frozen=True, slots=True)
class Option:
    """A value that can be chosen: as people read it, and as JSON."""

    text: str
    json: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceField(Field):
    """One of some values; all of them are in sight with `radios`."""

    kind: ClassVar[str] = "choice"
    options: tuple[Option, ...]
    radios: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ManyField(Field):
    """Any of some values, as an array in their order."""

    kind: ClassVar[str] = "many"
    options: tuple[Option, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConstField(Field):
    """A value that cannot be another."""

    kind: ClassVar[str] = "const"
    value: Option


@dataclass(frozen=True, slots=True, kw_only=True)
class FileField(Field):
    """A file, or an array of files: each an uploaded one or an address. `accept` is a media type, or a range of them such as
    `image/*`; empty: any."""

    kind: ClassVar[str] = "file"
    accept: str
    many: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ListField(Field):
    """An array of texts, one a line, or of `numbers`."""

    kind: ClassVar[str] = "list"
    numbers: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupField(Field):
    """An object."""

    kind: ClassVar[str] = "group"
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsField(Field):
    """An array of objects; `row` is the first of them."""

    kind: ClassVar[str] = "rows"
    row: GroupField


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonField(Field):
    """Anything else, as JSON."""

    kind: ClassVar[str] = "json"


@dataclass(frozen=True, slots=True)
class InputForm:
    """A form for an input. Without fields there is JSON alone. `start` is the JSON of the input to begin with, in ASCII."""

    fields: tuple[Field, ...]
    start: str
