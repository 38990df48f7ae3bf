"""The input of a request, as it is typed. Pure."""

from collections.abc import Mapping, Sequence

import msgspec


class BadInput(ValueError):
    """What was typed is no input; the text is one line that says why."""


def from_json(text: str | bytes) -> msgspec.Raw:
    """The object, as it stands. Raises BadInput."""
    data = text.encode(errors="surrogateescape") if isinstance(text, str) else text
    try:
        value = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise BadInput(f"the input is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise BadInput('the input must be a JSON object, like {"prompt": "hello"}')
    return msgspec.Raw(data)


def from_pairs(pairs: Sequence[str]) -> msgspec.Raw:
    """An object of `key=text` and `key:=JSON`. Raises BadInput."""
    members: dict[str, msgspec.Raw] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        is_json = name.endswith(":")
        name = name.removesuffix(":")
        if not equals or not name:
            raise BadInput(f"{pair!r} is neither key=text nor key:=JSON")
        if name in members:
            raise BadInput(f"{name!r} is given twice")
        members[name] = _json(name, value) if is_json else _text(name, value)
    return msgspec.Raw(msgspec.json.encode(members))


def file_pairs(pairs: Sequence[str]) -> dict[str, str]:
    """The path of each `key=path`. Raises BadInput."""
    paths: dict[str, str] = {}
    for pair in pairs:
        name, _, path = pair.partition("=")
        if not name or not path:
            raise BadInput(f"{pair!r} is not key=path")
        if name in paths:
            raise BadInput(f"{name!r} is given twice")
        paths[name] = path
    return paths


def with_texts(input: msgspec.Raw, texts: Mapping[str, str]) -> msgspec.Raw:
    """An object with these members more. Raises BadInput."""
    members = msgspec.json.decode(input, type=dict[str, msgspec.Raw])
    for name, value in texts.items():
        if name in members:
            raise BadInput(f"{name!r} is given twice")
        members[name] = _text(name, value)
    return msgspec.Raw(msgspec.json.encode(members))


def _json(name: str, value: str) -> msgspec.Raw:
    data = value.encode(errors="surrogateescape")
    try:
        msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise BadInput(f"the value of {name!r} is not JSON ({error}): write {name}=… for text") from error
    return msgspec.Raw(data)


def _text(name: str, value: str) -> msgspec.Raw:
    try:
        return msgspec.Raw(msgspec.json.encode(value))
    except UnicodeError as error:
        raise BadInput(f"the value of {name!r} is not UTF-8") from error
