"""The form for a space's inputs, made of their JSON Schema. Pure.

A page uses it in four steps:

1. Its view has `input_form(space.input_schema or schema_of(space.features), space.example_input)`, and `most_bytes`, how
   large a file may be (`Settings.file_max_bytes`; `console_pages.routers` is given it).
2. Its template has `{% from "input.html" import input_assets, input_fields %}`, `{{ input_assets() }}` in the block
   `scripts`, and `{{ input_fields(view.input, space=…, most_bytes=…) }}` within a form. The fields have no names: what
   reads forms otherwise does not see them. `owner` is the id of a form elsewhere in the page that they are to belong to.
3. Its script imports of `input.js`. There `root` is the element that `input_fields` makes (`[data-input]`):
   `check(root)` shows what is wrong as far as the page can tell, and returns whether all is well;
   `inputOf(root)` is the input as a value, undefined while it is no JSON or a file is on its way;
   `fill(root, value)` shows an input; `pending(root)` is the number of files that are on their way or were cut;
   `showFlaws(root, problem)` shows the flaws of a Problem beside their fields, and returns those that have none.
4. The root dispatches `inputchange`, which bubbles, whenever any of this may have changed.

A schema may be anything that JSON can be: what cannot be shown, or is too much, is a field of JSON, or all of it is."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from services.gateway.web.input_fields import (
    ABSENT,
    CheckField,
    ChoiceField,
    ConstField,
    Field,
    FileField,
    GroupField,
    InputForm,
    JsonField,
    ListField,
    ManyField,
    NumberField,
    Option,
    RowsField,
    TextField,
)
from services.gateway.web.input_reading import (
    bound,
    clean,
    file_type,
    fits,
    is_file,
    line_type,
    long_text,
    size,
    type_of,
    understood,
)

MAX_FIELDS = 100
MAX_DEPTH = 4
"""Objects within objects, the input itself counted."""
MAX_OPTIONS = 200
_IN_ROWS = (TextField, NumberField, CheckField, ChoiceField, ConstField, ListField)
_RADIOS = 4
_RADIO_TEXT = 24
_OPTION_TEXT = 80


def input_form(schema: Mapping[str, Any] | None, example: Mapping[str, Any]) -> InputForm:
    """The form for inputs of a schema (None: any object will do), which begins with the example, if there is one."""
    making = _Making(schema or {})
    try:
        fields = tuple(making.members(schema or {}, _Place("", "input", depth=1)))
    except _TooMuch:
        fields = ()
    return InputForm(fields, _ascii({**_defaults(fields), **example}))


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an object is: its pointer, and the beginning of its fields' ids; whether it may be left out."""

    pointer: str
    id: str
    depth: int
    guarded: bool = False


class _TooMuch(Exception):
    """More than a form can show."""


class _Making:
    """Makes the fields of one schema."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root, self._made = root, 0

    def members(self, schema: Mapping[str, Any], place: _Place) -> Iterator[Field]:
        """The fields of an object. Raises _TooMuch."""
        properties, required = schema.get("properties"), schema.get("required")
        if not isinstance(properties, Mapping):
            return
        needed = [each for each in required if isinstance(each, str)] if isinstance(required, list) else []
        for number, (name, inner) in enumerate(properties.items()):
            if inner is False:
                continue
            self._made += 1
            # Browsers would not give other names back as they are.
            if self._made > MAX_FIELDS or not name.isprintable():
                raise _TooMuch
            yield self._field(name, inner, place, number, name in needed)

    def _field(self, name: str, wanted: Any, place: _Place, number: int, required: bool) -> Field:
        schema, nullable = understood(wanted, self._root)
        default = schema.get("default", ABSENT)
        labels: dict[str, Any] = {
            "id": f"{place.id}-{number}",
            "name": name,
            "pointer": f"{place.pointer}/{name.replace('~', '~0').replace('/', '~1')}",
            "title": clean(schema.get("title"), 120) or name[:120],
            "help": clean(schema.get("description"), 1000),
            "required": required,
            "nullable": nullable,
            "guarded": place.guarded,
        }
        made = self._of_values(schema, labels) or self._of_type(schema, labels, place)
        return made if default is ABSENT or not fits(default, made) else replace(made, start=default)

    def _of_values(self, schema: Mapping[str, Any], labels: dict[str, Any]) -> Field | None:
        """The field of a schema that names all its values; None when it does not."""
        if "const" in schema:
            only = _option(schema["const"])
            return (
                ConstField(**labels, value=only)
                if labels["required"]
                else ChoiceField(**labels, options=(only,), radios=False)
            )
        values = schema.get("enum")
        if not isinstance(values, list) or not 0 < len(values) <= MAX_OPTIONS:
            return None
        options = tuple(_option(each) for each in values)
        # A radio button that was chosen by mistake cannot be taken back.
        settled = labels["required"] or "default" in schema
        short = len(options) <= _RADIOS and all(len(each.text) <= _RADIO_TEXT for each in options)
        return ChoiceField(**labels, options=options, radios=settled and short)

    def _of_type(self, schema: Mapping[str, Any], labels: dict[str, Any], place: _Place) -> Field:
        match type_of(schema):
            case "string":
                return _text(schema, labels)
            case "integer" | "number" as kind:
                return _number(schema, labels, whole=kind == "integer")
            case "boolean":
                return CheckField(**labels)
            case "array":
                return self._array(schema, labels, place)
            case "object" if isinstance(schema.get("properties"), Mapping) and place.depth < MAX_DEPTH:
                guarded = place.guarded or not labels["required"]
                inner = _Place(labels["pointer"], labels["id"], place.depth + 1, guarded)
                fields = tuple(self.members(schema, inner))
                return GroupField(**labels, fields=fields) if fields else JsonField(**labels)
            case _:
                return JsonField(**labels)

    def _array(self, schema: Mapping[str, Any], labels: dict[str, Any], place: _Place) -> Field:
        items, nullable = understood(schema.get("items"), self._root)
        kind = type_of(items)
        if nullable or "prefixItems" in schema:
            return JsonField(**labels)
        if kind == "string" and is_file(items):
            return FileField(**labels, accept=file_type(items), many=True)
        values = items.get("enum")
        if isinstance(values, list) and 0 < len(values) <= MAX_OPTIONS and schema.get("uniqueItems") is True:
            return ManyField(**labels, options=tuple(map(_option, values)))
        if kind == "object":
            return self._rows(items, labels, place) or JsonField(**labels)
        if "enum" in items or "const" in items or kind not in ("string", "integer", "number"):
            return JsonField(**labels)
        return ListField(**labels, numbers=kind != "string")

    def _rows(self, items: Mapping[str, Any], labels: dict[str, Any], place: _Place) -> Field | None:
        """The field of an array of objects; None when their own fields are not simple ones."""
        label = {
            **labels,
            "id": f"{labels['id']}-row",
            "pointer": f"{labels['pointer']}/0",
            "name": "",
            "title": "",
            "help": "",
            "required": True,
            "nullable": False,
            "guarded": False,
        }
        inner = _Place(label["pointer"], label["id"], place.depth + 1)
        fields = tuple(self.members(items, inner))
        if not fields or not all(isinstance(each, _IN_ROWS) for each in fields):
            return None
        row = GroupField(**label, fields=fields)
        return RowsField(**labels, row=row)


def _text(schema: Mapping[str, Any], labels: dict[str, Any]) -> Field:
    if is_file(schema):
        return FileField(**labels, accept=file_type(schema), many=False)
    return TextField(
        **labels,
        several=long_text(schema),
        type=line_type(schema),
        shortest=size(schema.get("minLength")) or 0,
        longest=size(schema.get("maxLength")),
    )


def _number(schema: Mapping[str, Any], labels: dict[str, Any], *, whole: bool) -> Field:
    least, most = bound(schema, "minimum", whole), bound(schema, "maximum", whole)
    return NumberField(**labels, least=least, most=most, step=_step(schema, least, whole))


def _step(schema: Mapping[str, Any], least: float | None, whole: bool) -> float:
    """Browsers count steps from the least value: a multiple that it is not one of cannot be told to them."""
    multiple = schema.get("multipleOf")
    if isinstance(multiple, int) and not isinstance(multiple, bool) and 0 < multiple < 2**31 and not (least or 0) % multiple:
        return multiple
    return 1 if whole else 0


def _option(value: Any) -> Option:
    text = clean(value, _OPTION_TEXT) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    shown = text if len(text) <= _OPTION_TEXT else text[: _OPTION_TEXT - 1] + "…"
    return Option(clean(shown, _OPTION_TEXT) or '""', _ascii(value))


def _defaults(fields: tuple[Field, ...]) -> dict[str, Any]:
    """The input that the defaults make."""
    found = {}
    for field in fields:
        if field.start is not ABSENT:
            found[field.name] = field.start
        elif isinstance(field, GroupField) and (inner := _defaults(field.fields)):
            found[field.name] = inner
    return found


def _ascii(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
