"""What is on the wire and in the streams today stays readable: a golden file changes only together with the schema."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from services.contracts import codec
from spaces_agent import frames
from tests.contracts.examples import FAMILIES, named, travelling_types

GOLDEN = Path(__file__).parent / "golden"
EXAMPLES = named()


def golden(name: str) -> bytes:
    return (GOLDEN / f"{name}.json").read_bytes().removesuffix(b"\n")


def encoded(name: str, value: Any) -> bytes:
    match name.partition(".")[0]:
        case "request":
            return codec.requests.encode(value)
        case "connection":
            return codec.connections.encode(value)
        case "directory":
            return codec.directory.encode(value)
        case "agent_frame" | "gateway_frame":
            return frames.encode(value)
        case _:
            return msgspec.json.encode(value)


def decoded(name: str, data: bytes) -> msgspec.Struct:
    match name.partition(".")[0]:
        case "request":
            return codec.requests.decode(data)
        case "connection":
            return codec.connections.decode(data)
        case "directory":
            return codec.directory.decode(data)
        case "agent_frame":
            return frames.decode_agent_frame(data)
        case "gateway_frame":
            return frames.decode_gateway_frame(data)
        case _:
            return msgspec.json.decode(data, type=type(EXAMPLES[name]))


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_is_written_is_the_golden_file(name: str) -> None:
    assert encoded(name, EXAMPLES[name]) == golden(name)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_golden_file_is_read_as_the_value(name: str) -> None:
    assert decoded(name, golden(name)) == EXAMPLES[name]


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_payload_of_only_the_required_fields_is_read(name: str) -> None:
    """Fields were added with defaults, so what was written before them is still read."""
    payload = msgspec.json.decode(golden(name))
    optional = {field.encode_name for field in msgspec.structs.fields(EXAMPLES[name]) if not field.required}
    least = decoded(name, msgspec.json.encode({key: value for key, value in payload.items() if key not in optional}))
    for field in msgspec.structs.fields(least):
        if not field.required:
            default = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
            assert getattr(least, field.name) == default


@pytest.mark.parametrize("name", EXAMPLES)
def test_fields_that_this_version_does_not_know_are_ignored(name: str) -> None:
    payload = msgspec.json.decode(golden(name)) | {"of_a_later_version": 1}
    assert decoded(name, msgspec.json.encode(payload)) == EXAMPLES[name]


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_shows_every_field(name: str) -> None:
    shown = set(msgspec.json.decode(golden(name)))
    fields = {field.encode_name for field in msgspec.structs.fields(EXAMPLES[name])}
    assert fields - shown <= {"schema"}, "a field has its default, or the golden file is older than the field"


def test_everything_on_the_wire_has_a_golden_file() -> None:
    assert {type(value) for values in FAMILIES.values() for value in values} == travelling_types()
    assert {path.stem for path in GOLDEN.glob("*.json")} == set(EXAMPLES)
