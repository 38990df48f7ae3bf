"""What an output frame may carry."""

import msgspec
import pytest

from services.contracts.output import Progress
from services.gateway.pieces import InvalidOutput, Piece, piece
from spaces_agent import frames
from spaces_agent.frames import MAX_DATA_BYTES
from tests.unit.gateway.agent_session import names


def output(kind: frames.OutputKind, data: bytes) -> frames.Output:
    return frames.Output(**names(5), index=3, kind=kind, data=msgspec.Raw(data))


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("chunk", b'"text"'),
        ("chunk", b'""'),
        ("chunk", b'[1, {"a": null}, [2]]'),
        ("chunk", b'"' + b"x" * (MAX_DATA_BYTES - 2) + b'"'),
        ("log", b'["one", "two"]'),
        ("log", b"[]"),
    ],
)
def test_what_fits_its_kind_is_passed_on_as_it_came(kind: frames.OutputKind, data: bytes) -> None:
    assert piece(output(kind, data)) == Piece(3, kind, msgspec.Raw(data), len(data))


def test_progress_is_read() -> None:
    assert piece(output("progress", b'{"fraction":0.5,"message":"half"}')).progress == Progress(fraction=0.5, message="half")


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("chunk", b"1"),
        ("chunk", b'{"a":1}'),
        ("chunk", b"null"),
        ("chunk", b'["\xff"]'),
        ("chunk", b'"\xff"'),
        ("chunk", b'"\\ud800"'),
        ("chunk", b"[1e999]"),
        ("chunk", b"[" * 101 + b"]" * 101),
        ("chunk", b'"' + b"x" * (MAX_DATA_BYTES - 1) + b'"'),
        ("progress", b'{"fraction":1.5}'),
        ("progress", b'{"fraction":-0.1}'),
        ("progress", b'{"message":"no fraction"}'),
        ("progress", b'{"fraction":0.5,"message":"' + b"x" * 1001 + b'"}'),
        ("log", b'"a line"'),
        ("log", b"[1]"),
        ("log", b'["\\ud800"]'),
    ],
)
def test_what_others_could_not_read_is_invalid(kind: frames.OutputKind, data: bytes) -> None:
    with pytest.raises(InvalidOutput, match="output 3 "):
        piece(output(kind, data))
