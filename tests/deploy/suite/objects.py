"""What an overlay renders to, as the rules look at it: objects, their pods, and what is made or kept outside of it."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

Object = dict[str, Any]
Labels = Mapping[str, str]
DEPLOYMENT, STATEFUL_SET, JOB, CLUSTER = "Deployment", "StatefulSet", "Job", "Cluster"
_UNLIKE_URLS = re.compile(r"[^A-Za-z0-9_.~:/?@-]+")
"""Examples may be words for people; what they stand for becomes part of URLs."""
WORKLOADS = {DEPLOYMENT, STATEFUL_SET, "DaemonSet", JOB, "CronJob"}


def name_of(found: Object) -> str:
    """An object's name."""
    return str(found.get("metadata", {}).get("name", ""))


def shown(found: Object) -> str:
    """An object as a finding names it: `Kind/name`."""
    return f"{found.get('kind', '?')}/{name_of(found)}"


def labels_of(found: Object) -> dict[str, str]:
    """An object's own labels."""
    return dict(found.get("metadata", {}).get("labels") or {})


def matches(selector: Object | None, labels: Labels) -> bool:
    """Whether a label selector selects these labels; an empty one selects all, None nothing."""
    if selector is None:
        return False
    wanted = selector.get("matchLabels") or {}
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _holds(each, labels) for each in selector.get("matchExpressions") or []
    )


def _holds(expression: Object, labels: Labels) -> bool:
    value, values = labels.get(expression["key"]), expression.get("values") or []
    match expression["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
    raise ValueError(f"unknown operator {expression['operator']}")


@dataclass(frozen=True)
class Pods:
    """The pods of one workload, or those that an operator makes of a resource: who they are, and where they listen."""

    owner: Object
    labels: Labels
    ports: Mapping[str, int]
    spec: Object = field(default_factory=dict)

    @property
    def containers(self) -> list[Object]:
        """All containers, those that run first included."""
        return [*(self.spec.get("initContainers") or []), *(self.spec.get("containers") or [])]

    def port(self, wanted: str | int) -> int | None:
        """A port by its name or number; None when nothing listens there."""
        if isinstance(wanted, int):
            return wanted if wanted in self.ports.values() else None
        return self.ports.get(wanted)


def template_of(workload: Object) -> Object:
    """The pod template of a workload."""
    spec = workload.get("spec", {})
    inner = spec.get("jobTemplate", {}).get("spec", {}) if workload["kind"] == "CronJob" else spec
    return dict(inner.get("template", {}))


def pods_of(workload: Object) -> Pods:
    """The pods that a workload makes."""
    template = template_of(workload)
    spec = template.get("spec", {})
    ports = {
        port.get("name", str(port["containerPort"])): port["containerPort"]
        for container in spec.get("containers", [])
        for port in container.get("ports") or []
    }
    return Pods(workload, template.get("metadata", {}).get("labels") or {}, ports, spec)


@dataclass(frozen=True)
class Stack:
    """All objects of one rendered overlay. `promised` are the Secrets that people make there, which the overlay's examples
    name; `production`: people's work depends on it."""

    objects: tuple[Object, ...]
    promised: tuple[Object, ...] = ()
    production: bool = False

    def of(self, *kinds: str) -> list[Object]:
        """The objects of these kinds."""
        return [each for each in self.objects if each.get("kind") in kinds]

    def one(self, kind: str, name: str) -> Object | None:
        """The object of this kind and name."""
        return next((each for each in self.of(kind) if name_of(each) == name), None)

    @cached_property
    def workloads(self) -> list[Object]:
        """What makes pods of containers that are written here."""
        return self.of(*sorted(WORKLOADS))

    @cached_property
    def clusters(self) -> list[Object]:
        """The PostgreSQL clusters that CloudNativePG makes."""
        return [each for each in self.of(CLUSTER) if str(each.get("apiVersion")).startswith("postgresql.cnpg.io/")]

    @cached_property
    def pods(self) -> list[Pods]:
        """All pods, those of operators included."""
        return [*(pods_of(each) for each in self.workloads), *(_instances(each) for each in self.clusters)]

    @cached_property
    def containers(self) -> list[tuple[Object, Object]]:
        """Each container, with its workload."""
        return [(pods.owner, container) for pods in self.pods for container in pods.containers]

    @cached_property
    def services(self) -> list[Object]:
        """The Services, those of operators included."""
        return [*self.of("Service"), *(made for each in self.clusters for made in _services(each))]

    @cached_property
    def secrets(self) -> dict[str, dict[str, str]]:
        """What Secrets there will be, by name: values where they are known, else the example's."""
        made = [_app_secret(each) for each in self.clusters]
        promised = {
            name_of(each): {key: _UNLIKE_URLS.sub("-", value) for key, value in secret_values(each).items()}
            for each in self.promised
        }
        return promised | {name_of(each): secret_values(each) for each in [*made, *self.of("Secret")]}

    @cached_property
    def config_maps(self) -> dict[str, dict[str, str]]:
        """What ConfigMaps there are, by name."""
        return {name_of(each): each.get("data") or {} for each in self.of("ConfigMap")}

    def selected(self, selector: Object | None) -> list[Pods]:
        """The pods that a label selector selects."""
        return [pods for pods in self.pods if matches(selector, pods.labels)]

    def behind(self, service: Object) -> list[Pods]:
        """The pods that a Service leads to."""
        selector = service.get("spec", {}).get("selector")
        return self.selected({"matchLabels": selector}) if selector else []


def secret_values(secret: Object) -> dict[str, str]:
    """The text of a Secret's values."""
    encoded = {key: base64.b64decode(value).decode() for key, value in (secret.get("data") or {}).items()}
    return encoded | (secret.get("stringData") or {})


def _instances(cluster: Object) -> Pods:
    # What the operator's documentation says of its pods: their labels, PostgreSQL, the instance manager, the exporter.
    return Pods(cluster, {"cnpg.io/cluster": name_of(cluster)}, {"postgresql": 5432, "status": 8000, "metrics": 9187})


def _services(cluster: Object) -> list[Object]:
    return [
        {
            "kind": "Service",
            "metadata": {"name": f"{name_of(cluster)}-{role}"},
            "spec": {
                "selector": {"cnpg.io/cluster": name_of(cluster)},
                "ports": [{"name": "postgres", "port": 5432, "targetPort": 5432}],
            },
        }
        for role in ("rw", "ro", "r")
    ]


def _app_secret(cluster: Object) -> Object:
    name, initdb = name_of(cluster), cluster.get("spec", {}).get("bootstrap", {}).get("initdb", {})
    owner, database = initdb.get("owner", "app"), initdb.get("database", "app")
    values = {"username": owner, "password": "…", "dbname": database, "host": f"{name}-rw", "port": "5432"}
    uri = f"postgresql://{owner}:password@{name}-rw:5432/{database}"
    return {"kind": "Secret", "metadata": {"name": f"{name}-app"}, "stringData": values | {"uri": uri}}
