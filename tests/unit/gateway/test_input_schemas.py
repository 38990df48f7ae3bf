"""Given a schema of a space, which inputs fit it, and which schemas may be."""

import itertools
from typing import Any

import msgspec
import pytest

from services.contracts.accounts import Space
from services.contracts.directory import Feature
from services.contracts.features import FEATURES, features_of, schema_of
from services.gateway.input_schemas import MAX_DEPTH, MAX_FLAWS, schema_flaws
from services.gateway.problems import ApiProblem
from services.gateway.validators import Validators, check_schemas

SPACE = Space(
    space="demo",
    owner="ada",
    title="",
    connections="many",
    start_timeout_s=600.0,
    execution_timeout_s=90.0,
    max_attempts=3,
)
ALL_SWITCHES = [chosen for n in range(5) for chosen in itertools.combinations(FEATURES, n)]
LONG = "s3cret" * 1000


def of(inner: Any, **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": inner}, **more}


def pointers(value: Any, schema: dict[str, Any] | None = None, features: tuple[Feature, ...] = ()) -> list[str]:
    """Where the input does not fit."""
    try:
        space = msgspec.structs.replace(SPACE, input_schema=schema or {}, features=features)
        Validators().check(space, msgspec.json.encode(value))
    except ApiProblem as problem:
        found = problem
    else:
        return []
    assert all(len(flaw.detail) < 300 and "s3crets3cret" not in flaw.detail for flaw in found.flaws)
    return [found.code, *(flaw.pointer for flaw in found.flaws)]


def refused(schema: dict[str, Any]) -> list[str]:
    """Where the schema is wrong."""
    with pytest.raises(ApiProblem) as problem:
        check_schemas((), schema, {})
    assert problem.value.code == "input_invalid"
    return [flaw.pointer.removeprefix("/input_schema") for flaw in problem.value.flaws]


@pytest.mark.parametrize("switches", ALL_SWITCHES)
def test_switches_make_the_schema_that_uses_them(switches: tuple[Feature, ...]) -> None:
    schema = schema_of(switches)
    assert features_of(schema or {}) == switches
    check_schemas(switches, {}, {})
    if schema is not None:
        check_schemas((), schema, {})


def test_a_space_without_switches_and_schema_takes_any_object() -> None:
    assert pointers({"prompt": 5, "other": [1]}) == []


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        ({"prompt": "hello"}, []),
        ({"audio": "https://example.org/a.wav"}, []),
        ({"audio": "data:audio/wav;base64,AAAA"}, []),
        ({"audio": "file:///etc/passwd"}, ["input_invalid", "/input/audio"]),
        ({"audio": "http://example.org/a.wav"}, ["input_invalid", "/input/audio"]),
        ({"video": "https://example.org/a.mp4"}, ["feature_disabled", "/input/video"]),
        ({"prompt": 5}, ["input_invalid", "/input/prompt"]),
        ({"prompt": "hello", "more": 1}, ["input_invalid", "/input"]),
        ({}, ["input_invalid", "/input"]),
    ],
)
def test_switches_decide_what_an_input_has(value: Any, wrong: list[str]) -> None:
    assert pointers(value, features=("prompt", "audio")) == wrong


def test_a_schema_is_instead_of_the_switches() -> None:
    assert pointers({"a": 1, "video": "x"}, of({"type": "integer"}), features=("prompt",)) == []


def test_each_flaw_has_its_pointer_and_shows_no_value() -> None:
    schema = of({"items": {"type": "integer"}}, required=["b"])
    assert sorted(pointers({"a": [1, LONG, 3, LONG]}, schema)) == ["/input", "/input/a/1", "/input/a/3", "input_invalid"]
    assert pointers({"a": {"x/y~": 1}}, of({"additionalProperties": {"type": "string"}}))[1:] == ["/input/a/x~1y~0"]


def test_of_many_flaws_some_are_named_and_in_a_large_input_one() -> None:
    schema = of({"items": {"type": "integer"}})
    assert len(pointers({"a": ["x"] * 100}, schema)) == 1 + MAX_FLAWS
    assert pointers({"a": ["x"] * 20_000}, schema) == ["input_invalid", "/input/a/0"]


def test_work_that_would_hold_up_others_is_refused_before_it_is_done() -> None:
    schema = of({"items": {"allOf": [{"not": {"const": n}} for n in range(150)]}})
    assert pointers({"a": [-1] * 40_000}, schema) == ["input_invalid", "/input"]
    assert pointers({"a": [-1] * 1000}, schema) == []


def test_a_pattern_that_hangs_other_matchers_does_not_hang_ours() -> None:
    assert pointers({"a": "a" * 100_000 + "!"}, of({"pattern": "^(a+)+$"})) == ["input_invalid", "/input/a"]


def nested(depth: int) -> dict[str, Any]:
    inner: dict[str, Any] = {}
    for _ in range(depth):
        inner = {"items": inner}
    return inner


BOMB = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(40)} | {"d40": {}}


@pytest.mark.parametrize(
    ("schema", "wrong"),
    [
        ({"properties": {}}, ["/type"]),
        ({"type": "array"}, ["/type"]),
        (of({"type": "text"}), ["/properties/a/type"]),
        (of(5), ["/properties/a"]),
        (of({"anyOf": {}}), ["/properties/a/anyOf"]),
        (of({"$ref": "https://example.org/schema"}), ["/properties/a/$ref"]),
        (of({"$ref": "file:///etc/passwd"}), ["/properties/a/$ref"]),
        (of({"$ref": "#/$defs/none"}), ["/properties/a/$ref"]),
        (of({"$ref": "#/$defs/x"}, **{"$defs": {"x": {"items": {"$ref": "#/$defs/x"}}}}), [""]),
        (of({"$ref": "#/$defs/d0"}, **{"$defs": BOMB}), [""]),
        (of({}, **{"$id": "https://example.org/"}), ["/$id"]),
        (of({"$dynamicRef": "#x"}), ["/properties/a/$dynamicRef"]),
        (of({"unevaluatedProperties": False}), ["/properties/a/unevaluatedProperties"]),
        (of({}, **{"$schema": "http://json-schema.org/draft-07/schema#"}), ["/$schema"]),
        (of({"enum": list(range(1000))}), [""]),
        (of({"const": "x" * 70_000}), [""]),
        (of({"pattern": "(a)\\1"}), ["/properties/a/pattern"]),
        (of({"pattern": "((a{1,500}){1,500}){1,500}"}), ["/properties/a/pattern"]),
    ],
)
def test_a_schema_that_cannot_be_used_is_refused_at_its_place(schema: dict[str, Any], wrong: list[str]) -> None:
    assert refused(schema) == wrong


def test_a_schema_has_a_depth() -> None:
    assert schema_flaws(of(nested(MAX_DEPTH - 2))) == []
    assert len(schema_flaws(of(nested(MAX_DEPTH - 1)))) == 1


def test_definitions_may_be_used_again() -> None:
    schema = of({"$ref": "#/$defs/x"}, **{"$defs": {"x": {"items": {"$ref": "#/$defs/y"}}, "y": {"type": "integer"}}})
    check_schemas((), schema, {"a": [1]})
    assert pointers({"a": [1, "x"]}, schema) == ["input_invalid", "/input/a/1"]


def test_what_a_file_is_of_only_describes() -> None:
    schema = of({"type": "string", "format": "uri-reference", "contentMediaType": "image/*"})
    assert schema_flaws(schema) == []
    assert pointers({"a": "no image"}, schema) == []


def test_an_example_fits_its_schema() -> None:
    with pytest.raises(ApiProblem) as problem:
        check_schemas(("prompt",), {}, {"prompt": 1})
    assert [flaw.pointer for flaw in problem.value.flaws] == ["/example_input/prompt"]


def test_a_changed_space_is_checked_by_what_it_is_now() -> None:
    validators, raw = Validators(), b'{"a":1}'
    validators.check(msgspec.structs.replace(SPACE, input_schema=of({"type": "integer"})), raw)
    with pytest.raises(ApiProblem):
        validators.check(msgspec.structs.replace(SPACE, input_schema=of({"type": "string"})), raw)


def test_a_schema_is_compiled_once_for_all_that_has_it() -> None:
    validators, space = Validators(), msgspec.structs.replace(SPACE, input_schema=of({"type": "integer"}))
    first = validators._of(space)
    assert first is not None
    assert validators._of(msgspec.structs.replace(space, on_no_agent="reject")) is first
