"""What a JSON Schema (draft 2020-12) says about a form's field. Pure; whatever it says, nothing here fails."""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from services.gateway.web.input_fields import (
    CheckField,
    ChoiceField,
    ConstField,
    Field,
    FileField,
    GroupField,
    JsonField,
    LineType,
    ListField,
    ManyField,
    NumberField,
    RowsField,
    TextField,
)

ONE_LINE = 200
"""A text that may be longer gets several lines."""
_SHORT_DEFAULT = 60
_MAX_HOPS = 8
_MOST = 1e15
"""Beyond it browsers do not know every whole number."""
_LINES: Mapping[str, LineType] = {"email": "email", "date": "date", "uri": "url"}
_ONE_LINE_FORMATS = frozenset({"date-time", "time", "duration", "hostname", "ipv4", "ipv6", "uuid", "regex", "iri", "color"})
_OF_FILES = "/v1/files/"
_MEDIA_TYPE = re.compile(r"(image|audio|video|text|application|model|font)/(\*|[a-z0-9][a-z0-9!#$&^_.+-]{0,62})")
_NULL = "null"


def understood(schema: Any, root: Mapping[str, Any]) -> tuple[Mapping[str, Any], bool]:
    """A schema as plain as it can be said, and whether null fits too: what `$ref` refers to, and the only other alternative
    beside null, stand in its place. A schema that is none says nothing."""
    nullable = False
    for _ in range(_MAX_HOPS):
        if not isinstance(schema, Mapping):
            return {}, nullable
        inner = _referred(schema, root)
        if inner is None:
            return schema, nullable or _allows_null(schema)
        word, within, beside_null = inner
        nullable = nullable or beside_null
        schema = {**within, **{name: value for name, value in schema.items() if name != word}}
    return {}, nullable


def type_of(schema: Mapping[str, Any]) -> str:
    """The only type beside null that fits; empty when it is not told, or not one."""
    wanted = schema.get("type")
    kinds = [wanted] if isinstance(wanted, str) else wanted if isinstance(wanted, list) else []
    others = [each for each in kinds if isinstance(each, str) and each != _NULL]
    if any(word in schema for word in ("anyOf", "oneOf", "$ref")):
        return ""
    if not kinds and isinstance(schema.get("properties"), Mapping):
        return "object"
    return others[0] if len(others) == 1 else ""


def is_file(schema: Mapping[str, Any]) -> bool:
    """Whether a text stands for a file: the reference to an uploaded one fits, or it is an address of something of a media
    type."""
    pattern, kind = schema.get("pattern"), schema.get("format")
    return (
        kind == "uri-reference"
        or (kind == "uri" and file_type(schema) != "")
        or (isinstance(pattern, str) and _OF_FILES in pattern)
    )


def file_type(schema: Mapping[str, Any]) -> str:
    """The media type, or range of them, of a file; empty when it is not told."""
    told = schema.get("contentMediaType")
    name = told.lower() if isinstance(told, str) else ""
    return name if _MEDIA_TYPE.fullmatch(name) else ""


def long_text(schema: Mapping[str, Any]) -> bool:
    """Whether a text may need several lines."""
    longest, default, format = size(schema.get("maxLength")), schema.get("default"), schema.get("format")
    if isinstance(default, str) and "\n" in default:
        return True
    short_default = isinstance(default, str) and 0 < len(default) <= _SHORT_DEFAULT
    return not (
        (longest is not None and longest <= ONE_LINE)
        or (isinstance(format, str) and (format in _ONE_LINE_FORMATS or format in _LINES))
        or "pattern" in schema
        or short_default
    )


def line_type(schema: Mapping[str, Any]) -> LineType:
    """The type of an HTML input for a text."""
    format = schema.get("format")
    return _LINES.get(format, "text") if isinstance(format, str) else "text"


def size(value: Any) -> int | None:
    """A number of characters; None when it is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31 else None


def bound(schema: Mapping[str, Any], word: str, whole: bool) -> float | None:
    """The least or the most that a number may be (`minimum`, `maximum`), as far as a browser can hold it."""
    least = word == "minimum"
    found = [_finite(schema.get(word))]
    excluded = _finite(schema.get(f"exclusive{word.capitalize()}"))
    if excluded is not None and whole:
        excluded = math.floor(excluded) + 1 if least else math.ceil(excluded) - 1
    found.append(excluded)
    known = [each for each in found if each is not None]
    if not known:
        return None
    strictest = max(known) if least else min(known)
    return strictest if not whole else math.ceil(strictest) if least else math.floor(strictest)


def clean(value: Any, longest: int) -> str:
    """A text as it may stand in a page; empty for anything else."""
    if not isinstance(value, str):
        return ""
    shown = "".join(each if each.isprintable() else " " for each in value[:longest])
    return " ".join(shown.split())


def fits(value: Any, field: Field) -> bool:
    """Whether a field can begin with a value."""
    match field:
        case TextField() | FileField(many=False):
            return isinstance(value, str)
        case NumberField():
            return _finite(value) is not None
        case CheckField():
            return isinstance(value, bool)
        case ChoiceField() | ManyField():
            chosen = value if isinstance(field, ManyField) and isinstance(value, list) else [value]
            known = [each.json for each in field.options]
            return all(json.dumps(each, separators=(",", ":")) in known for each in chosen)
        case ListField(numbers=numbers):
            kinds = (int, float) if numbers else (str,)
            return isinstance(value, list) and all(isinstance(each, kinds) for each in value)
        case FileField():
            return isinstance(value, list) and all(isinstance(each, str) for each in value)
        case RowsField():
            return isinstance(value, list) and all(isinstance(each, dict) for each in value)
        case GroupField():
            return isinstance(value, dict)
        case JsonField():
            return value is not None
        case ConstField():
            return False
        case _:
            return False


def _referred(schema: Mapping[str, Any], root: Mapping[str, Any]) -> tuple[str, Mapping[str, Any], bool] | None:
    """The keyword whose schema may stand in this one's place, that schema, and whether null was an alternative to it."""
    if "$ref" in schema:
        target, definitions = schema["$ref"], root.get("$defs")
        if not isinstance(target, str) or not isinstance(definitions, Mapping):
            return None
        found = definitions.get(target.removeprefix("#/$defs/"))
        return ("$ref", found, False) if isinstance(found, Mapping) else None
    for word in ("anyOf", "oneOf", "allOf"):
        inner = schema.get(word)
        if not isinstance(inner, list) or not all(isinstance(each, Mapping) for each in inner):
            continue
        others = inner if word == "allOf" else [each for each in inner if each.get("type") != _NULL]
        if len(others) == 1 and "type" not in schema and len(inner) <= 2:
            return word, others[0], len(inner) == 2
    return None


def _allows_null(schema: Mapping[str, Any]) -> bool:
    wanted = schema.get("type")
    return isinstance(wanted, list) and _NULL in wanted


def _finite(value: Any) -> float | None:
    """A number, if browsers can hold it."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -_MOST < value < _MOST:
        return None
    return value
