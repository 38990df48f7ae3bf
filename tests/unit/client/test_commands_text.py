"""What of others' text reaches a terminal, how inputs are typed, and what of an output is still to be shown."""

import json
from typing import Any

import msgspec
import pytest

from services.commands import text
from services.commands.inputs import BadInput, from_json, from_pairs
from services.commands.transcript import Transcript

ATTACK = "\x1b]0;title\x07\x1b[2J\x9b31m\u202eevil\r\x08\x7f\ud800"


def test_nothing_that_a_terminal_obeys_is_left_but_tabs_and_line_ends() -> None:
    safe = text.safe(f"a\tb\r\nc\n{ATTACK}é…你好👍🏽")
    assert all(character.isprintable() or character in "\t\n" for character in safe)
    assert safe.startswith("a\tb\nc\n\\u001b]0;title\\u0007")
    assert safe.endswith("é…你好👍🏽"), "plain text of any language stays"


def test_a_line_is_one_line() -> None:
    assert text.line("a\n\nb\x1b") == "a b\\u001b"
    assert text.line("abcdef", 4) == "abc…"


def test_json_is_one_line_and_made_safe_it_is_the_same_json() -> None:
    spread = b'{\n  "a": [1,\n 1e400, 123456789012345678901234567890],\n "b": "\xc2\x9bx"}'
    compact = text.compact(spread)
    assert compact == '{"a":[1,1e400,123456789012345678901234567890],"b":"\x9bx"}'
    assert json.loads(text.safe(compact)) == json.loads(spread)


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        (["a=b"], {"a": "b"}),
        (["a=1", "b:=1", "c:=[1, {}]", "d="], {"a": "1", "b": 1, "c": [1, {}], "d": ""}),
        (["a=b=c", "e:f=g", "h:=true"], {"a": "b=c", "e:f": "g", "h": True}),
    ],
)
def test_pairs_make_an_object(pairs: list[str], expected: Any) -> None:
    assert msgspec.json.decode(from_pairs(pairs)) == expected


@pytest.mark.parametrize("pairs", [["a"], ["=b"], [":=1"], ["a:=b"], ["a=1", "a=2"], ["a=1", "a:=2"], ["a=\udcff"]])
def test_what_is_no_pair_is_refused(pairs: list[str]) -> None:
    with pytest.raises(BadInput):
        from_pairs(pairs)


def test_json_stands_as_it_is() -> None:
    assert bytes(from_json(' {"n": 12345678901234567890123}')) == b' {"n": 12345678901234567890123}'


@pytest.mark.parametrize("wrong", ["", "[1]", "1", "{", '{"a": }', b"\xff", '{"a": [1,}', "[" * 100_000, '{"a": 1e400}'])
def test_what_is_no_object_is_refused(wrong: str | bytes) -> None:
    with pytest.raises(BadInput):
        from_json(wrong)


@pytest.mark.parametrize(
    ("shown", "output", "missing"),
    [
        ([], "abc", ["abc"]),
        ([], [1], [[1]]),
        (["a", "bc"], "abc", []),
        (["a", "b"], "abc", ["c"]),
        (["a", "b"], "abd", ["d"]),
        (["ab"], "acd", None),
        (["ab"], ["ab", 1, "c"], [1, "c"]),
        (["a", [1, 2], "b"], ["a", 1, 2, "bc", 3], ["c", 3]),
        (["a", [1]], ["a"], None),
        ([[1], [2]], [1, 3], None),
        ([[[1]]], [[1]], []),
        (["ab"], {"other": 1}, None),
    ],
)
def test_what_of_an_output_is_missing(shown: list[Any], output: Any, missing: list[Any] | None) -> None:
    transcript = Transcript()
    for data in shown:
        transcript.add(data)
    assert transcript.missing(output) == missing


def test_what_is_forgotten_is_shown_anew() -> None:
    transcript = Transcript()
    transcript.add("void")
    transcript.forget()
    transcript.add("a")
    assert transcript.missing("ab") == ["b"]
