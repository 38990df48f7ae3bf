"""The feature switches of a space: which of four usual fields its inputs have, as a JSON Schema (draft 2020-12)."""

from collections.abc import Collection, Mapping
from typing import Any

from services.contracts.directory import Feature

FEATURES: tuple[Feature, ...] = ("prompt", "audio", "video", "file")
_REFERENCE: Mapping[str, str] = {
    "type": "string",
    "format": "uri-reference",
    "pattern": "^(https://[^/]|data:|/v1/files/[A-Za-z0-9._-]+$)",
}
"""What may stand for a file; the last alternative is one that was uploaded here."""
_FIELDS: Mapping[Feature, Mapping[str, str]] = {
    "prompt": {"title": "Prompt", "description": "What the handler is asked, as text.", "type": "string"},
    "audio": {
        "title": "Audio",
        "description": "A recording: an https or data URI, or an uploaded file.",
        "contentMediaType": "audio/*",
        **_REFERENCE,
    },
    "video": {
        "title": "Video",
        "description": "A film: an https or data URI, or an uploaded file.",
        "contentMediaType": "video/*",
        **_REFERENCE,
    },
    "file": {"title": "File", "description": "Any other file: an https or data URI, or an uploaded one.", **_REFERENCE},
}


def schema_of(features: Collection[Feature]) -> dict[str, Any] | None:
    """The schema of inputs of a space with these switches on; None when all are off: then any object will do. It takes
    no other fields, because a form cannot show them, and at least one."""
    if not features:
        return None
    return {
        "type": "object",
        "properties": {name: dict(_FIELDS[name]) for name in FEATURES if name in features},
        "additionalProperties": False,
        "minProperties": 1,
    }


def features_of(schema: Mapping[str, Any]) -> tuple[Feature, ...]:
    """The switches that a schema uses: the usual fields among the properties that it names."""
    return tuple(name for name in FEATURES if schema.get("properties", {}).get(name, False) is not False)


def disabled(input: Collection[str], features: Collection[Feature]) -> Feature | None:
    """The first of the usual fields of an input whose switch is off; None without, or where no switch is on."""
    return next((name for name in FEATURES if name in input and name not in features), None) if features else None
