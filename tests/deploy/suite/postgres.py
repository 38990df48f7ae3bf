"""CloudNativePG's schemas, from the Rust bindings that are generated from them: no registry of packages has the schemas
themselves. The bindings name each field with its type, and which must be there; ranges and patterns they do not tell."""

import hashlib
import os
import re
import subprocess
import tarfile
from functools import cache
from pathlib import Path
from typing import Any

from tests.deploy.suite.missing import SchemaMissing

GROUP, VERSION = "postgresql.cnpg.io", "v1"
CRATE, CRATE_VERSION = "cnpg", "0.1.0"
CHECKSUM = "544768bf54a9c1cd49b59b755f1b555d4b85718742a9f5636e80da332457add3"
KINDS = {"Cluster": "cluster", "ScheduledBackup": "scheduled_backup", "Pooler": "pooler", "Database": "database"}
DOWNLOAD_S = 120.0
_SCALARS: dict[str, Any] = {
    "String": {"type": "string"},
    "bool": {"type": "boolean"},
    "i32": {"type": "integer"},
    "i64": {"type": "integer"},
    "f64": {"type": "number"},
    "IntOrString": {"type": ["integer", "string"]},
    "serde_json::Value": {},
    "Condition": {"type": "object"},
}
_DOC = re.compile(r"^\s*///.*\n", re.MULTILINE)
_STRUCT = re.compile(r"pub struct (\w+)\s*\{\n?(.*?)\n?\}", re.DOTALL)
_ENUM = re.compile(r"pub enum (\w+)\s*\{\n(.*?)\n\}", re.DOTALL)
_FIELD = re.compile(r"(?:#\[serde\(([^]]*)\)\]\s*)?pub (?:r#)?(\w+): (.+?),\n(?=\s*(?:#\[|pub )|\Z)", re.DOTALL)
_VARIANT = re.compile(r"(?:#\[serde\(([^]]*)\)\]\s*)?(?:r#)?(\w+),")
_RENAME = re.compile(r'rename = "([^"]*)"')


@cache
def schemas() -> dict[tuple[str, str], dict[str, Any]]:
    """The schemas by apiVersion and kind. Raises SchemaMissing."""
    with tarfile.open(_crate()) as archive:
        return {
            (f"{GROUP}/{VERSION}", kind): schema(_text(archive, f"{CRATE}-{CRATE_VERSION}/src/{file}.rs"), kind)
            for kind, file in KINDS.items()
        }


def _text(archive: tarfile.TarFile, name: str) -> str:
    file = archive.extractfile(name)
    assert file is not None, f"{name} is no file"
    return file.read().decode()


def schema(source: str, kind: str) -> dict[str, Any]:
    """The JSON Schema of a kind, from the source of its bindings."""
    text = _DOC.sub("", source)
    definitions = {name: _struct(body) for name, body in _STRUCT.findall(text)}
    definitions |= {name: {"enum": _variants(body)} for name, body in _ENUM.findall(text)}
    return {
        "type": "object",
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "properties": {
            "apiVersion": {"const": f"{GROUP}/{VERSION}"},
            "kind": {"const": kind},
            "metadata": {"type": "object"},
            "spec": {"$ref": f"#/$defs/{kind}Spec"},
        },
        "additionalProperties": False,
        "$defs": definitions,
    }


def _struct(body: str) -> dict[str, Any]:
    properties, required = {}, []
    for attributes, field, type_ in _FIELD.findall(body + "\n"):
        found = _RENAME.search(attributes)
        name = found[1] if found else field
        properties[name] = _type(re.sub(r"\s+", "", type_))
        if not type_.startswith("Option<") and "default" not in attributes:
            required.append(name)
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _variants(body: str) -> list[str]:
    named = [(_RENAME.search(attributes), name) for attributes, name in _VARIANT.findall(body)]
    return [found[1] if found else name for found, name in named]


def _type(written: str) -> dict[str, Any]:
    for outer in ("Option", "Vec", "BTreeMap"):
        if written.startswith(f"{outer}<"):
            inner = written[len(outer) + 1 : -1].rstrip(",")
            if outer == "Option":
                return _type(inner)
            if outer == "Vec":
                return {"type": "array", "items": _type(inner)}
            return {"type": "object", "additionalProperties": _type(inner.removeprefix("String,"))}
    return dict(_SCALARS[written]) if written in _SCALARS else {"$ref": f"#/$defs/{written}"}


def _crate() -> Path:
    """The package as cargo keeps it, downloaded unless it is there."""
    kept = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo")) / "registry" / "cache"
    name = f"*/{CRATE}-{CRATE_VERSION}.crate"
    if not list(kept.glob(name)):
        try:
            command = ["cargo", "info", "--quiet", f"{CRATE}@{CRATE_VERSION}"]
            done = subprocess.run(command, capture_output=True, text=True, timeout=DOWNLOAD_S, check=False, cwd="/")
        except FileNotFoundError as error:
            raise SchemaMissing(
                "cargo is missing: install Rust 1.82 or newer, which brings CloudNativePG's bindings"
            ) from error
        if done.returncode:
            raise SchemaMissing(f"{CRATE}@{CRATE_VERSION}: {done.stderr.strip()}")
    found = next(iter(sorted(kept.glob(name))), None)
    if found is None or hashlib.sha256(found.read_bytes()).hexdigest() != CHECKSUM:
        raise SchemaMissing(f"{CRATE}@{CRATE_VERSION} is not where cargo keeps packages, or not what is pinned here")
    return found
