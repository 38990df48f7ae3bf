"""The environment that a container gets, put together as the kubelet does it."""

import re
from dataclasses import dataclass

from tests.deploy.suite.objects import Object, Stack

_REFERENCE = re.compile(r"\$\(([A-Za-z_][A-Za-z0-9_]*)\)")


@dataclass(frozen=True, slots=True)
class Source:
    """A ConfigMap or Secret that a container or volume takes something from. `key`: None for all of it."""

    kind: str
    name: str
    key: str | None
    optional: bool


def expanded(text: str, environment: dict[str, str]) -> str:
    """The text with `$(NAME)` replaced by what is set before; what is not set stays, as in Kubernetes."""
    return _REFERENCE.sub(lambda found: environment.get(found[1], found[0]), text)


def environment(stack: Stack, container: Object) -> dict[str, str]:
    """All variables; those of Secrets have the example's values, those of the pod's own fields `…`."""
    result: dict[str, str] = {}
    for each in container.get("envFrom") or []:
        prefix = each.get("prefix", "")
        values = stack.config_maps.get(each.get("configMapRef", {}).get("name", ""), {}) | stack.secrets.get(
            each.get("secretRef", {}).get("name", ""), {}
        )
        result |= {prefix + key: value for key, value in values.items()}
    for each in container.get("env") or []:
        value = _value(stack, each, result)
        if value is not None:
            result[each["name"]] = value
    return result


def _value(stack: Stack, variable: Object, before: dict[str, str]) -> str | None:
    source = variable.get("valueFrom")
    if source is None:
        return expanded(str(variable.get("value", "")), before)
    if "configMapKeyRef" in source:
        reference = source["configMapKeyRef"]
        return stack.config_maps.get(reference["name"], {}).get(reference["key"])
    if "secretKeyRef" in source:
        reference = source["secretKeyRef"]
        return stack.secrets.get(reference["name"], {}).get(reference["key"])
    return "…"


def arguments(stack: Stack, container: Object) -> list[str]:
    """The command and its arguments, variables put in."""
    known = environment(stack, container)
    return [expanded(str(each), known) for each in [*(container.get("command") or []), *(container.get("args") or [])]]


def sources(container: Object) -> list[Source]:
    """What the container's environment is taken from."""
    found = []
    for each in container.get("envFrom") or []:
        for field, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
            if field in each:
                found.append(Source(kind, each[field]["name"], None, bool(each[field].get("optional"))))
    for each in container.get("env") or []:
        given = each.get("valueFrom") or {}
        for field, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
            if field in given:
                found.append(Source(kind, given[field]["name"], given[field]["key"], bool(given[field].get("optional"))))
    return found


def volume_sources(spec: Object) -> list[Source]:
    """What the pod's volumes are taken from."""
    found = []
    for volume in spec.get("volumes") or []:
        parts = [volume, *(volume.get("projected", {}).get("sources") or [])]
        for part in parts:
            for field, kind, named in (
                ("configMap", "ConfigMap", "name"),
                ("secret", "Secret", "secretName" if part is volume else "name"),
            ):
                if field in part:
                    items = part[field].get("items") or [{"key": None}]
                    optional = bool(part[field].get("optional"))
                    found += [Source(kind, part[field][named], item["key"], optional) for item in items]
    return found
