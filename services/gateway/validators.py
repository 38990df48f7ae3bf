"""Validators of inputs, made of the schemas of spaces and kept until these change."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import jsonschema_rs
import msgspec

from services.contracts.accounts import Space
from services.contracts.directory import Feature
from services.contracts.features import disabled, schema_of
from services.gateway.input_schemas import MAX_FLAWS, escaped, schema_flaws, weight
from services.gateway.problems import ApiProblem, Flaw

MAX_WORK = 1_000_000
"""Weight of the schema times values of the input. A pair takes up to 0.6 µs, and nothing else runs meanwhile."""
MAX_WORK_FOR_ALL_FLAWS = 5_000
"""Beyond it only the first flaw is named: the library describes all of them, 20 µs each, before it shows the first."""
MAX_KEPT = 256
MAX_EXAMPLE_BYTES = 16 * 1024
_MAX_DETAIL = 200
_BYTES_PER_VALUE = 256
# These patterns match in linear time, but have neither backreferences nor lookaround.
_PATTERNS = jsonschema_rs.RegexOptions(size_limit=256 * 1024, dfa_size_limit=256 * 1024)
_MASK = "This"
"""Stands for the value in messages: an input may be large, or a secret."""


@dataclass(frozen=True, slots=True)
class Validator:
    """A compiled schema."""

    compiled: jsonschema_rs.Draft202012Validator
    weight: int

    def flaws(self, value: dict[str, Any], raw: bytes, pointer: str) -> list[Flaw]:
        """What is wrong with a value whose JSON is `raw`, MAX_FLAWS at most."""
        work = self.weight * _values(raw)
        if work > MAX_WORK:
            return [Flaw(pointer, "It has too many values to be checked against the space's schema.")]
        if self.compiled.is_valid(value):
            return []
        if work > MAX_WORK_FOR_ALL_FLAWS:
            try:
                self.compiled.validate(value)
            except jsonschema_rs.ValidationError as error:
                return [_flaw(error, pointer)]
        return [_flaw(error, pointer) for error, _ in zip(self.compiled.iter_errors(value), range(MAX_FLAWS), strict=False)]


class Validators:
    """The validators of the spaces that were submitted to last."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[Space, Validator | None]] = {}

    def check(self, space: Space, raw: bytes) -> None:
        """Raises ApiProblem unless an input, whose JSON is an object, fits its space."""
        if not (space.features or space.input_schema):
            return
        value: dict[str, Any] = msgspec.json.decode(raw)
        if not space.input_schema and (feature := disabled(value, space.features)) is not None:
            detail = f"The space {space.space} takes no `{feature}`."
            raise ApiProblem("feature_disabled", detail, [Flaw(f"/input/{feature}", detail)])
        validator = self._of(space)
        if validator is not None and (flaws := validator.flaws(value, raw, "/input")):
            raise ApiProblem("input_invalid", "The input does not fit the space's schema; see errors.", flaws)

    def _of(self, space: Space) -> Validator | None:
        known = self._kept.get(space.space)
        # The directory keeps the very same objects until the space is edited; other settings may differ from call to call.
        if known is not None and known[0].input_schema is space.input_schema and known[0].features is space.features:
            return known[1]
        made = _validator(space.features, space.input_schema)
        if space.space not in self._kept and len(self._kept) >= MAX_KEPT:
            self._kept.pop(next(iter(self._kept)))
        self._kept[space.space] = space, made
        return made


def check_schemas(features: Collection[Feature], input_schema: dict[str, Any], example_input: dict[str, Any]) -> None:
    """Raises ApiProblem unless what is wanted of a space is a sound schema with an example, if any, of what it takes. It
    may take a while."""
    if input_schema and (flaws := schema_flaws(input_schema) or _compile_flaws(input_schema)):
        found = [Flaw(f"/input_schema{flaw.pointer}", flaw.detail) for flaw in flaws]
        raise ApiProblem("input_invalid", "The input schema cannot be used; see errors.", found)
    raw = msgspec.json.encode(example_input)
    if len(raw) > MAX_EXAMPLE_BYTES:
        flaw = Flaw("/example_input", f"Larger than {MAX_EXAMPLE_BYTES} bytes.")
        raise ApiProblem("input_invalid", "The example is too large; see errors.", [flaw])
    validator = _validator(features, input_schema)
    flaws = validator.flaws(example_input, raw, "/example_input") if example_input and validator is not None else []
    if flaws:
        raise ApiProblem("input_invalid", "The example does not fit the space's schema; see errors.", flaws)


def _validator(features: Collection[Feature], input_schema: dict[str, Any]) -> Validator | None:
    """None: any object will do."""
    schema = input_schema or schema_of(features)
    return None if schema is None else Validator(_compiled(schema), weight(schema))


def _compiled(schema: dict[str, Any]) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(
        schema, pattern_options=_PATTERNS, offline=True, validate_formats=False, mask=_MASK
    )


def _compile_flaws(schema: dict[str, Any]) -> list[Flaw]:
    try:
        _compiled(schema)
    except jsonschema_rs.ValidationError as error:
        return [_flaw(error, "")]
    except (ValueError, jsonschema_rs.ReferencingError) as error:
        return [Flaw("", str(error)[:_MAX_DETAIL])]
    return []


def _flaw(error: jsonschema_rs.ValidationError, pointer: str) -> Flaw:
    path = "".join(f"/{escaped(str(step)[:64])}" for step in error.instance_path)
    return Flaw(pointer + path, f"{error.message[:_MAX_DETAIL]}.")


def _values(raw: bytes) -> int:
    """How many values a JSON text has, or more: what stands in its strings is counted too, as is their length."""
    return 1 + raw.count(b",") + raw.count(b"[") + raw.count(b"{") + len(raw) // _BYTES_PER_VALUE
