"""Custom input schemas of spaces: which of JSON Schema (draft 2020-12) they may use, and how much work they are. Pure.

Whoever manages a space writes its schema, and every submission is checked against it within a gateway that serves others
too. So what can make a check grow beyond schema times input is refused: references to elsewhere or to themselves, and
`unevaluated…`."""

from collections.abc import Iterator
from typing import Any

import msgspec

from services.gateway.problems import Flaw

MAX_SCHEMA_BYTES = 64 * 1024
MAX_DEPTH = 16
MAX_WEIGHT = 1000
"""Keywords and enumerated values of a schema, where each reference counts as what it refers to."""
MAX_FLAWS = 20
DIALECT = "https://json-schema.org/draft/2020-12/schema"

_ONE = frozenset({"items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames"})
_MANY = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_NAMED = frozenset({"properties", "patternProperties", "dependentSchemas", "$defs"})
_PLAIN = frozenset(
    {
        *("$comment", "title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "format"),
        *("type", "enum", "const", "required", "dependentRequired", "contentMediaType", "pattern", "minLength", "maxLength"),
        *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minItems", "maxItems"),
        *("uniqueItems", "minContains", "maxContains", "minProperties", "maxProperties"),
    }
)
_LOCAL = "#/$defs/"


def schema_flaws(schema: dict[str, Any]) -> list[Flaw]:
    """What is wrong with the structure of a custom schema, MAX_FLAWS at most; pointers begin at the schema. Whether values
    of keywords are as they should be is for the validator that is made of it."""
    if len(msgspec.json.encode(schema)) > MAX_SCHEMA_BYTES:
        return [Flaw("", f"Larger than {MAX_SCHEMA_BYTES} bytes.")]
    found = [flaw for flaw, _ in zip(_structure(schema, schema, "", 1), range(MAX_FLAWS), strict=False)]
    if schema.get("type") != "object":
        found.append(Flaw("/type", "It must be `object`: inputs are objects."))
    if schema.get("$schema", DIALECT) != DIALECT:
        found.append(Flaw("/$schema", f"It must be {DIALECT}."))
    return found or _weight_flaws(schema)


def weight(schema: dict[str, Any]) -> int:
    """How much there is to check of each value of an input, in keywords and enumerated values. Raises ValueError when the
    schema refers to itself or is heavier than MAX_WEIGHT."""
    return _weight(schema, schema, frozenset(), MAX_WEIGHT)


def escaped(name: str) -> str:
    """A name as it stands in a pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


def _weight_flaws(schema: dict[str, Any]) -> list[Flaw]:
    try:
        weight(schema)
    except ValueError as error:
        return [Flaw("", str(error))]
    return []


def _structure(schema: Any, root: dict[str, Any], pointer: str, depth: int) -> Iterator[Flaw]:
    if isinstance(schema, bool):
        return
    if not isinstance(schema, dict):
        yield Flaw(pointer, "A schema is an object or a boolean.")
        return
    if depth > MAX_DEPTH:
        yield Flaw(pointer, f"Nested more than {MAX_DEPTH} schemas deep.")
        return
    for keyword, value in schema.items():
        here = f"{pointer}/{escaped(keyword[:64])}"
        if keyword == "$ref":
            if not _target_there(value, root):
                yield Flaw(here, f"It must be `{_LOCAL}` and a name that is there.")
        elif keyword in _ONE | _MANY | _NAMED:
            yield from _inner_structure(keyword, value, root, here, depth)
        elif keyword not in _PLAIN and not (keyword == "$schema" and depth == 1):
            yield Flaw(here, "This keyword cannot be used here.")


def _inner_structure(keyword: str, value: Any, root: dict[str, Any], here: str, depth: int) -> Iterator[Flaw]:
    if keyword in _ONE:
        yield from _structure(value, root, here, depth + 1)
    elif not isinstance(value, list if keyword in _MANY else dict):
        yield Flaw(here, "It must be an array of schemas." if keyword in _MANY else "It must be an object of schemas.")
    else:
        inner = enumerate(value) if isinstance(value, list) else value.items()
        for name, schema in inner:
            yield from _structure(schema, root, f"{here}/{escaped(str(name)[:64])}", depth + 1)


def _target_there(ref: Any, root: dict[str, Any]) -> bool:
    definitions = root.get("$defs")
    return isinstance(ref, str) and isinstance(definitions, dict) and _target(ref) in definitions


def _target(ref: str) -> str | None:
    """The name of the definition. Escapes in it are not understood, so that such names are not there."""
    return ref.removeprefix(_LOCAL) if ref.startswith(_LOCAL) and not set(ref) & set("~%") else None


def _weight(schema: Any, root: dict[str, Any], within: frozenset[str], left: int) -> int:
    """The weight, of which at most `left` may be: what has grown beyond it is not looked at further."""
    if not isinstance(schema, dict):
        return 1
    total = len(schema) + 1
    for keyword, value in schema.items():
        if keyword == "enum" and isinstance(value, list):
            total += len(value)
        for inner, seen in _applied(keyword, value, root, within):
            total += _weight(inner, root, seen, left - total)
            if total > left:
                raise ValueError(f"It comes to more than {MAX_WEIGHT} keywords and enumerated values.")
    if total > left:
        raise ValueError(f"It comes to more than {MAX_WEIGHT} keywords and enumerated values.")
    return total


def _applied(keyword: str, value: Any, root: dict[str, Any], within: frozenset[str]) -> Iterator[tuple[Any, frozenset[str]]]:
    """The schemas that a keyword applies, each with the definitions that it stands within."""
    if keyword == "$ref":
        if value in within:
            raise ValueError(f"{value[:64]} refers to itself.")
        yield root["$defs"][_target(value)], within | {value}
    elif keyword in _ONE:
        yield value, within
    elif keyword in _MANY:
        yield from ((inner, within) for inner in value)
    elif keyword in _NAMED:
        yield from ((inner, within) for inner in value.values())
