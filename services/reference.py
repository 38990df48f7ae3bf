"""The published descriptions of what goes over wires, generated from the types that decode it: `make reference` writes them
to docs/reference, and a test compares."""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args

import msgspec

from services.contracts.asyncapi import asyncapi
from services.contracts.schemas import components
from services.gateway.api.operations import OPERATIONS
from services.gateway.openapi import built
from spaces_agent import frames

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_DEFINITIONS = "#/$defs/{name}"


def read_examples(directory: Path) -> dict[str, Any]:
    """The payloads in a directory of golden files, `<family>.<type>.json`, by the name of their type."""
    return {path.stem.rpartition(".")[2]: json.loads(path.read_text()) for path in sorted(directory.glob("*.json"))}


def documents(examples: Mapping[str, Any]) -> dict[str, str]:
    """Every document by the name of its file."""
    return {
        "openapi.json": _text(built(OPERATIONS)),
        "asyncapi.json": _text(asyncapi(examples)),
        "agent-frames.schema.json": _text(agent_frames(examples)),
    }


def agent_frames(examples: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON Schema (2020-12) of the frames between agents and gateways: `#/$defs/AgentFrame` is what agents send,
    `#/$defs/GatewayFrame` what gateways send."""
    unions = {"AgentFrame": _describable(frames.AgentFrame), "GatewayFrame": _describable(frames.GatewayFrame)}
    schemas, definitions = components(unions.values(), _DEFINITIONS)
    for name, definition in definitions.items():
        if name in examples:
            definition["examples"] = [examples[name]]
    titles = {"AgentFrame": "What agents send.", "GatewayFrame": "What gateways send."}
    whole = {name: {"description": titles[name], **schema} for name, schema in zip(unions, schemas, strict=True)}
    return {
        "$schema": _DRAFT,
        "title": f"Agent protocol {frames.SUBPROTOCOL}",
        "description": "One JSON text frame of the WebSocket between an agent and a gateway; see docs/agent-protocol.md.",
        "anyOf": [{"$ref": _DEFINITIONS.format(name=name)} for name in unions],
        "$defs": {**whole, **definitions},
        "x-constants": _constants(),
    }


def _describable(union: UnionType) -> Any:
    """The union with stand-ins for structs that msgspec cannot describe: those with raw JSON as a default."""
    return Union[tuple(_stand_in(kind) if _has_raw_default(kind) else kind for kind in get_args(union))]  # noqa: UP007


def _has_raw_default(kind: type[msgspec.Struct]) -> bool:
    return any(isinstance(each.default, msgspec.Raw) for each in msgspec.structs.fields(kind))


def _stand_in(kind: type[msgspec.Struct]) -> type[msgspec.Struct]:
    fields = [
        (each.name, each.type) if each.required else (each.name, each.type, _default(each))
        for each in msgspec.structs.fields(kind)
    ]
    config = kind.__struct_config__
    return msgspec.defstruct(
        kind.__name__, fields, namespace={"__doc__": kind.__doc__}, tag_field=config.tag_field, tag=config.tag, kw_only=True
    )


def _default(of: msgspec.structs.FieldInfo) -> Any:
    return msgspec.field(default_factory=lambda: of.default) if isinstance(of.default, msgspec.Raw) else of.default


def _constants() -> dict[str, Any]:
    """The numbers and names of the protocol that no schema says."""
    return {
        name.lower(): value
        for name, value in vars(frames).items()
        if name.isupper() and not name.startswith("_") and isinstance(value, int | float | str)
    }


def _text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """`python -m services.reference`."""
    parser = argparse.ArgumentParser(prog="python -m services.reference", description=__doc__)
    parser.add_argument("directory", type=Path, help="where to write the documents")
    parser.add_argument("--examples", type=Path, required=True, metavar="DIR", help="golden files, one payload each")
    options = parser.parse_args()
    options.directory.mkdir(parents=True, exist_ok=True)
    for name, text in documents(read_examples(options.examples)).items():
        (options.directory / name).write_text(text)
        print(f"wrote {options.directory / name}")


if __name__ == "__main__":
    main()
