"""Input schemas to begin with. Pure."""

import json
from dataclasses import dataclass
from typing import Any, Literal

StarterName = Literal["text", "see", "draw", "chat"]
_TEXT = {"type": "string", "title": "Prompt", "minLength": 1, "maxLength": 20000}
_FILE = {"type": "string", "format": "uri-reference"}


@dataclass(frozen=True, slots=True)
class Starter:
    """A schema with an example that fits, as texts of JSON."""

    name: StarterName
    schema: str
    example: str


def written(value: Any) -> str:
    """A value of JSON as people write it; nothing for an empty object."""
    return json.dumps(value, indent=2, ensure_ascii=False) if value else ""


def _starter(name: StarterName, required: list[str], properties: dict[str, Any], example: dict[str, Any]) -> Starter:
    return Starter(name, written({"type": "object", "required": required, "properties": properties}), written(example))


STARTERS = (
    _starter(
        "text",
        ["prompt"],
        {
            "prompt": _TEXT,
            "max_tokens": {"type": "integer", "title": "Length", "minimum": 1, "maximum": 4096, "default": 512},
            "temperature": {"type": "number", "title": "Temperature", "minimum": 0, "maximum": 2, "default": 0.7},
        },
        {"prompt": "A limerick about queues"},
    ),
    _starter(
        "see",
        ["image"],
        {
            "image": {**_FILE, "title": "Picture", "contentMediaType": "image/*"},
            "question": {"type": "string", "title": "Question", "maxLength": 200, "default": "What is to be seen?"},
        },
        {},
    ),
    _starter(
        "draw",
        ["prompt"],
        {
            "prompt": {**_TEXT, "maxLength": 2000},
            "size": {"title": "Size", "enum": ["512x512", "1024x1024"], "default": "512x512"},
            "steps": {"type": "integer", "title": "Steps", "minimum": 1, "maximum": 50, "default": 20},
            "seed": {
                "type": "integer",
                "title": "Seed",
                "minimum": 0,
                "description": "The same seed draws the same picture.",
            },
        },
        {"prompt": "A lighthouse in the fog"},
    ),
    _starter(
        "chat",
        ["messages"],
        {
            "system": {"type": "string", "title": "Instructions"},
            "messages": {
                "type": "array",
                "title": "Messages",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "required": ["role", "content"],
                    "properties": {
                        "role": {"title": "Role", "enum": ["user", "assistant"]},
                        "content": {"type": "string", "title": "Content"},
                    },
                },
            },
        },
        {"messages": [{"role": "user", "content": "Hello!"}]},
    ),
)
