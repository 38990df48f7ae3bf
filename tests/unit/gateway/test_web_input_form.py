"""The form that a space's schema makes, whatever the schema is."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.contracts.features import FEATURES, schema_of
from services.gateway.validators import check_schemas
from services.gateway.web.assets import assets
from services.gateway.web.input_fields import (
    ChoiceField,
    Field,
    FileField,
    GroupField,
    InputForm,
    JsonField,
    ListField,
    ManyField,
    NumberField,
    RowsField,
    TextField,
)
from services.gateway.web.input_form import MAX_FIELDS, MAX_OPTIONS, input_form
from services.gateway.web.input_reading import bound
from services.gateway.web.input_starters import STARTERS, Starter
from services.gateway.web.languages import LANGUAGES
from services.gateway.web.layout import layout
from services.gateway.web.rendering import Renderer
from services.gateway.web.space_views import InputView
from tests.support.html import Reading

RENDERER = Renderer(assets())
WORDS = ["type", "properties", "items", "enum", "const", "anyOf", "$ref", "$defs", "default", "required", "minimum", "title"]
TYPES = ["string", "integer", "number", "boolean", "array", "object", "null", "uri-reference", "image/*", "#/$defs/type"]


def form_of(properties: dict[str, Any], **more: Any) -> InputForm:
    return input_form({"type": "object", "properties": properties, **more}, {})


def field_of(schema: Any, **more: Any) -> Any:
    (field,) = form_of({"x": schema}, **more).fields
    return field


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ({"type": "string"}, "text"),
        ({"type": ["null", "string"]}, "text"),
        ({"type": "integer"}, "number"),
        ({"type": "boolean"}, "check"),
        ({"enum": ["a", 1, None]}, "choice"),
        ({"const": 7}, "choice"),
        ({"type": "string", "format": "uri-reference"}, "file"),
        ({"type": "string", "format": "uri", "contentMediaType": "image/png"}, "file"),
        ({"type": "string", "pattern": "^/v1/files/"}, "file"),
        ({"type": "string", "format": "uri"}, "text"),
        ({"type": "array", "items": {"type": "string"}}, "list"),
        ({"type": "array", "items": {"type": "string", "format": "uri-reference"}}, "file"),
        ({"type": "array", "items": {"enum": ["a"]}, "uniqueItems": True}, "many"),
        ({"type": "array", "items": {"enum": ["a"]}}, "json"),
        ({"type": "array", "items": {"type": "object"}}, "json"),
        ({"type": "array", "items": {"type": "object", "properties": {"y": {"type": "string"}}}}, "rows"),
        ({"type": "array", "items": {"type": "object", "properties": {"y": {}}}}, "json"),
        ({"type": "array"}, "json"),
        ({"type": "object", "properties": {"y": {}}}, "group"),
        ({"type": "object"}, "json"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "text"),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, "json"),
        ({"allOf": [{"type": "integer"}], "default": 3}, "number"),
        ({"$ref": "#/$defs/word"}, "text"),
        ({"$ref": "#/$defs/missing"}, "json"),
        ({"$ref": "#/$defs/self"}, "json"),
        ({"type": ["string", "integer"]}, "json"),
        ({}, "json"),
        (True, "json"),
    ],
)
def test_each_kind_of_value_has_its_field(schema: Any, kind: str) -> None:
    definitions = {"word": {"type": "string"}, "self": {"$ref": "#/$defs/self"}}
    assert field_of(schema, **{"$defs": definitions}).kind == kind


def test_a_member_that_must_be_absent_has_no_field() -> None:
    assert form_of({"x": False}).fields == ()


def test_fields_say_what_they_are_for_and_whether_they_are_needed() -> None:
    schema = {"type": "string", "title": "The\n name\u0007", "description": "Of whom."}
    one, other = form_of({"a/b~c": schema, "d": {"type": ["string", "null"]}}, required=["a/b~c"]).fields
    assert (one.title, one.help, one.required, one.nullable) == ("The name", "Of whom.", True, False)
    assert (one.name, one.pointer) == ("a/b~c", "/a~1b~0c")
    assert (other.title, other.required, other.nullable) == ("d", False, True)


@pytest.mark.parametrize(
    ("schema", "several"),
    [
        ({}, True),
        ({"maxLength": 201}, True),
        ({"maxLength": 200}, False),
        ({"format": "email"}, False),
        ({"pattern": "^a"}, False),
        ({"default": "en"}, False),
        ({"default": "a\nb", "maxLength": 10}, True),
    ],
)
def test_a_text_has_several_lines_unless_it_is_short(schema: dict[str, Any], several: bool) -> None:
    field = field_of({"type": "string", **schema})
    assert isinstance(field, TextField)
    assert field.several is several


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "integer", "minimum": 1, "maximum": 9.5}, (1, 9, 1)),
        ({"type": "integer", "exclusiveMinimum": 1, "exclusiveMaximum": 9}, (2, 8, 1)),
        ({"type": "number", "minimum": 0, "exclusiveMaximum": 1.5}, (0, 1.5, 0)),
        ({"type": "integer", "multipleOf": 8, "minimum": 64}, (64, None, 8)),
        ({"type": "integer", "multipleOf": 8, "minimum": 1}, (1, None, 1)),
        ({"type": "number", "multipleOf": 0.1, "minimum": 10**400}, (None, None, 0)),
        ({"type": "number", "minimum": "1", "multipleOf": True}, (None, None, 0)),
    ],
)
def test_numbers_have_the_bounds_that_a_browser_can_hold(schema: dict[str, Any], expected: tuple[Any, ...]) -> None:
    field = field_of(schema)
    assert isinstance(field, NumberField)
    assert (field.least, field.most, field.step) == expected


@given(st.integers(-(10**6), 10**6) | st.floats(-1e6, 1e6), st.booleans(), st.booleans())
def test_a_whole_number_is_within_its_bound_exactly_when_it_fits(limit: float, least: bool, excluded: bool) -> None:
    word = "minimum" if least else "maximum"
    found = bound({f"exclusive{word.capitalize()}" if excluded else word: limit}, word, True)
    assert found is not None
    for value in (found - 1, found, found + 1):
        fits = (value > limit if excluded else value >= limit) if least else (value < limit if excluded else value <= limit)
        assert fits == (value >= found if least else value <= found)


def test_choices_are_in_sight_when_they_are_few_short_and_need_not_be_taken_back() -> None:
    few = {"enum": ["a", "b"]}
    assert not field_of(few).radios
    assert field_of({**few, "default": "a"}).radios
    assert field_of(few, required=["x"]).radios
    assert not field_of({"enum": list("abcde")}, required=["x"]).radios
    assert not field_of({"enum": ["a" * 25]}, required=["x"]).radios
    values: list[Any] = ["a", "", 1, None, {"k": "ü"}]
    field = field_of({"enum": values})
    assert [json.loads(each.json) for each in field.options] == values
    assert [each.text for each in field.options] == ["a", '""', "1", "null", '{"k": "ü"}']
    assert field_of({"enum": list(range(MAX_OPTIONS + 1)), "type": "integer"}).kind == "number"


def test_file_fields_say_what_they_take() -> None:
    file = {"type": "string", "format": "uri-reference"}
    schemas = [{"contentMediaType": each} for each in ("image/*", "Image/PNG", "image/*, audio/*", "x", 7)]
    fields = form_of({str(number): {**file, **each} for number, each in enumerate(schemas)}).fields
    assert [each.accept for each in fields if isinstance(each, FileField)] == ["image/*", "image/png", "", "", ""]


def test_switches_make_their_fields() -> None:
    fields = input_form(schema_of(FEATURES), {}).fields
    assert [(each.name, each.kind, getattr(each, "accept", None)) for each in fields] == [
        ("prompt", "text", None),
        ("audio", "file", "audio/*"),
        ("video", "file", "video/*"),
        ("file", "file", ""),
    ]


def test_without_a_schema_the_input_is_json() -> None:
    assert input_form(None, {"a": 1}) == InputForm((), '{"a":1}')


def test_objects_within_objects_are_groups_until_they_are_deep() -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(6):
        schema = {"type": "object", "properties": {"x": schema}}
    (field,) = input_form(schema, {}).fields
    kinds = [field.kind]
    while isinstance(field, GroupField):
        (field,) = field.fields
        kinds.append(field.kind)
    assert kinds == ["group", "group", "group", "json"]
    assert field.pointer == "/x/x/x/x"


def test_a_row_of_an_array_has_the_fields_of_its_objects() -> None:
    items = {"type": "object", "required": ["y"], "properties": {"y": {"type": "string"}, "z": {"enum": [1, 2]}}}
    field = field_of({"type": "array", "items": items, "default": [{"y": "a"}]})
    assert [(each.pointer, each.kind, each.required) for each in field.row.fields] == [
        ("/x/0/y", "text", True),
        ("/x/0/z", "choice", False),
    ]
    assert field.start == [{"y": "a"}]


def test_what_stands_in_an_object_that_may_be_left_out_is_not_asked_for() -> None:
    inner = {"type": "object", "properties": {"y": {"type": "string"}}, "required": ["y"]}
    for required, guarded in ((["x"], False), ([], True)):
        assert [each.guarded for each in field_of(inner, required=required).fields] == [guarded]


def test_a_form_begins_with_the_defaults_and_over_them_the_example() -> None:
    properties = {
        "a": {"type": "integer", "default": 1},
        "b": {"type": "integer", "default": "no integer"},
        "c": {"type": "object", "properties": {"d": {"enum": [True], "default": True}, "e": {"type": "string"}}},
        "f": {"type": "array", "items": {"type": "string"}, "default": ["ü"]},
    }
    schema = {"type": "object", "properties": properties}
    assert json.loads(input_form(schema, {}).start) == {"a": 1, "c": {"d": True}, "f": ["ü"]}
    assert json.loads(input_form(schema, {"a": 2}).start) == {"a": 2, "c": {"d": True}, "f": ["ü"]}
    assert input_form(schema, {}).start.isascii()


def test_a_form_that_would_be_too_long_or_has_names_that_browsers_change_is_json() -> None:
    assert len(form_of({str(each): {} for each in range(MAX_FIELDS)}).fields) == MAX_FIELDS
    wide: dict[str, dict[str, Any]] = {str(each): {} for each in range(MAX_FIELDS)}
    assert form_of({"x": {"type": "object", "properties": wide}}).fields == ()
    assert form_of({"a": {}, "b\r\nc": {}}).fields == ()


schemas = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.sampled_from(TYPES),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=3), inner, max_size=6)
    ),
    max_leaves=40,
)
objects = st.dictionaries(st.text(max_size=5), schemas, max_size=8)


# The first page compiles its template; and a machine that has much else to do is slow.
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(objects, objects, schemas)
def test_no_schema_makes_it_fail_and_its_markup_stays_whole(
    properties: dict[str, Any], example: dict[str, Any], definitions: Any
) -> None:
    schema = {"type": "object", "properties": properties, "required": list(properties), "$defs": definitions}
    form = input_form(schema, example)
    started = json.loads(form.start)
    assert {name: started[name] for name in example} == example
    read = Reading(page_of(form))
    assert read.open == []
    fields = [*_all(form.fields)]
    assert len(read.values("data-pointer")) == len(fields)
    assert set(read.values("data-pointer")) == {each.pointer for each in fields}
    assert len(read.values("id")) == len(set(read.values("id")))


def test_hostile_texts_stay_texts() -> None:
    hostile = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>"
    texts = {"title": hostile, "description": hostile}
    properties: dict[str, Any] = {
        hostile: {"type": "string", **texts},
        "enum": {"enum": [hostile], **texts},
        "const": {"const": hostile, **texts},
        "file": {"type": "string", "format": "uri-reference", "contentMediaType": hostile, **texts},
        "group": {"type": "object", "properties": {hostile: {"type": "boolean", "default": True}}, **texts},
        "list": {"type": "array", "items": {"type": "number"}, "default": [1], **texts},
        "many": {"type": "array", "items": {"enum": [hostile]}, "uniqueItems": True, **texts},
    }
    form = input_form({"properties": properties, "required": ["const"]}, {hostile: hostile})
    assert {type(each) for each in form.fields} >= {ChoiceField, FileField, GroupField, ListField, ManyField}
    page = page_of(form)
    assert "<script>alert" not in page
    assert "<img" not in page.replace('<img src="/static/', "")
    read = Reading(page)
    assert hostile in read.values("data-name")
    assert read.open == []


def page_of(form: InputForm) -> str:
    around = layout(next(iter(LANGUAGES)), "", None, "/new-space", "")
    return RENDERER.page("preview.html", around, InputView(form, "demo", 10**9)).decode()


def _all(fields: tuple[Field, ...]) -> list[Field]:
    return [each for field in fields for each in (field, *_all(_inner(field)))]


def _inner(field: Field) -> tuple[Field, ...]:
    if isinstance(field, GroupField):
        return field.fields
    return (field.row,) if isinstance(field, RowsField) else ()


def test_a_field_of_json_begins_with_its_default() -> None:
    field = field_of({"default": {"a": [1]}})
    assert isinstance(field, JsonField)
    assert field.start == {"a": [1]}


@pytest.mark.parametrize("starter", STARTERS, ids=lambda starter: starter.name)
def test_a_starter_is_a_schema_that_can_be_used(starter: Starter) -> None:
    schema, example = json.loads(starter.schema), json.loads(starter.example or "{}")
    check_schemas((), schema, example)
    assert [each.name for each in input_form(schema, example).fields] == list(schema["properties"])
