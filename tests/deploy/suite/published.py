"""Manifests against published schemas, unknown fields refused: Kubernetes' own at its oldest and newest version, and those
of custom resources, which are read from the pinned Go modules of their projects."""

import json
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import yaml
from referencing import Registry, Resource

from tests.deploy.suite import postgres
from tests.deploy.suite.findings import Finding
from tests.deploy.suite.missing import SchemaMissing
from tests.deploy.suite.objects import Object, Stack, shown

BUNDLED = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
OLDEST, NEWEST = "1.31", "1.37"
"""What docs/kubernetes.md promises, and the newest one that there was when this was written."""
CRDS = {
    "sigs.k8s.io/gateway-api@v1.6.3": "config/crd/standard",
    "github.com/cloudnative-pg/plugin-barman-cloud@v0.15.0": "config/crd/bases",
}
DOWNLOAD_S = 120.0


def group_of(found: Object) -> str:
    """An object's API group; empty for the core's."""
    group, slash, _ = str(found.get("apiVersion", "")).partition("/")
    return group if slash else ""


def is_builtin(found: Object) -> bool:
    """Whether Kubernetes itself has this kind of object."""
    group = group_of(found)
    return "." not in group or (group.endswith(".k8s.io") and group != "gateway.networking.k8s.io")


def builtin_findings(stack: Stack, version: str) -> Iterator[Finding]:
    """What Kubernetes of this version would refuse: unknown fields, wrong types, kinds that are gone."""
    for each in filter(is_builtin, stack.objects):
        validator = _validator(version, str(each["apiVersion"]), str(each["kind"]))
        if validator is None:
            yield _finding(f"schema-{version}", each, f"Kubernetes {version} has no {each['apiVersion']} {each['kind']}")
            continue
        for error in validator.iter_errors(each):
            where = ".".join(str(step) for step in error.absolute_path)
            yield _finding(f"schema-{version}", each, f"{where or 'the object'}: {error.message[:300]}")


@cache
def _validator(version: str, api_version: str, kind: str) -> jsonschema.Draft202012Validator | None:
    # As the package does it itself, but for reading megabytes of definitions anew for each object.
    group, _, name = api_version.rpartition("/")
    prefix = f"{group.partition('.')[0]}-" if group else ""
    file = BUNDLED / f"v{version}.0-local-strict" / f"{kind.lower()}-{prefix}{name}.json"
    if not file.is_file():
        return None
    schema = json.loads(file.read_text())
    return jsonschema.Draft202012Validator(schema, registry=Resource.from_contents(schema) @ _definitions(version))


@cache
def _definitions(version: str) -> Registry[Any]:
    text = (BUNDLED / f"v{version}.0-local-strict" / "_definitions.json").read_text()
    return Resource.from_contents(json.loads(text)) @ Registry()


def _finding(rule: str, found: Object, problem: str) -> Finding:
    return Finding(rule, shown(found), problem, "Write it as the API reference of that version says.")


def custom_findings(stack: Stack) -> Iterator[Finding]:
    """What the API server would refuse by the custom resources' own schemas."""
    for each in stack.objects:
        if is_builtin(each):
            continue
        schema = (postgres.schemas() if group_of(each) == postgres.GROUP else schemas()).get(
            (str(each["apiVersion"]), str(each["kind"]))
        )
        if schema is None:
            yield _finding(
                "schema-custom", each, f"no published schema of {each['apiVersion']} {each['kind']} is known here"
            )
            continue
        for error in jsonschema.Draft202012Validator(schema).iter_errors(each):
            where = ".".join(str(step) for step in error.absolute_path)
            yield _finding("schema-custom", each, f"{where or 'the object'}: {error.message[:300]}")


@cache
def schemas() -> dict[tuple[str, str], dict[str, Any]]:
    """The schemas of custom resources by apiVersion and kind. Raises SchemaMissing."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for module, directory in CRDS.items():
        for file in sorted((_module(module) / directory).glob("*.yaml")):
            for definition in yaml.load_all(file.read_text(), yaml.CSafeLoader):
                if definition and definition.get("kind") == "CustomResourceDefinition":
                    found |= dict(_versions(definition["spec"]))
    return found


def _versions(spec: Object) -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
    for version in spec["versions"]:
        if version["served"]:
            key = f"{spec['group']}/{version['name']}", spec["names"]["kind"]
            yield key, strict(version["schema"]["openAPIV3Schema"], root=True)


def strict(schema: Any, *, root: bool = False) -> Any:
    """A structural schema as JSON Schema that refuses what the API server would prune: fields that it does not name."""
    if not isinstance(schema, dict):
        return schema
    result = {key: value for key, value in schema.items() if key not in ("properties", "items", "nullable")}
    if "properties" in schema:
        result["properties"] = {name: strict(each) for name, each in schema["properties"].items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields") and "additionalProperties" not in schema:
            result["additionalProperties"] = False
    if "items" in schema:
        result["items"] = strict(schema["items"])
    if isinstance(schema.get("additionalProperties"), dict):
        result["additionalProperties"] = strict(schema["additionalProperties"])
    if root:
        result["properties"]["metadata"] = {"type": "object"}
    return {"anyOf": [result, {"type": "null"}]} if schema.get("nullable") else result


@cache
def _module(module: str) -> Path:
    try:
        done = subprocess.run(
            ["go", "mod", "download", "-json", module],
            capture_output=True,
            text=True,
            timeout=DOWNLOAD_S,
            check=False,
            cwd="/",
        )
    except FileNotFoundError as error:
        raise SchemaMissing("go is missing: install Go, which brings the schemas of custom resources") from error
    answer = json.loads(done.stdout or "{}")
    if "Dir" not in answer:
        raise SchemaMissing(f"{module}: {answer.get('Error') or done.stderr.strip()}")
    return Path(answer["Dir"])
