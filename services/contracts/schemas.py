"""JSON Schemas of our types, as the published documents hold them."""

import re
from collections.abc import Iterable
from typing import Any

import msgspec

_PARAGRAPHS = re.compile(r"\n\s*\n")


def components(types: Iterable[Any], template: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The schema of each type, and by name, those of all types that they are made of; `template` refers to these."""
    own, named = msgspec.json.schema_components(list(types), ref_template=template)
    return [_unwrapped(each) for each in own], dict(sorted(_unwrapped(dict(named)).items()))


def _unwrapped(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with docstrings as texts: a line ends where a paragraph does."""
    return {name: _text(value) if name == "description" else _any(value) for name, value in schema.items()}


def _any(value: Any) -> Any:
    if isinstance(value, list):
        return [_any(each) for each in value]
    return _unwrapped(value) if isinstance(value, dict) else value


def _text(value: Any) -> Any:
    if not isinstance(value, str):
        return _any(value)  # a member that has this name
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in _PARAGRAPHS.split(value))
